// PAD, written from front to back. The input is read in runs that are contiguous in input and output.
#include <string.h>

#include "ek_aot.h"

// `pixels` runs of `in_run` bytes in each row of the input; in the output, each becomes `out_run` bytes.
typedef struct {
  uint32_t in_run, out_run, run_before;
  uint32_t in_pixels, out_pixels, pixels_before;
} ek_pad_layout;

static ek_pad_layout ek_pad_runs(const ek_pad_op *op) {
  ek_pad_layout layout = {op->in[3], op->out[3], op->before[3], op->in[2], op->out[2], op->before[2]};
  if (layout.in_run == layout.out_run) {  // channels are not padded: a whole row is a run
    layout.run_before = layout.pixels_before * layout.in_run;
    layout.out_run *= layout.out_pixels;
    layout.in_run *= layout.in_pixels;
    layout.in_pixels = layout.out_pixels = 1;
    layout.pixels_before = 0;
  }
  return layout;
}

void ek_pad(const ek_pad_op *op, const int8_t *in, int8_t *out) {
  const ek_pad_layout layout = ek_pad_runs(op);
  const uint32_t run_after = layout.out_run - layout.run_before - layout.in_run;
  for (uint32_t n = 0; n < op->out[0]; ++n) {
    for (uint32_t y = 0; y < op->out[1]; ++y) {
      for (uint32_t x = 0; x < layout.out_pixels; ++x, out += layout.out_run) {
        // Below the padding in front, the difference wraps to a large number.
        if (n - op->before[0] < op->in[0] && y - op->before[1] < op->in[1] &&
            x - layout.pixels_before < layout.in_pixels) {
          memset(out, op->value, layout.run_before);
          memmove(out + layout.run_before, in, layout.in_run);
          memset(out + layout.run_before + layout.in_run, op->value, run_after);
          in += layout.in_run;
        } else {
          memset(out, op->value, layout.out_run);
        }
      }
    }
  }
}

// The output is furthest ahead when the last run is read.
int32_t ek_pad_lead(const ek_pad_op *op) {
  const ek_pad_layout layout = ek_pad_runs(op);
  const uint32_t runs = (uint32_t)op->in[0] * op->in[1] * layout.in_pixels;
  const uint32_t n = op->before[0] + op->in[0] - 1U;
  const uint32_t y = op->before[1] + op->in[1] - 1U;
  const uint32_t x = layout.pixels_before + layout.in_pixels - 1U;
  const uint32_t out_runs = (n * op->out[1] + y) * layout.out_pixels + x;
  return (int32_t)(out_runs * layout.out_run + layout.run_before - (runs - 1) * layout.in_run);
}
