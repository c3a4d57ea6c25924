// Stands in for TFLite Micro's header of this name, see micro_mutable_op_resolver.h beside it: an interpreter without
// kernels that does as the test has told it to. It logs in TFLite Micro's words, a line end of its own included.
#ifndef EDGEKIT_TEST_STUB_MICRO_INTERPRETER_H_
#define EDGEKIT_TEST_STUB_MICRO_INTERPRETER_H_

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"

struct TfLiteTensor {
  union {
    uint8_t* uint8;
    int8_t* int8;
  } data;
};

namespace tflite {

// What a test wants.
struct StubWishes {
  size_t needed;        // bytes of the arena
  bool silent;          // as a library without error strings
  unsigned int ops;     // of an inference
  unsigned int failed;  // the operator that fails, counted from one; none when 0
};
inline StubWishes stub_wishes = {};

class MicroInterpreter;
inline MicroInterpreter* stub_interpreter = nullptr;

class MicroResourceVariables;

class MicroInterpreter {
 public:
  MicroInterpreter(const Model* model, const MicroOpResolver&, uint8_t* arena, size_t size,
                   MicroResourceVariables* = nullptr, MicroProfilerInterface* profiler = nullptr)
      : model_(model), arena_(arena), size_(size), profiler_(profiler) {
    stub_interpreter = this;
  }

  TfLiteStatus AllocateTensors() {
    if (size_ < stub_wishes.needed) {
      Log("Failed to resize buffer. Requested: %u, available %u, missing: %u", static_cast<unsigned>(stub_wishes.needed),
          static_cast<unsigned>(size_), static_cast<unsigned>(stub_wishes.needed - size_));
      Log("%s", "\r\n");
      Log("Failed starting model allocation.%s", "\n");
      return kTfLiteError;
    }
    input_.data.uint8 = arena_ + 16;
    output_.data.uint8 = arena_ + 32;
    return kTfLiteOk;
  }

  TfLiteStatus Invoke() {
    for (unsigned int op = 1; op <= stub_wishes.ops; ++op) {
      const uint32_t event = profiler_->BeginEvent("OP");
      const bool failed = op == stub_wishes.failed;
      profiler_->EndEvent(event);
      if (failed) {
        return kTfLiteError;
      }
    }
    *output_.data.uint8 = static_cast<uint8_t>(*input_.data.uint8 + 1);
    return kTfLiteOk;
  }

  TfLiteTensor* input(size_t) {
    return &input_;
  }
  TfLiteTensor* output(size_t) {
    return &output_;
  }
  size_t arena_used_bytes() const {
    return stub_wishes.needed;
  }

  const Model* model() const {
    return model_;
  }
  const uint8_t* arena() const {
    return arena_;
  }
  size_t arena_size() const {
    return size_;
  }

 private:
  static void Log(const char* format, ...) {
    va_list args;
    va_start(args, format);
    if (!stub_wishes.silent) {
      DebugLog(format, args);
    }
    va_end(args);
  }

  const Model* model_;
  uint8_t* arena_;
  size_t size_;
  MicroProfilerInterface* profiler_;
  TfLiteTensor input_ = {}, output_ = {};
};

}  // namespace tflite

#endif  // EDGEKIT_TEST_STUB_MICRO_INTERPRETER_H_
