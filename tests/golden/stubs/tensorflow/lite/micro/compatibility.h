// Stands in for TFLite Micro's header of this name, see micro_mutable_op_resolver.h beside it.
#ifndef EDGEKIT_TEST_STUB_COMPATIBILITY_H_
#define EDGEKIT_TEST_STUB_COMPATIBILITY_H_

#define TF_LITE_REMOVE_VIRTUAL_DELETE \
  void operator delete(void*) {}

#endif  // EDGEKIT_TEST_STUB_COMPATIBILITY_H_
