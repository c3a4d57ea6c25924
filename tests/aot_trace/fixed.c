// The arithmetic of ek_fixed.h, as functions that a test can call.
#include "ek_fixed.h"

int32_t fixed_high_mul(int32_t a, int32_t b) { return ek_high_mul(a, b); }

int32_t fixed_round_shift(int32_t x, int32_t exponent) { return ek_round_shift(x, exponent); }

int32_t fixed_scale(int32_t x, int32_t multiplier, int32_t shift) { return ek_scale(x, multiplier, shift); }

int32_t fixed_limit(int32_t x, int32_t low, int32_t high) { return ek_limit(x, low, high); }

int32_t fixed_scale_to_int8(int32_t x, int32_t multiplier, int32_t shift, int32_t zero) {
  return ek_scale_to_int8(x, multiplier, shift, zero);
}
