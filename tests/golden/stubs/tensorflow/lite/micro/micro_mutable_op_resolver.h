// Stands in for TFLite Micro's header of this name where the real one is not at hand: the same names and signatures for
// what edgekit's generated code calls, and the same answers (full, or added twice: an error), without any kernel.
#ifndef EDGEKIT_TEST_STUB_MICRO_MUTABLE_OP_RESOLVER_H_
#define EDGEKIT_TEST_STUB_MICRO_MUTABLE_OP_RESOLVER_H_

#include <string.h>

enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 };

namespace tflite {

struct TFLMRegistration {
  const char* name;
};

// X(method, registration) for every builtin operator.
#define EDGEKIT_STUB_OPS(X)                                   \
  X(Abs, ABS)                                                 \
  X(Add, ADD)                                                 \
  X(AddN, ADD_N)                                              \
  X(ArgMax, ARG_MAX)                                          \
  X(ArgMin, ARG_MIN)                                          \
  X(AssignVariable, ASSIGN_VARIABLE)                          \
  X(AveragePool2D, AVERAGE_POOL_2D)                           \
  X(BatchMatMul, BATCH_MATMUL)                                \
  X(BatchToSpaceNd, BATCH_TO_SPACE_ND)                        \
  X(BroadcastArgs, BROADCAST_ARGS)                            \
  X(BroadcastTo, BROADCAST_TO)                                \
  X(Cast, CAST)                                               \
  X(Ceil, CEIL)                                               \
  X(Concatenation, CONCATENATION)                             \
  X(Conv2D, CONV_2D)                                          \
  X(Cos, COS)                                                 \
  X(CumSum, CUMSUM)                                           \
  X(DepthwiseConv2D, DEPTHWISE_CONV_2D)                       \
  X(DepthToSpace, DEPTH_TO_SPACE)                             \
  X(Dequantize, DEQUANTIZE)                                   \
  X(Div, DIV)                                                 \
  X(DynamicUpdateSlice, DYNAMIC_UPDATE_SLICE)                 \
  X(Elu, ELU)                                                 \
  X(EmbeddingLookup, EMBEDDING_LOOKUP)                        \
  X(Equal, EQUAL)                                             \
  X(Exp, EXP)                                                 \
  X(ExpandDims, EXPAND_DIMS)                                  \
  X(Fill, FILL)                                               \
  X(Floor, FLOOR)                                             \
  X(FloorDiv, FLOOR_DIV)                                      \
  X(FloorMod, FLOOR_MOD)                                      \
  X(FullyConnected, FULLY_CONNECTED)                          \
  X(Gather, GATHER)                                           \
  X(GatherNd, GATHER_ND)                                      \
  X(Greater, GREATER)                                         \
  X(GreaterEqual, GREATER_EQUAL)                              \
  X(HardSwish, HARD_SWISH)                                    \
  X(L2Normalization, L2_NORMALIZATION)                        \
  X(L2Pool2D, L2_POOL_2D)                                     \
  X(LeakyRelu, LEAKY_RELU)                                    \
  X(Less, LESS)                                               \
  X(LessEqual, LESS_EQUAL)                                    \
  X(Log, LOG)                                                 \
  X(LogicalAnd, LOGICAL_AND)                                  \
  X(LogicalNot, LOGICAL_NOT)                                  \
  X(LogicalOr, LOGICAL_OR)                                    \
  X(Logistic, LOGISTIC)                                       \
  X(LogSoftmax, LOG_SOFTMAX)                                  \
  X(Maximum, MAXIMUM)                                         \
  X(MaxPool2D, MAX_POOL_2D)                                   \
  X(Mean, MEAN)                                               \
  X(Minimum, MINIMUM)                                         \
  X(MirrorPad, MIRROR_PAD)                                    \
  X(Mul, MUL)                                                 \
  X(Neg, NEG)                                                 \
  X(NotEqual, NOT_EQUAL)                                      \
  X(Pack, PACK)                                               \
  X(Pad, PAD)                                                 \
  X(PadV2, PADV2)                                             \
  X(Prelu, PRELU)                                             \
  X(Quantize, QUANTIZE)                                       \
  X(ReadVariable, READ_VARIABLE)                              \
  X(ReduceAll, REDUCE_ALL)                                    \
  X(ReduceMax, REDUCE_MAX)                                    \
  X(ReduceMin, REDUCE_MIN)                                    \
  X(Relu, RELU)                                               \
  X(Relu6, RELU6)                                             \
  X(Reshape, RESHAPE)                                         \
  X(ResizeBilinear, RESIZE_BILINEAR)                          \
  X(ResizeNearestNeighbor, RESIZE_NEAREST_NEIGHBOR)           \
  X(ReverseV2, REVERSE_V2)                                    \
  X(Round, ROUND)                                             \
  X(Rsqrt, RSQRT)                                             \
  X(SelectV2, SELECT_V2)                                      \
  X(Shape, SHAPE)                                             \
  X(Sin, SIN)                                                 \
  X(Slice, SLICE)                                             \
  X(Softmax, SOFTMAX)                                         \
  X(SpaceToBatchNd, SPACE_TO_BATCH_ND)                        \
  X(SpaceToDepth, SPACE_TO_DEPTH)                             \
  X(Split, SPLIT)                                             \
  X(SplitV, SPLIT_V)                                          \
  X(Sqrt, SQRT)                                               \
  X(Square, SQUARE)                                           \
  X(SquaredDifference, SQUARED_DIFFERENCE)                    \
  X(Squeeze, SQUEEZE)                                         \
  X(StridedSlice, STRIDED_SLICE)                              \
  X(Sub, SUB)                                                 \
  X(Sum, SUM)                                                 \
  X(Svdf, SVDF)                                               \
  X(Tanh, TANH)                                               \
  X(Transpose, TRANSPOSE)                                     \
  X(TransposeConv, TRANSPOSE_CONV)                            \
  X(UnidirectionalSequenceLSTM, UNIDIRECTIONAL_SEQUENCE_LSTM) \
  X(Unpack, UNPACK)                                           \
  X(VarHandle, VAR_HANDLE)                                    \
  X(ZerosLike, ZEROS_LIKE)

#define EDGEKIT_STUB_INT8_OPS(X) \
  X(ADD)                         \
  X(AVERAGE_POOL_2D)             \
  X(BATCH_MATMUL)                \
  X(CONV_2D)                     \
  X(DEPTHWISE_CONV_2D)           \
  X(FULLY_CONNECTED)             \
  X(MAXIMUM)                     \
  X(MAX_POOL_2D)                 \
  X(MINIMUM)                     \
  X(SOFTMAX)                     \
  X(TRANSPOSE_CONV)

#define EDGEKIT_STUB_REGISTER(method, op)   \
  inline TFLMRegistration Register_##op() { \
    return {#op};                           \
  }
EDGEKIT_STUB_OPS(EDGEKIT_STUB_REGISTER)
#undef EDGEKIT_STUB_REGISTER

#if defined(CMSIS_NN) || defined(ARDUINO)
#define EDGEKIT_STUB_REGISTER_INT8(op)             \
  inline TFLMRegistration Register_##op##_INT8() { \
    return {#op "_INT8"};                          \
  }
EDGEKIT_STUB_INT8_OPS(EDGEKIT_STUB_REGISTER_INT8)
#undef EDGEKIT_STUB_REGISTER_INT8
#endif

class MicroOpResolver {};

template <unsigned int tOpCount>
class MicroMutableOpResolver : public MicroOpResolver {
 public:
#define EDGEKIT_STUB_ADD(method, op)                                                 \
  TfLiteStatus Add##method(const TFLMRegistration& registration = Register_##op()) { \
    return Add(#op, registration);                                                   \
  }
  EDGEKIT_STUB_OPS(EDGEKIT_STUB_ADD)
#undef EDGEKIT_STUB_ADD

  TfLiteStatus AddCircularBuffer() {
    return Add("CIRCULAR_BUFFER", {"CIRCULAR_BUFFER"});
  }
  TfLiteStatus AddDetectionPostprocess() {
    return Add("DETECTION_POSTPROCESS", {"DETECTION_POSTPROCESS"});
  }

  unsigned int GetRegistrationLength() const {
    return length_;
  }

  // For tests: the name of a registration in the order of the calls.
  const char* RegistrationName(unsigned int index) const {
    return registrations_[index].name;
  }

 private:
  TfLiteStatus Add(const char* op, const TFLMRegistration& registration) {
    for (unsigned int i = 0; i < length_; ++i) {
      if (strcmp(ops_[i], op) == 0) {
        return kTfLiteError;
      }
    }
    if (length_ == tOpCount) {
      return kTfLiteError;
    }
    ops_[length_] = op;
    registrations_[length_] = registration;
    ++length_;
    return kTfLiteOk;
  }

  const char* ops_[tOpCount] = {};
  TFLMRegistration registrations_[tOpCount] = {};
  unsigned int length_ = 0;
};

}  // namespace tflite

#endif  // EDGEKIT_TEST_STUB_MICRO_MUTABLE_OP_RESOLVER_H_
