// CONCATENATION: copies one input into its place in each run of the output.
#include <string.h>

#include "ek_aot.h"

void ek_concat(uint32_t outer, uint32_t in_run, uint32_t out_run, const int8_t *in, int8_t *out) {
  for (uint32_t i = 0; i < outer; ++i, in += in_run, out += out_run) {
    memmove(out, in, in_run);
  }
}

// The inputs are copied one after the other. Of the first, the output is furthest ahead when the last run is read; the
// others are untouched until their predecessors have written their last run.
int32_t ek_concat_lead(uint32_t outer, uint32_t in_run, uint32_t out_run, uint32_t before) {
  if (before != 0) {
    return (int32_t)((outer - 1) * out_run + before);
  }
  return outer == 1 ? 0 : (int32_t)((outer - 2) * (out_run - in_run));
}
