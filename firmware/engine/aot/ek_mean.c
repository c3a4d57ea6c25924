// MEAN over height and width: one channel after the other.
#include "ek_aot.h"
#include "ek_fixed.h"

void ek_mean(const ek_mean_op *op, const int8_t *in, int8_t *out) {
  const uint32_t channels = op->channels;
  const int32_t zero_sum = (int32_t)op->pixels * op->in_zero;
  for (uint32_t c = 0; c < channels; ++c) {
    const int8_t *p = in + c;
    int32_t sum = -zero_sum;
    for (uint32_t pixel = op->pixels; pixel != 0; --pixel, p += channels) {
      sum += *p;
    }
    out[c] = ek_scale_to_int8(sum, op->multiplier, op->shift, op->out_zero);
  }
}

// Output c is written when the first pixel's channel c + 1 is the lowest still to be read.
int32_t ek_mean_lead(const ek_mean_op *op) {
  (void)op;
  return 0;
}
