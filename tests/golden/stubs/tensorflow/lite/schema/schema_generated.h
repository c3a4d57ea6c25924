// Stands in for TFLite Micro's header of this name, see ../micro/micro_mutable_op_resolver.h.
#ifndef EDGEKIT_TEST_STUB_SCHEMA_GENERATED_H_
#define EDGEKIT_TEST_STUB_SCHEMA_GENERATED_H_

namespace tflite {

struct Model {
  const void* content;
};

inline const Model* GetModel(const void* content) {
  static Model model;
  model.content = content;
  return &model;
}

}  // namespace tflite

#endif  // EDGEKIT_TEST_STUB_SCHEMA_GENERATED_H_
