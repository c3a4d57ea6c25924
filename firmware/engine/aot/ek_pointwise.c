#include "ek_aot.h"
#include "ek_columns.h"

// Two pixels at a time: both are copied to scratch before the first output of the two is written.
static EK_INLINE void pointwise(const ek_pointwise_op *op, uint32_t pixels, const int8_t *in, int8_t *out,
                                void *scratch, void (*two)(const ek_columns *, const int8_t *, int8_t *),
                                void (*one)(const ek_columns *, const int8_t *, int8_t *)) {
  int32_t local[EK_LOCAL_SCRATCH / 4];
  int8_t *columns = (int8_t *)(ek_pointwise_scratch(op) > 0 ? scratch : local);
  const uint32_t in_c = op->in_c, out_c = op->out_c;
  const ek_columns p = {op->weights, op->channels, (in_c + 3) / 4, op->out_c, op->out_zero, op->out_min, op->out_max};
  for (uint32_t n; pixels > 0; pixels -= n, out += n * out_c) {
    n = pixels > 1 ? 2 : 1;
    for (uint32_t i = 0; i < n; ++i, in += in_c) {
      ek_column_put(columns + i * EK_BLOCK_BYTES, n * EK_BLOCK_BYTES, in, in_c);
    }
    (n == 2 ? two : one)(&p, columns, out);
  }
}

void ek_pointwise(const ek_pointwise_op *op, uint32_t pixels, const int8_t *in, int8_t *out, void *scratch) {
  pointwise(op, pixels, in, out, scratch, ek_columns_2, ek_columns_1);
}

void ek_pointwise_wide(const ek_pointwise_op *op, uint32_t pixels, const int8_t *in, int8_t *out, void *scratch) {
  pointwise(op, pixels, in, out, scratch, ek_columns_2_wide, ek_columns_1_wide);
}

// When the first n pixels (n even) have been written, pixel n is the next to be read.
int32_t ek_pointwise_lead(const ek_pointwise_op *op) {
  const int32_t growth = (int32_t)op->out_c - op->in_c, pixels = (int32_t)op->pixels;
  if (pixels <= 2) return -pixels * op->in_c;
  return growth * (growth > 0 ? (pixels - 1) / 2 * 2 : 2);
}

int32_t ek_pointwise_scratch(const ek_pointwise_op *op) {
  const int32_t bytes = (op->pixels > 1 ? 4 : 2) * ((op->in_c + 3) / 4 * 4);
  return bytes > EK_LOCAL_SCRATCH ? bytes : 0;
}
