// Requantization of accumulators to int8, with the two roundings of TFLite's reference kernels:
//   y = (2 * acc * multiplier + 2^31) >> 32   (to the nearest, halves up)
//   q = zero + y / 2^shift                    (to the nearest, halves away from zero)
// In the compact form the second one is (y + 2^(shift - 1) + (acc >> 31) + (zero << shift)) >> shift: y and acc have the
// same sign wherever the sign matters, and a zero point added before the shift is added once a channel, not once an
// output.
#ifndef EDGEKIT_AOT_EK_REQUANT_H_
#define EDGEKIT_AOT_EK_REQUANT_H_

#include "ek_aot.h"
#include "ek_fixed.h"
#include "ek_simd.h"

// What one channel needs after its sum.
typedef struct {
  int32_t multiplier, shift;
  int32_t offset;  // in the compact form the zero point and one half, both shifted to the left
} ek_requant;

static EK_INLINE int32_t ek_bias_of(const void *channels, uint32_t i, int wide) {
  return wide ? ((const ek_wide_channel *)channels)[i].bias : ((const ek_channel *)channels)[i].bias_shift >> 5;
}

static EK_INLINE ek_requant ek_requant_of(const void *channels, uint32_t i, int32_t out_zero, int wide) {
  if (wide) {
    const ek_wide_channel *c = (const ek_wide_channel *)channels + i;
    const ek_requant r = {c->multiplier, c->shift, out_zero};
    return r;
  } else {
    const ek_channel *c = (const ek_channel *)channels + i;
    const int32_t shift = c->bias_shift & 31;
    const ek_requant r = {c->multiplier, shift, (2 * out_zero + 1) * (1 << (shift - 1))};
    return r;
  }
}

static EK_INLINE const void *ek_next_channels(const void *channels, uint32_t count, int wide) {
  return (const int8_t *)channels + count * (wide ? sizeof(ek_wide_channel) : sizeof(ek_channel));
}

static EK_INLINE int32_t ek_requant_compact(int32_t acc, const ek_requant *r) {
  const int32_t addend = r->offset + (acc >> 31);
#if EK_DSP
  return ek_saturate(ek_smmlar(2 * acc, r->multiplier, addend) >> r->shift);
#else
  return ek_saturate((ek_high_mul_twice(2 * acc, r->multiplier) + addend) >> r->shift);
#endif
}

static EK_INLINE int32_t ek_requantize(int32_t acc, const ek_requant *r, int wide) {
  return wide ? ek_scale_to_int8(acc, r->multiplier, r->shift, r->offset) : ek_requant_compact(acc, r);
}

// Most fused activations leave all of int8: the kernels saturate to it, and only where that is not enough, their
// outputs are clamped afterwards.
static EK_INLINE int ek_is_narrow(int8_t out_min, int8_t out_max) { return out_min > -128 || out_max < 127; }

static EK_INLINE void ek_clamp(int8_t *out, uint32_t count, int8_t out_min, int8_t out_max) {
  for (uint32_t i = 0; i < count; ++i) out[i] = out[i] < out_min ? out_min : out[i] > out_max ? out_max : out[i];
}

#endif  // EDGEKIT_AOT_EK_REQUANT_H_
