// SOFTMAX over the last dimension, in the fixed-point formats of TFLite's reference kernel.
#include "ek_aot.h"
#include "ek_fixed.h"

#define EK_SUM_INTEGER_BITS 12

// 1 / (1 + x) for x in [0, 1), both in Q0.31: Newton's method in Q2.29, three times.
static int32_t ek_reciprocal_of_one_plus(int32_t x) {
  const int32_t half_denominator = (int32_t)(((uint32_t)x + ((uint32_t)1 << 31)) >> 1);
  int32_t y = 1515870810 + ek_high_mul(half_denominator, -1010580540);  // 48/17 - 32/17 d
  for (int i = 0; i < 3; ++i) {
    const int32_t error = (1 << 29) - ek_high_mul(half_denominator, y);
    y += ek_high_mul(y, error) * 4;
  }
  // y is 1 / half_denominator in Q2.29, which is the answer in Q1.30.
  return y >= 1 << 30 ? INT32_MAX : y * 2;
}

static inline int32_t ek_exponential(const ek_softmax_op *op, int32_t largest, int32_t score) {
  const int32_t difference = largest - score;
  return difference < op->table_size ? op->exp_table[difference] : 0;
}

static void ek_softmax_row(const ek_softmax_op *op, const int8_t *in, int8_t *out) {
  int32_t largest = INT8_MIN;
  for (uint32_t c = 0; c < op->depth; ++c) {
    largest = in[c] > largest ? in[c] : largest;
  }
  uint32_t sum = 0;
  for (uint32_t c = 0; c < op->depth; ++c) {
    sum += (uint32_t)ek_round_shift(ek_exponential(op, largest, in[c]), EK_SUM_INTEGER_BITS);
  }
  // The largest score alone contributes 1, so that the sum is at least 1 in Q12.19.
  int32_t bits_over_unit = EK_SUM_INTEGER_BITS;
  while (sum < (uint32_t)1 << 31) {
    sum <<= 1;
    --bits_over_unit;
  }
  int32_t scale = ek_reciprocal_of_one_plus((int32_t)(sum - ((uint32_t)1 << 31)));
  int32_t exponent = bits_over_unit + 23;
  if (exponent > 31) {  // a sum of 512 and more, where the reference gives up: every share is less than 1/512, thus 0
    scale = 0;
    exponent = 31;
  }
  for (uint32_t c = 0; c < op->depth; ++c) {
    const int32_t share = ek_high_mul(scale, ek_exponential(op, largest, in[c]));
    out[c] = ek_limit(ek_round_shift(share, exponent) + INT8_MIN, INT8_MIN, INT8_MAX);
  }
}

void ek_softmax(const ek_softmax_op *op, const int8_t *in, int8_t *out) {
  for (uint32_t row = 0; row < op->rows; ++row) {
    ek_softmax_row(op, in + row * op->depth, out + row * op->depth);
  }
}

// Output c is written when c + 1 is the lowest still to be read.
int32_t ek_softmax_lead(const ek_softmax_op *op) {
  (void)op;
  return 0;
}
