// AVERAGE_POOL_2D and MAX_POOL_2D: one output pixel after the other. Padding counts as if it were not there.
#include "ek_aot.h"
#include "ek_fixed.h"
#include "ek_lead.h"

// The part of an output's window that lies inside the input.
typedef struct {
  const int8_t *in;  // its first value of channel 0
  int32_t rows, columns;
  int32_t row_step;
} ek_pool_taps;

static inline int32_t ek_min(int32_t a, int32_t b) { return a < b ? a : b; }

static ek_pool_taps ek_pool_window(const ek_pool_op *op, const ek_band *band, const int8_t *in, int32_t y, int32_t x) {
  const int32_t top = y * op->window.stride_h - op->window.pad_top;
  const int32_t left = x * op->window.stride_w - op->window.pad_left;
  const int32_t first_row = ek_max(top, 0);
  const int32_t first_column = ek_max(left, 0);
  ek_pool_taps taps;
  taps.rows = ek_min(top + op->window.kernel_h, op->in.h) - first_row;
  taps.columns = ek_min(left + op->window.kernel_w, op->in.w) - first_column;
  taps.row_step = (op->in.w - taps.columns) * op->in.c;
  taps.in = in + ((first_row - band->in_first) * op->in.w + first_column) * op->in.c;
  return taps;
}

void ek_average_pool(const ek_pool_op *op, ek_band band, const int8_t *in, int8_t *out) {
  const int32_t channels = op->in.c;
  for (int32_t y = band.out_first; y < band.out_first + band.out_rows; ++y) {
    for (int32_t x = 0; x < op->out.w; ++x) {
      const ek_pool_taps taps = ek_pool_window(op, &band, in, y, x);
      const int32_t count = taps.rows * taps.columns;
      const int32_t half = count / 2;
      for (int32_t c = 0; c < channels; ++c) {
        const int8_t *p = taps.in + c;
        int32_t sum = 0;
        for (int32_t row = 0; row < taps.rows; ++row, p += taps.row_step) {
          for (int32_t column = 0; column < taps.columns; ++column, p += channels) {
            sum += *p;
          }
        }
        *out++ = ek_limit((sum > 0 ? sum + half : sum - half) / count, op->out_min, op->out_max);
      }
    }
  }
}

void ek_max_pool(const ek_pool_op *op, ek_band band, const int8_t *in, int8_t *out) {
  const int32_t channels = op->in.c;
  for (int32_t y = band.out_first; y < band.out_first + band.out_rows; ++y) {
    for (int32_t x = 0; x < op->out.w; ++x) {
      const ek_pool_taps taps = ek_pool_window(op, &band, in, y, x);
      for (int32_t c = 0; c < channels; ++c) {
        const int8_t *p = taps.in + c;
        int32_t largest = INT8_MIN;
        for (int32_t row = 0; row < taps.rows; ++row, p += taps.row_step) {
          for (int32_t column = 0; column < taps.columns; ++column, p += channels) {
            largest = ek_max(largest, *p);
          }
        }
        *out++ = ek_limit(largest, op->out_min, op->out_max);
      }
    }
  }
}

// An output is written before the next channel of the same window is read.
int32_t ek_pool_lead(const ek_pool_op *op) {
  const ek_window *window = &op->window;
  const int32_t c = op->in.c, in_row = op->in.w * c, out_row = op->out.w * c;
  return ek_largest_distance(0, op->out.h - 1, 1, out_row, window->stride_h, window->pad_top, in_row) +
         ek_largest_distance(0, op->out.w - 1, 1, c, window->stride_w, window->pad_left, c);
}
