// ADD of two tensors of one shape. The sum is formed with 20 more bits, in a scale that both inputs fit.
#include "ek_aot.h"
#include "ek_fixed.h"

#define EK_ADD_LEFT_SHIFT 20

// A factor of at most 1, ready for numbers below 2^29.
typedef struct {
  int32_t multiplier, shift, half;
  int32_t below_zero;  // what turns halves of negative numbers away from zero: all ones, unless nothing is shifted out
} ek_add_factor;

static ek_add_factor ek_add_prepare(int32_t multiplier, int32_t shift) {
  const ek_add_factor factor = {multiplier, -shift, (int32_t)(((uint32_t)1 << -shift) >> 1), shift < 0 ? -1 : 0};
  return factor;
}

// The same as ek_scale(), in half the instructions.
static inline int32_t ek_add_scale(int32_t x, const ek_add_factor *factor) {
  const int32_t y = ek_high_mul_twice(2 * x, factor->multiplier);
  return (y + factor->half + ((y >> 31) & factor->below_zero)) >> factor->shift;
}

void ek_add(const ek_add_op *op, const int8_t *a, const int8_t *b, int8_t *out) {
  const ek_add_factor a_factor = ek_add_prepare(op->a_multiplier, op->a_shift);
  const ek_add_factor b_factor = ek_add_prepare(op->b_multiplier, op->b_shift);
  const ek_add_factor out_factor = ek_add_prepare(op->out_multiplier, op->out_shift);
  const int32_t a_zero = op->a_zero, b_zero = op->b_zero, out_zero = op->out_zero;
  const int32_t low = op->out_min, high = op->out_max;
  for (uint32_t i = op->size; i > 0; --i) {
    const int32_t sum = ek_add_scale((*a++ - a_zero) * (1 << EK_ADD_LEFT_SHIFT), &a_factor) +
                        ek_add_scale((*b++ - b_zero) * (1 << EK_ADD_LEFT_SHIFT), &b_factor);
    *out++ = ek_limit(ek_add_scale(sum, &out_factor) + out_zero, low, high);
  }
}

// Output i is written when i + 1 is the lowest still to be read.
int32_t ek_add_lead(const ek_add_op *op) {
  (void)op;
  return 0;
}
