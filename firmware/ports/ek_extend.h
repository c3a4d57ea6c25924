// A counter of few bits made one of 64, by a clock that is coarser but does not wrap.
#ifndef EDGEKIT_PORTS_EK_EXTEND_H_
#define EDGEKIT_PORTS_EK_EXTEND_H_

#include <stdint.h>

// The number nearest to `about` whose lowest `bits` bits (1 to 32) are those of `low`. It is the counter's full value
// when `about` is less than half the counter's range off, however often the counter has wrapped since the last call.
static inline uint64_t ek_extend(uint64_t about, uint32_t low, unsigned bits) {
  uint64_t range = (uint64_t)1 << bits;
  uint64_t value = (about & ~(range - 1)) | (low & (range - 1));
  if (value + range / 2 < about) return value + range;
  if (value > about + range / 2 && value >= range) return value - range;
  return value;
}

// The full value of a counter that started with `*start`, by a clock that is never ahead. Some cores' counters stand still
// while they sleep: what is more than `slack` behind the clock is put right, and `*start` with it.
static inline uint64_t ek_follow(uint64_t about, uint32_t counter, uint32_t *start, unsigned bits, uint32_t slack) {
  uint64_t value = ek_extend(about, counter - *start, bits);
  if (value + slack >= about) return value;
  *start -= (uint32_t)(about - value);
  return about;
}

#endif  // EDGEKIT_PORTS_EK_EXTEND_H_
