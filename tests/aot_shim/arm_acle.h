// The ACLE intrinsics that firmware/engine/aot/ek_simd.h and the kernels use, in plain C, so that the path for Arm's DSP
// extension can be compiled and checked on any host: -D__ARM_FEATURE_DSP=1 -I tests/aot_shim.
#ifndef EDGEKIT_TESTS_AOT_SHIM_ARM_ACLE_H_
#define EDGEKIT_TESTS_AOT_SHIM_ARM_ACLE_H_

#include <stdint.h>

typedef int32_t int8x4_t;
typedef int32_t int16x2_t;

static inline int32_t ek_shim_low(int32_t x) { return (int16_t)(uint16_t)x; }
static inline int32_t ek_shim_high(int32_t x) { return (int16_t)(uint16_t)((uint32_t)x >> 16); }

// Accumulators wrap around on the real core, and set its Q flag, which nobody reads.
static inline int32_t ek_shim_add(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }

static inline int16x2_t __sxtb16(int8x4_t x) {
  const uint32_t low = (uint16_t)(int8_t)(uint8_t)x, high = (uint16_t)(int8_t)(uint8_t)((uint32_t)x >> 16);
  return (int32_t)(low | high << 16);
}

static inline int32_t __smlad(int16x2_t a, int16x2_t b, int32_t acc) {
  const int32_t low = ek_shim_low(a) * ek_shim_low(b), high = ek_shim_high(a) * ek_shim_high(b);
  return ek_shim_add(acc, ek_shim_add(low, high));
}

static inline int32_t __ssat(int32_t x, int bits) {
  const int32_t largest = (int32_t)((1u << (bits - 1)) - 1);
  return x > largest ? largest : x < -largest - 1 ? -largest - 1 : x;
}

static inline int32_t __smlabb(int32_t a, int32_t b, int32_t acc) {
  return ek_shim_add(acc, ek_shim_low(a) * ek_shim_low(b));
}

static inline int32_t __smlatt(int32_t a, int32_t b, int32_t acc) {
  return ek_shim_add(acc, ek_shim_high(a) * ek_shim_high(b));
}

#endif  // EDGEKIT_TESTS_AOT_SHIM_ARM_ACLE_H_
