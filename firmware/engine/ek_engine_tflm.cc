// The model in TFLite Micro's interpreter as the bench runner's engine. Of TFLite Micro the SDK or the user provides the
// headers and the library.
#include <new>

#include "ek_engine.h"
#include "ek_log.h"
#include "model.h"
#include "model_data.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/compatibility.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef EK_ARENA_SECTION
#define EK_ARENA_SECTION
#endif

// The arena was predicted for TFLite Micro's own build. Without its TF_LITE_STATIC_MEMORY, as in Zephyr's module and in
// Arduino's library, an operator takes 12 bytes more and a tensor 32: the input, the output, and those that an operator
// looks at while it is prepared.
#ifdef TF_LITE_STATIC_MEMORY
#define EK_ARENA_EXTRA 0
#else
#define EK_ARENA_EXTRA (12 * EK_MODEL_OPS + 32 * 16)
#endif

extern "C" {

alignas(16) EK_ARENA_SECTION uint8_t ek_arena[EK_MODEL_ARENA_BYTES + EK_ARENA_EXTRA];

// What TFLite Micro says is kept for ek_engine_error(): the line belongs to the protocol. Arduino's library, of an older
// TFLite Micro, prints to Serial by itself.
#if !defined(ARDUINO) || defined(EK_NOT_ARDUINO)

void DebugLog(const char *format, va_list arguments) { ek_log_add(format, arguments); }

int DebugVsnprintf(char *buffer, size_t size, const char *format, va_list arguments) {
  return ek_log_format(buffer, size, format, arguments);
}

#endif

}  // extern "C"

namespace {

static_assert(EK_MODEL_INPUT_BYTES <= EK_MODEL_ARENA_BYTES && EK_MODEL_OUTPUT_BYTES <= EK_MODEL_ARENA_BYTES,
              "the arena takes the place of the tensors when the model is not ready");

// The interpreter tells of the operators in the order of the .tflite file, each once.
class Profiler : public tflite::MicroProfilerInterface {
 public:
  TF_LITE_REMOVE_VIRTUAL_DELETE

  void Start(ek_engine_hook hook, void *context) {
    hook_ = hook;
    context_ = context;
    op_ = 0;
  }

  uint32_t BeginEvent(const char * /*tag*/) override { return 0; }

  void EndEvent(uint32_t /*event*/) override {
    if (hook_ != nullptr) hook_(context_, op_++);
  }

 private:
  ek_engine_hook hook_ = nullptr;
  void *context_ = nullptr;
  uint32_t op_ = 0;
};

// Memory for one object, which is never destroyed: firmware has no end, and no heap.
template <typename T>
struct Place {
  template <typename... Arguments>
  T *Make(Arguments &&...arguments) {
    return new (bytes) T(static_cast<Arguments &&>(arguments)...);
  }
  alignas(T) uint8_t bytes[sizeof(T)];
};

Place<edgekit::OpResolver> resolver_place;
Place<Profiler> profiler_place;
Place<tflite::MicroInterpreter> interpreter_place;

Profiler *profiler;
tflite::MicroInterpreter *interpreter;
bool ready;

char error[2 * EK_LOG_MAX];

int Fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  ek_log_format(error, sizeof error, format, arguments);
  va_end(arguments);
  return 1;
}

// What TFLite Micro logged first, or that there is nothing.
const char *Said() {
  const char *text = ek_log_first();
  return *text != 0 ? text : "it does not say why (its library is built with TF_LITE_STRIP_ERROR_STRINGS)";
}

}  // namespace

int ek_engine_init(void) {
  ready = false;
  ek_log_clear();
  edgekit::OpResolver *resolver = resolver_place.Make();
  if (edgekit::RegisterOps(*resolver) != kTfLiteOk) return Fail("TFLite Micro has not all operators: %s", Said());
  profiler = profiler_place.Make();
  interpreter = interpreter_place.Make(tflite::GetModel(edgekit::g_model_data), *resolver, ek_arena, sizeof ek_arena,
                                       nullptr, profiler);
  if (interpreter->AllocateTensors() != kTfLiteOk) {
    return Fail("AllocateTensors failed in an arena of %u bytes (%u predicted): %s",
                static_cast<unsigned>(sizeof ek_arena), static_cast<unsigned>(EK_MODEL_ARENA_PREDICTED), Said());
  }
  ready = true;
  return 0;
}

const char *ek_engine_error(void) { return error; }

uint8_t *ek_engine_input(void) { return ready ? interpreter->input(0)->data.uint8 : ek_arena; }

const uint8_t *ek_engine_output(void) { return ready ? interpreter->output(0)->data.uint8 : ek_arena; }

int ek_engine_invoke(ek_engine_hook hook, void *context) {
  if (!ready) return 1;
  profiler->Start(hook, context);
  return interpreter->Invoke() == kTfLiteOk ? 0 : 1;
}

uint32_t ek_engine_arena_used(void) { return ready ? static_cast<uint32_t>(interpreter->arena_used_bytes()) : 0; }
