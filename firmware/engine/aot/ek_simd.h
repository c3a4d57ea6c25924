// The few words of SIMD that the kernels use: Arm's DSP extension (Cortex-M4, M7, M33 ...) when the compiler is told
// that it is there, plain C otherwise. EK_PORTABLE asks for plain C everywhere.
#ifndef EDGEKIT_AOT_EK_SIMD_H_
#define EDGEKIT_AOT_EK_SIMD_H_

#include <stdint.h>
#include <string.h>

#include "ek_place.h"

#if defined(__GNUC__)
#define EK_INLINE inline __attribute__((always_inline))
#define EK_ALIASING __attribute__((may_alias))
// Four sums are finished here, and nothing is loaded ahead. Compilers that move all loads of an unrolled loop to its
// beginning run out of registers, and spill.
#define EK_SETTLE(a, b, c, d) __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d) : : "memory")
// Keeps a loop that copies a few bytes from becoming a call of memcpy.
#define EK_KEEP_LOOP() __asm__ volatile("")
#else
#define EK_INLINE inline
#define EK_ALIASING
#define EK_SETTLE(a, b, c, d) ((void)0)
#define EK_KEEP_LOOP() ((void)0)
#endif

// For functions where GCC's first scheduling pass costs more in spilled registers than it gains.
#if defined(__arm__) && defined(__GNUC__) && !defined(__clang__)
#define EK_IN_ORDER __attribute__((optimize("no-schedule-insns", "no-ivopts")))
#else
#define EK_IN_ORDER
#endif

#if defined(__ARM_FEATURE_SAT)
#include <arm_acle.h>
#endif

// Saturates to the values of an int8.
static EK_INLINE int32_t ek_saturate(int32_t q) {
#if defined(__ARM_FEATURE_SAT)
  return __ssat(q, 8);
#else
  if ((uint32_t)(q + 128) > 255) q = q < 0 ? -128 : 127;
#if defined(__GNUC__)
  __asm__("" : "+r"(q));  // GCC would convert to int8_t here, and once more by storing a byte
#endif
  return q;
#endif
}

// Four bytes of an int8 tensor, at a 4-byte aligned address.
typedef uint32_t EK_ALIASING ek_word;

// Four bytes at any address; one load or store where the core can do it.
static EK_INLINE int32_t ek_load_word(const int8_t *p) {
  int32_t word;
  memcpy(&word, p, sizeof word);
  return word;
}

#if defined(__ARM_FEATURE_DSP) && (__ARM_FEATURE_DSP == 1) && !defined(EK_PORTABLE)
#define EK_DSP 1

// Bytes 0 and 2 as two int16.
static EK_INLINE int32_t ek_even_bytes(int32_t word) { return __sxtb16(word); }

// Bytes 1 and 3 as two int16. In assembly, since compilers do not merge the rotation into the instruction.
static EK_INLINE int32_t ek_odd_bytes(int32_t word) {
#if defined(__arm__)
  int32_t result;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(result) : "r"(word));
  return result;
#else
  return __sxtb16((int32_t)((uint32_t)word >> 8));
#endif
}

// addend + (a * b + 2^31) / 2^32, which ACLE has no name for.
static EK_INLINE int32_t ek_smmlar(int32_t a, int32_t b, int32_t addend) {
#if defined(__arm__)
  int32_t result;
  __asm__("smmlar %0, %1, %2, %3" : "=r"(result) : "r"(a), "r"(b), "r"(addend));
  return result;
#else
  return (int32_t)(((int64_t)a * b + INT64_C(4294967296) * addend + INT64_C(2147483648)) >> 32);
#endif
}

#else
#define EK_DSP 0
#endif

#endif  // EDGEKIT_AOT_EK_SIMD_H_
