#include "ek_aot.h"
#include "ek_lead.h"
#include "ek_requant.h"

// Sums of four channels of a pixel.
typedef struct {
  int32_t a0, a1, a2, a3;
} sums;

// Adds four inputs times four weights.
static EK_INLINE void multiply_tap(const int8_t *x, const int8_t *w, sums *s) {
#if EK_DSP
  const int32_t xx = ek_load_word(x), ww = ek_load_word(w);
  const int32_t x02 = ek_even_bytes(xx), x13 = ek_odd_bytes(xx), w02 = ek_even_bytes(ww), w13 = ek_odd_bytes(ww);
  s->a0 = __smlabb(x02, w02, s->a0);
  s->a1 = __smlabb(x13, w13, s->a1);
  s->a2 = __smlatt(x02, w02, s->a2);
  s->a3 = __smlatt(x13, w13, s->a3);
#else
  s->a0 += x[0] * w[0];
  s->a1 += x[1] * w[1];
  s->a2 += x[2] * w[2];
  s->a3 += x[3] * w[3];
#endif
  EK_SETTLE(s->a0, s->a1, s->a2, s->a3);
}

// Three taps side by side.
static EK_INLINE void multiply_row(const int8_t *x, int32_t step, const int8_t *w, sums *s) {
  multiply_tap(x, w, s);
  multiply_tap(x + step, w + 4, s);
  multiply_tap(x + 2 * step, w + 8, s);
}

// The rows and columns of the kernel that are inside the tensor, and the first input inside.
typedef struct {
  const int8_t *in;
  int32_t row_bytes, in_c;
  int32_t top, bottom, left, right;
} place;

// The sums of `count` <= 4 channels from output channel `c` on, for any window, multiplier and border.
static sums sums_of(const ek_depthwise_op *op, const place *at, uint32_t c, uint32_t count, const int8_t *w, sums s) {
  for (int32_t ky = 0; ky < op->window.kernel_h; ++ky) {
    for (int32_t kx = 0; kx < op->window.kernel_w; ++kx, w += 4) {
      const int inside = ky >= at->top && ky < at->bottom && kx >= at->left && kx < at->right;
      const int32_t pixel = (ky - at->top) * at->row_bytes + (kx - at->left) * at->in_c;
      int8_t gathered[4] = {0, 0, 0, 0};
      const int8_t *tap = gathered;
      if (inside && count == 4 && op->multiplier == 1) {
        tap = at->in + pixel + c;
      } else {
        for (uint32_t i = 0; i < count; ++i) {
          gathered[i] = inside ? at->in[pixel + (int32_t)((c + i) / op->multiplier)] : op->in_zero;
        }
      }
      multiply_tap(tap, w, &s);
    }
  }
  return s;
}

static EK_INLINE sums biases_of(const void *channels, int wide) {
  const sums s = {ek_bias_of(channels, 0, wide), ek_bias_of(channels, 1, wide), ek_bias_of(channels, 2, wide),
                  ek_bias_of(channels, 3, wide)};
  return s;
}

static EK_INLINE void put(const sums *s, const void *channels, uint32_t count, int32_t out_zero, int8_t *out,
                          int wide) {
  ek_requant r = ek_requant_of(channels, 0, out_zero, wide);
  out[0] = (int8_t)ek_requantize(s->a0, &r, wide);
  if (count < 2) return;
  r = ek_requant_of(channels, 1, out_zero, wide);
  out[1] = (int8_t)ek_requantize(s->a1, &r, wide);
  if (count < 3) return;
  r = ek_requant_of(channels, 2, out_zero, wide);
  out[2] = (int8_t)ek_requantize(s->a2, &r, wide);
  if (count < 4) return;
  r = ek_requant_of(channels, 3, out_zero, wide);
  out[3] = (int8_t)ek_requantize(s->a3, &r, wide);
}

// One to three taps side by side, from `step` bytes apart to words.
static EK_INLINE void copy_row(int8_t *to, const int8_t *x, int32_t step, int32_t count) {
  memcpy(to, x, 4);
  if (count == 1) return;
  memcpy(to + 4, x + step, 4);
  if (count == 2) return;
  memcpy(to + 8, x + 2 * step, 4);
}

// The four-channel groups of `pixels` pixels, kernel 3x3, multiplier 1. A pixel at a border comes alone, and the taps of
// a group are gathered first.
static EK_INLINE void by_three(const ek_depthwise_op *op, const place *at, int32_t pixels, int8_t *out, int wide) {
  const int32_t rows = at->bottom - at->top, count = at->right - at->left, border = rows < 3 || count < 3;
  const int32_t out_zero = op->out_zero, step = border ? 4 : at->in_c, row_step = border ? 12 : at->row_bytes;
  const int32_t groups = op->out.c / 4, pixel_step = op->window.stride_w * at->in_c - 4 * groups;
  const int8_t *in = at->in;
  int8_t gathered[36], *inside = gathered + 12 * at->top + 4 * at->left;
  if (border) {
    for (int i = 0; i < 36; ++i) gathered[i] = op->in_zero;
  }
  for (; pixels > 0; --pixels, in += pixel_step) {
    const int8_t *w = op->weights;
    const void *channels = op->channels;
    for (int32_t left = groups; left > 0; --left) {
      const int8_t *x = in;
      if (border) {
        int8_t *to = inside;
        for (int32_t i = rows; i > 0; --i, x += at->row_bytes, to += 12) copy_row(to, x, at->in_c, count);
        x = gathered;
      }
      sums s = biases_of(channels, wide);
      multiply_row(x, step, w, &s);
      multiply_row(x + row_step, step, w + 12, &s);
      multiply_row(x + 2 * row_step, step, w + 24, &s);
      put(&s, channels, 4, out_zero, out, wide);
      in += 4;
      w += 36;
      out += 4;
      channels = ek_next_channels(channels, 4, wide);
    }
  }
}

