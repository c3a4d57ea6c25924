// What the sliding-window kernels share: the part of a window that is inside the tensor, and what leads are made of.
//
// A kernel writes its output front to back. When its first n steps have been written, the input is still needed from
// row or column max(0, n * stride - pad) on, n being the next step: the distance between the end of what was written
// and the start of what is needed is concave in n.
#ifndef EDGEKIT_AOT_EK_LEAD_H_
#define EDGEKIT_AOT_EK_LEAD_H_

#include "ek_simd.h"

static EK_INLINE int32_t ek_max(int32_t a, int32_t b) { return a > b ? a : b; }

// The rows or columns first ... end - 1 of a kernel of `size` that are inside 0 ... limit - 1 when row or column 0 is at
// `start`; none when end <= first.
static EK_INLINE void ek_clip(int32_t start, int32_t size, int32_t limit, int32_t *first, int32_t *end) {
  *first = start < 0 ? -start : 0;
  *end = limit - start < size ? limit - start : size;
}

// The largest n * out_step - max(0, n * stride - pad) * in_step for n = first, first + by ... <= last (first <= last).
static inline int32_t ek_largest_distance(int32_t first, int32_t last, int32_t by, int32_t out_step, int32_t stride,
                                          int32_t pad, int32_t in_step) {
  const int32_t steps = (last - first) / by, kink = pad / stride > first ? (pad / stride - first) / by : 0;
  const int32_t candidates[4] = {0, steps, kink, kink + 1};
  int32_t largest = INT32_MIN;
  for (int i = 0; i < 4; ++i) {
    const int32_t n = first + (candidates[i] < steps ? candidates[i] : steps) * by;
    largest = ek_max(largest, n * out_step - ek_max(0, n * stride - pad) * in_step);
  }
  return largest;
}

#endif  // EDGEKIT_AOT_EK_LEAD_H_
