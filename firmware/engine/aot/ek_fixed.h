// Fixed-point arithmetic as TFLite's reference kernels do it, for any multiplier and shift.
//
// Right shifts of negative numbers are arithmetic with every compiler that this is for.
#ifndef EDGEKIT_AOT_EK_FIXED_H_
#define EDGEKIT_AOT_EK_FIXED_H_

#include <stdint.h>

// a * b / 2^31, rounded to the nearest, halves up. a and b must not both be INT32_MIN.
static inline int32_t ek_high_mul(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

// The same for 2 * a in place of a, which leaves no more to do than half of a product's high word.
static inline int32_t ek_high_mul_twice(int32_t twice_a, int32_t b) {
  const int64_t product = (int64_t)twice_a * b;
  return (int32_t)(product >> 32) + (int32_t)((uint32_t)product >> 31);
}

// x / 2^exponent, rounded to the nearest, halves away from zero; 0 <= exponent <= 31.
static inline int32_t ek_round_shift(int32_t x, int32_t exponent) {
  const uint32_t mask = ((uint32_t)1 << exponent) - 1;
  const uint32_t threshold = (mask >> 1) + (uint32_t)(x < 0);
  return (x >> exponent) + (int32_t)(((uint32_t)x & mask) > threshold);
}

// x * multiplier / 2^31 * 2^shift, rounded twice, -31 <= shift <= 31. What a left shift pushes out is lost.
static inline int32_t ek_scale(int32_t x, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    return ek_high_mul((int32_t)((uint32_t)x << shift), multiplier);
  }
  return ek_round_shift(ek_high_mul(x, multiplier), -shift);
}

// The same plus a zero point, saturated to int8.
static inline int8_t ek_scale_to_int8(int32_t x, int32_t multiplier, int32_t shift, int32_t zero) {
  const int32_t y = ek_scale(x, multiplier, shift);
  return (int8_t)(y < INT8_MIN - zero ? INT8_MIN : (y > INT8_MAX - zero ? INT8_MAX : y + zero));
}

static inline int8_t ek_limit(int32_t x, int32_t low, int32_t high) {
  return (int8_t)(x < low ? low : (x > high ? high : x));
}

#endif  // EDGEKIT_AOT_EK_FIXED_H_