// The channels of one pixel from `c` on, for any kernel and multiplier.
static EK_INLINE void by_any(const ek_depthwise_op *op, const place *at, uint32_t c, int8_t *out, int wide) {
  const uint32_t taps = (uint32_t)op->window.kernel_h * op->window.kernel_w;
  for (; c < op->out.c; c += 4) {
    const uint32_t left = op->out.c - c, count = left < 4 ? left : 4;
    const void *channels = ek_next_channels(op->channels, c, wide);
    const sums s = sums_of(op, at, c, count, op->weights + c * taps, biases_of(channels, wide));
    put(&s, channels, count, op->out_zero, out + c, wide);
  }
}

static EK_INLINE void depthwise(const ek_depthwise_op *op, ek_band band, const int8_t *in, int8_t *out,
                                void (*three)(const ek_depthwise_op *, const place *, int32_t, int8_t *),
                                void (*any)(const ek_depthwise_op *, const place *, uint32_t, int8_t *)) {
  const ek_window window = op->window;
  const int is_three = window.kernel_h == 3 && window.kernel_w == 3 && op->multiplier == 1;
  const uint32_t out_c = op->out.c, whole = is_three ? out_c / 4 * 4 : 0;
  place at;
  at.in_c = op->in.c;
  at.row_bytes = op->in.w * at.in_c;
  for (int32_t oy = band.out_first; oy < band.out_first + band.out_rows; ++oy) {
    const int32_t y = oy * window.stride_h - window.pad_top;
    int32_t x = -window.pad_left;
    ek_clip(y, window.kernel_h, op->in.h, &at.top, &at.bottom);
    const int8_t *row = in + (y + at.top - band.in_first) * at.row_bytes;
    for (int32_t left = op->out.w, n; left > 0; left -= n, x += n * window.stride_w) {
      ek_clip(x, window.kernel_w, op->in.w, &at.left, &at.right);
      at.in = row + (x + at.left) * at.in_c;
      n = 1;
      if (whole == out_c && at.bottom - at.top == 3 && at.right - at.left == 3) {
        const int32_t room = (op->in.w - 3 - x) / window.stride_w + 1;
        n = room < left ? room : left;
      }
      if (whole > 0) three(op, &at, n, out);
      if (whole < out_c) any(op, &at, whole, out);
      const uint32_t size = (uint32_t)n * out_c;
      if (ek_is_narrow(op->out_min, op->out_max)) ek_clamp(out, size, op->out_min, op->out_max);
      out += size;
    }
  }
}

EK_IN_ORDER static void by_three_compact(const ek_depthwise_op *op, const place *at, int32_t pixels, int8_t *out) {
  by_three(op, at, pixels, out, 0);
}

static void by_three_wide(const ek_depthwise_op *op, const place *at, int32_t pixels, int8_t *out) {
  by_three(op, at, pixels, out, 1);
}

static void by_any_compact(const ek_depthwise_op *op, const place *at, uint32_t c, int8_t *out) {
  by_any(op, at, c, out, 0);
}

static void by_any_wide(const ek_depthwise_op *op, const place *at, uint32_t c, int8_t *out) {
  by_any(op, at, c, out, 1);
}

void ek_depthwise(const ek_depthwise_op *op, ek_band band, const int8_t *in, int8_t *out) {
  depthwise(op, band, in, out, by_three_compact, by_any_compact);
}

void ek_depthwise_wide(const ek_depthwise_op *op, ek_band band, const int8_t *in, int8_t *out) {
  depthwise(op, band, in, out, by_three_wide, by_any_wide);
}

// Four channels of a pixel are read before they are written: what counts is what is left after four channels, after
// whole pixels, and after whole rows.
int32_t ek_depthwise_lead(const ek_depthwise_op *op) {
  const ek_window window = op->window;
  const int32_t in_c = op->in.c, out_c = op->out.c, w = op->out.w, h = op->out.h;
  const int32_t in_row = op->in.w * in_c, out_row = w * out_c;
  const int32_t rows = ek_largest_distance(0, h - 1, 1, out_row, window.stride_h, window.pad_top, in_row);
  int32_t lead = -op->in.h * in_row;
  if (h > 1) lead = ek_largest_distance(1, h - 1, 1, out_row, window.stride_h, window.pad_top, in_row);
  if (w > 1) {
    lead = ek_max(lead, rows + ek_largest_distance(1, w - 1, 1, out_c, window.stride_w, window.pad_left, in_c));
  }
  if (out_c > 4) {
    const int32_t written = (out_c - 1) / 4 * 4;
    lead = ek_max(lead, rows + ek_largest_distance(0, w - 1, 1, out_c, window.stride_w, window.pad_left, in_c) +
                            written - written / op->multiplier);
  }
  return lead;
}
