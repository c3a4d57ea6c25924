// The core that CONV_2D and FULLY_CONNECTED share: one or two columns (the K inputs that an output pixel is made of)
// times the weights of all output channels.
#ifndef EDGEKIT_AOT_EK_COLUMNS_H_
#define EDGEKIT_AOT_EK_COLUMNS_H_

#include "ek_simd.h"

// A column with at most this much scratch lives on the kernel's stack instead.
#define EK_LOCAL_SCRATCH 64

typedef struct {
  const int8_t *weights;
  const void *channels;
  uint32_t blocks;  // ceil(K / 4)
  uint16_t out_c;
  int8_t out_zero, out_min, out_max;
} ek_columns;

// Columns are kept in blocks of four inputs, the two columns of a pair taking turns; the last block is filled up with
// zeros. The DSP path has them as int16 already, bytes 0, 2, 1, 3, the order in which a word of weights unfolds.
#if EK_DSP
#define EK_BLOCK_BYTES 8
#else
#define EK_BLOCK_BYTES 4
#endif

static EK_INLINE void ek_block_put(int8_t *block, const int8_t *four) {
#if EK_DSP
  const int32_t word = ek_load_word(four);
  ((ek_word *)(void *)block)[0] = (uint32_t)ek_even_bytes(word);
  ((ek_word *)(void *)block)[1] = (uint32_t)ek_odd_bytes(word);
#else
  memcpy(block, four, 4);
#endif
}

// Copies `count` inputs, starting with a whole block, to blocks that are `step` bytes apart.
static EK_INLINE void ek_column_put(int8_t *blocks, uint32_t step, const int8_t *in, uint32_t count) {
  const int8_t *end = in + (count & ~3u);
#if !EK_DSP
  // Cores that load and store no words at odd addresses would copy bytes, though most tensors are aligned.
  if (((uintptr_t)in & 3) == 0) {
    for (; in != end; in += 4, blocks += step) *(ek_word *)(void *)blocks = *(const ek_word *)(const void *)in;
  }
#endif
  for (; in != end; in += 4, blocks += step) ek_block_put(blocks, in);
  if (count & 3) {
    int8_t four[4] = {in[0], 0, 0, 0};
    for (uint32_t i = 1; i < (count & 3); ++i) four[i] = in[i];
    ek_block_put(blocks, four);
  }
}

// Two pixels, `out` and `out + out_c`, from a pair of columns.
void ek_columns_2(const ek_columns *p, const int8_t *columns, int8_t *out);
void ek_columns_2_wide(const ek_columns *p, const int8_t *columns, int8_t *out);

// One pixel from a column alone.
void ek_columns_1(const ek_columns *p, const int8_t *column, int8_t *out);
void ek_columns_1_wide(const ek_columns *p, const int8_t *column, int8_t *out);

#endif  // EDGEKIT_AOT_EK_COLUMNS_H_
