// Runs the tflm engine over the stub of TFLite Micro's interpreter and says what it did, one "key value" a line.
#include <cstdint>
#include <cstdio>

#include "ek_engine.h"
#include "model.h"
#include "model_data.h"
#include "tensorflow/lite/micro/micro_interpreter.h"

namespace {

void PrintOp(void* context, uint32_t op) {
  std::printf(" %u:%s", static_cast<unsigned>(op), static_cast<const char*>(context));
}

void Refuse(const char* key, bool silent) {
  tflite::stub_wishes.needed = EK_MODEL_ARENA_BYTES + 1;
  tflite::stub_wishes.silent = silent;
  std::printf("%s %d %s\n", key, ek_engine_init(), ek_engine_error());
}

}  // namespace

int main() {
  Refuse("refused", false);
  // Whoever loads an input before the first inference must not write to nowhere.
  *ek_engine_input() = 1;
  std::printf("unready %d %d %u\n", ek_engine_invoke(nullptr, nullptr), ek_engine_output() != nullptr,
              static_cast<unsigned>(ek_engine_arena_used()));
  Refuse("silent", true);

  tflite::stub_wishes = {EK_MODEL_ARENA_BYTES, false, 3, 0};
  char context[] = "x";
  const int refused = ek_engine_init();
  std::printf("ready %d %u\n", refused, static_cast<unsigned>(ek_engine_arena_used()));
  const tflite::MicroInterpreter& made = *tflite::stub_interpreter;
  std::printf("given %d %d %d\n", made.model()->content == edgekit::g_model_data,
              reinterpret_cast<std::uintptr_t>(made.arena()) % 16 == 0, made.arena_size() == EK_MODEL_ARENA_BYTES);
  *ek_engine_input() = 41;
  std::printf("hooked");
  int failed = ek_engine_invoke(PrintOp, context);
  std::printf(" = %d %d\n", failed, *ek_engine_output());
  *ek_engine_input() = 7;
  std::printf("again");
  failed = ek_engine_invoke(PrintOp, context);
  std::printf(" = %d %d\n", failed, *ek_engine_output());
  failed = ek_engine_invoke(nullptr, nullptr);
  std::printf("unhooked %d\n", failed);
  tflite::stub_wishes.failed = 2;
  std::printf("failing");
  failed = ek_engine_invoke(PrintOp, context);
  std::printf(" = %d\n", failed);
  return 0;
}
