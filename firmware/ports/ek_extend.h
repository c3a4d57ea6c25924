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

#endif  // EDGEKIT_PORTS_EK_EXTEND_H_
