// The aot engine: int8 kernels that a generated model.c calls one after the other.
//
// C99, freestanding: no heap, no float, no libc beyond memcpy, memmove and memset. Results are those of TFLite's
// reference kernels, bit for bit, on the portable path and on the path for Arm's DSP extension.
//
// Tensors are int8, row-major, channels last, batch 1. Each kernel states next to its code
//   - its safe lead: input and output may share memory if (input address - output address) >= lead; otherwise they
//     must not overlap.
//   - its scratch: bytes of working memory, 4-byte aligned, that overlap nothing else.
#ifndef EDGEKIT_AOT_EK_AOT_H_
#define EDGEKIT_AOT_EK_AOT_H_

#include <stdint.h>

#include "ek_place.h"

#ifdef __cplusplus
extern "C" {
#endif

// How the accumulator of one output channel becomes an int8. `bias` has the input's zero point folded in.
// Compact form: |bias| < 2^26, the accumulator stays below 2^30 in magnitude, 1 <= shift <= 22 (to the right).
typedef struct {
  int32_t bias_shift;  // bias * 32 + shift
  int32_t multiplier;  // Q31, 2^30 <= multiplier < 2^31
} ek_channel;

// The general form: any multiplier, any shift (positive to the left, negative to the right, as in TFLite).
typedef struct {
  int32_t bias;
  int32_t multiplier;
  int32_t shift;
} ek_wide_channel;

typedef struct {
  uint16_t h, w, c;
} ek_shape;

// A sliding window; each of its positions touches the tensor.
typedef struct {
  uint16_t kernel_h, kernel_w;
  uint16_t stride_h, stride_w;
  uint16_t pad_top, pad_left;  // what SAME adds at the bottom and on the right follows from the shapes
} ek_window;

// A band of output rows, computed from a window of input rows. The input pointer is row `in_first` of the tensor, the
// output pointer row `out_first`. All rows that the band's windows touch must be there. The whole tensor is
// {0, 0, out.h}.
typedef struct {
  uint16_t in_first, out_first, out_rows;
} ek_band;

// CONV_2D. K = kernel_h * kernel_w * in.c; weights are packed in pairs of output channels,
// [ceil(out.c / 2)][ceil(K / 4)][2][4], zeros where there is nothing, 4-byte aligned; `channels` has an entry for each
// packed output channel.
typedef struct {
  ek_shape in, out;
  ek_window window;
  int8_t in_zero;  // zero point of the input, which padding has
  int8_t out_zero, out_min, out_max;
  const int8_t *weights;
  const void *channels;  // ek_channel or ek_wide_channel, as the function says
} ek_conv2d_op;

void ek_conv2d(const ek_conv2d_op *op, ek_band band, const int8_t *in, int8_t *out, void *scratch);
void ek_conv2d_wide(const ek_conv2d_op *op, ek_band band, const int8_t *in, int8_t *out, void *scratch);
int32_t ek_conv2d_lead(const ek_conv2d_op *op);
int32_t ek_conv2d_scratch(const ek_conv2d_op *op);

// CONV_2D 1x1 with stride 1 (`pixels` = h * w of the band) and FULLY_CONNECTED (`pixels` = rows, mostly 1).
// Weights are packed as for CONV_2D with K = in_c.
typedef struct {
  uint32_t pixels;
  uint16_t in_c, out_c;
  int8_t out_zero, out_min, out_max;
  const int8_t *weights;
  const void *channels;
} ek_pointwise_op;

void ek_pointwise(const ek_pointwise_op *op, uint32_t pixels, const int8_t *in, int8_t *out, void *scratch);
void ek_pointwise_wide(const ek_pointwise_op *op, uint32_t pixels, const int8_t *in, int8_t *out, void *scratch);
int32_t ek_pointwise_lead(const ek_pointwise_op *op);
int32_t ek_pointwise_scratch(const ek_pointwise_op *op);

// DEPTHWISE_CONV_2D: output channel o reads input channel o / multiplier. Weights are packed in groups of 4 output
// channels, [ceil(out.c / 4)][kernel_h * kernel_w][4]; `channels` has an entry for each packed output channel.
typedef struct {
  ek_shape in, out;
  ek_window window;
  uint16_t multiplier;
  int8_t in_zero, out_zero, out_min, out_max;
  const int8_t *weights;
  const void *channels;
} ek_depthwise_op;

void ek_depthwise(const ek_depthwise_op *op, ek_band band, const int8_t *in, int8_t *out);
void ek_depthwise_wide(const ek_depthwise_op *op, ek_band band, const int8_t *in, int8_t *out);
int32_t ek_depthwise_lead(const ek_depthwise_op *op);

// AVERAGE_POOL_2D and MAX_POOL_2D.
typedef struct {
  ek_shape in, out;
  ek_window window;
  int8_t out_min, out_max;
} ek_pool_op;

void ek_average_pool(const ek_pool_op *op, ek_band band, const int8_t *in, int8_t *out);
void ek_max_pool(const ek_pool_op *op, ek_band band, const int8_t *in, int8_t *out);
int32_t ek_pool_lead(const ek_pool_op *op);

// MEAN over height and width.
typedef struct {
  uint32_t pixels;
  uint16_t channels;
  int8_t in_zero, out_zero;
  int32_t multiplier, shift;
} ek_mean_op;

void ek_mean(const ek_mean_op *op, const int8_t *in, int8_t *out);
int32_t ek_mean_lead(const ek_mean_op *op);

// ADD of two tensors of one shape.
typedef struct {
  uint32_t size;
  int8_t a_zero, b_zero, out_zero, out_min, out_max;
  int32_t a_multiplier, a_shift, b_multiplier, b_shift, out_multiplier, out_shift;
} ek_add_op;

void ek_add(const ek_add_op *op, const int8_t *a, const int8_t *b, int8_t *out);
int32_t ek_add_lead(const ek_add_op *op);  // for each of the two inputs

// RELU, RELU6, QUANTIZE and every other function of one int8: table[q + 128] is the answer for q.
void ek_lookup(const int8_t table[256], uint32_t size, const int8_t *in, int8_t *out);
int32_t ek_lookup_lead(uint32_t size);

// PAD of up to four dimensions with the tensor's zero point.
typedef struct {
  uint16_t in[4], out[4], before[4];
  int8_t value;
} ek_pad_op;

void ek_pad(const ek_pad_op *op, const int8_t *in, int8_t *out);
int32_t ek_pad_lead(const ek_pad_op *op);

// CONCATENATION, one call an input, in order: `outer` runs of `in_run` bytes, `out_run` apart in the output. The lead
// is that of the input whose runs begin `before` bytes into the output's.
void ek_concat(uint32_t outer, uint32_t in_run, uint32_t out_run, const int8_t *in, int8_t *out);
int32_t ek_concat_lead(uint32_t outer, uint32_t in_run, uint32_t out_run, uint32_t before);

// SOFTMAX over the last dimension (depth < 4096). exp_table[d] is exp(-scale * beta * d) in Q0.31 for a score that is d
// below the largest; scores beyond the table count as nothing.
typedef struct {
  uint32_t rows;
  uint16_t depth;
  uint16_t table_size;
  const int32_t *exp_table;
} ek_softmax_op;

void ek_softmax(const ek_softmax_op *op, const int8_t *in, int8_t *out);
int32_t ek_softmax_lead(const ek_softmax_op *op);

// Called after each operator by ek_model_invoke(), for profiles.
typedef void (*ek_op_hook)(void *context, uint16_t op);

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_AOT_EK_AOT_H_
