// Stands in for TFLite Micro's header of this name, see micro_mutable_op_resolver.h beside this folder.
#ifndef EDGEKIT_TEST_STUB_PAD_H_
#define EDGEKIT_TEST_STUB_PAD_H_

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

#if defined(CMSIS_NN)
namespace tflite {
inline TFLMRegistration Register_PAD_INT8() {
  return {"PAD_INT8"};
}
}  // namespace tflite
#endif

#endif  // EDGEKIT_TEST_STUB_PAD_H_
