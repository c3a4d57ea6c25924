#include "ek_columns.h"

#include "ek_aot.h"
#include "ek_requant.h"

// Cores with many registers work on four channels at a time, the others on two.
#if !defined(EK_FOUR_CHANNELS)
#if defined(__riscv) && !defined(__riscv_e)
#define EK_FOUR_CHANNELS 1
#else
#define EK_FOUR_CHANNELS 0
#endif
#endif

// Sums of two pixels (first index) and two channels.
typedef struct {
  int32_t a00, a01, a10, a11;
} sums;

#if EK_DSP

// Adds one block of one or two columns times one block of two channels.
static EK_INLINE void multiply_block(const int8_t *w, const int8_t *x, int pixels, sums *s) {
  const ek_word *ww = (const ek_word *)(const void *)w, *xx = (const ek_word *)(const void *)x;
  const int32_t w0 = (int32_t)ww[0], w1 = (int32_t)ww[1], x0 = (int32_t)xx[0], x1 = (int32_t)xx[1];
  const int32_t x2 = pixels == 2 ? (int32_t)xx[2] : 0, x3 = pixels == 2 ? (int32_t)xx[3] : 0;
  int32_t four = ek_even_bytes(w0);
  s->a00 = __smlad(x0, four, s->a00);
  if (pixels == 2) s->a10 = __smlad(x2, four, s->a10);
  four = ek_odd_bytes(w0);
  s->a00 = __smlad(x1, four, s->a00);
  if (pixels == 2) s->a10 = __smlad(x3, four, s->a10);
  four = ek_even_bytes(w1);
  s->a01 = __smlad(x0, four, s->a01);
  if (pixels == 2) s->a11 = __smlad(x2, four, s->a11);
  four = ek_odd_bytes(w1);
  s->a01 = __smlad(x1, four, s->a01);
  if (pixels == 2) s->a11 = __smlad(x3, four, s->a11);
}

#else

static EK_INLINE void multiply_step(const int8_t *w, const int8_t *x, int pixels, sums *s) {
  s->a00 += w[0] * x[0];
  s->a01 += w[4] * x[0];
  if (pixels == 2) s->a10 += w[0] * x[4];
  if (pixels == 2) s->a11 += w[4] * x[4];
}

static EK_INLINE void multiply_block(const int8_t *w, const int8_t *x, int pixels, sums *s) {
  multiply_step(w, x, pixels, s);
  EK_SETTLE(s->a00, s->a01, s->a10, s->a11);
  multiply_step(w + 1, x + 1, pixels, s);
  EK_SETTLE(s->a00, s->a01, s->a10, s->a11);
  multiply_step(w + 2, x + 2, pixels, s);
  EK_SETTLE(s->a00, s->a01, s->a10, s->a11);
  multiply_step(w + 3, x + 3, pixels, s);
  EK_SETTLE(s->a00, s->a01, s->a10, s->a11);
}

#if EK_FOUR_CHANNELS
// The same input times two pairs of channels.
static EK_INLINE void multiply_step_4(const int8_t *w, const int8_t *w_next, const int8_t *x, int pixels, sums *s,
                                      sums *t) {
  multiply_step(w, x, pixels, s);
  multiply_step(w_next, x, pixels, t);
  EK_SETTLE(s->a00, s->a01, s->a10, s->a11);
  EK_SETTLE(t->a00, t->a01, t->a10, t->a11);
}
#endif

#endif

// Writes two channels of one or two pixels, or only the first of the channels where it is the last.
static EK_INLINE void put(const sums *s, const void *channels, int32_t out_zero, int8_t *to, uint32_t out_c, int pixels,
                          int is_last, int wide) {
  const ek_requant r0 = ek_requant_of(channels, 0, out_zero, wide);
  if (pixels == 2) to[out_c] = (int8_t)ek_requantize(s->a10, &r0, wide);
  to[0] = (int8_t)ek_requantize(s->a00, &r0, wide);
  if (is_last) return;
  const ek_requant r1 = ek_requant_of(channels, 1, out_zero, wide);
  if (pixels == 2) to[out_c + 1] = (int8_t)ek_requantize(s->a11, &r1, wide);
  to[1] = (int8_t)ek_requantize(s->a01, &r1, wide);
}

static EK_INLINE sums biases_of(const void *channels, int wide) {
  const int32_t bias0 = ek_bias_of(channels, 0, wide), bias1 = ek_bias_of(channels, 1, wide);
  const sums s = {bias0, bias1, bias0, bias1};
  return s;
}

static EK_INLINE void columns(const ek_columns *p, const int8_t *x, int8_t *out, int pixels, int wide) {
  const uint32_t step = (uint32_t)pixels * EK_BLOCK_BYTES, out_c = p->out_c;
  const int32_t out_zero = p->out_zero;
  const int odd = (int)(p->blocks & 1);
  const int8_t *w = p->weights, *x_end = x + p->blocks * step;
  const void *channels = p->channels;
  int8_t *to = out, *to_end = out + out_c;
#if EK_FOUR_CHANNELS && !EK_DSP
  const uint32_t pair = 8 * p->blocks;
  for (; to_end - to >= 4; to += 4, channels = ek_next_channels(channels, 4, wide), w += pair) {
    sums s = biases_of(channels, wide), t = biases_of(ek_next_channels(channels, 2, wide), wide);
    for (const int8_t *block = x; block != x_end; block += step, w += 8) {
      multiply_step_4(w, w + pair, block, pixels, &s, &t);
      multiply_step_4(w + 1, w + pair + 1, block + 1, pixels, &s, &t);
      multiply_step_4(w + 2, w + pair + 2, block + 2, pixels, &s, &t);
      multiply_step_4(w + 3, w + pair + 3, block + 3, pixels, &s, &t);
    }
    put(&s, channels, out_zero, to, out_c, pixels, 0, wide);
    put(&t, ek_next_channels(channels, 2, wide), out_zero, to + 2, out_c, pixels, 0, wide);
  }
#endif
  while (to != to_end) {
    sums s = biases_of(channels, wide);
    const int8_t *block = x;
    if (odd) {
      multiply_block(w, block, pixels, &s);
      w += 8;
      block += step;
    }
    for (; block != x_end; block += 2 * step, w += 16) {
      multiply_block(w, block, pixels, &s);
      multiply_block(w + 8, block + step, pixels, &s);
    }
    // The rest of the channel's constants is loaded now: kept over the loop they would be spilled anyway.
    EK_SETTLE(s.a00, s.a01, s.a10, s.a11);
    const int is_last = to + 1 == to_end;
    put(&s, channels, out_zero, to, out_c, pixels, is_last, wide);
    if (is_last) break;
    channels = ek_next_channels(channels, 2, wide);
    to += 2;
  }
  if (ek_is_narrow(p->out_min, p->out_max)) ek_clamp(out, (uint32_t)pixels * out_c, p->out_min, p->out_max);
}

EK_IN_ORDER void ek_columns_2(const ek_columns *p, const int8_t *x, int8_t *out) { columns(p, x, out, 2, 0); }

EK_IN_ORDER void ek_columns_2_wide(const ek_columns *p, const int8_t *x, int8_t *out) { columns(p, x, out, 2, 1); }

EK_IN_ORDER void ek_columns_1(const ek_columns *p, const int8_t *x, int8_t *out) { columns(p, x, out, 1, 0); }

EK_IN_ORDER void ek_columns_1_wide(const ek_columns *p, const int8_t *x, int8_t *out) { columns(p, x, out, 1, 1); }
