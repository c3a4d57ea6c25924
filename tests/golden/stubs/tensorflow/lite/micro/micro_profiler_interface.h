// Stands in for TFLite Micro's header of this name, see micro_mutable_op_resolver.h beside it.
#ifndef EDGEKIT_TEST_STUB_MICRO_PROFILER_INTERFACE_H_
#define EDGEKIT_TEST_STUB_MICRO_PROFILER_INTERFACE_H_

#include <stdint.h>

namespace tflite {

class MicroProfilerInterface {
 public:
  virtual ~MicroProfilerInterface() {}
  virtual uint32_t BeginEvent(const char* tag) = 0;
  virtual void EndEvent(uint32_t event_handle) = 0;
};

}  // namespace tflite

#endif  // EDGEKIT_TEST_STUB_MICRO_PROFILER_INTERFACE_H_
