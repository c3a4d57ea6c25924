#include "ek_aot.h"
#include "ek_columns.h"
#include "ek_lead.h"

// Copies a short run: a loop is faster than memcpy.
static EK_INLINE void copy(int8_t *to, const int8_t *in, uint32_t count) {
  const int8_t *end = in + count;
  for (const int8_t *words_end = in + (count & ~3u); in != words_end; in += 4, to += 4) {
    memcpy(to, in, 4);
    EK_KEEP_LOOP();
  }
  while (in != end) {
    *to++ = *in++;
    EK_KEEP_LOOP();
  }
}

// What of an output pixel's window is inside the tensor.
typedef struct {
  const int8_t *in;      // the first input inside
  int32_t top, bottom;   // rows of the kernel
  int32_t left, right;   // bytes of a row of the kernel
  uint32_t in_row, row;  // bytes of a row of the tensor, and of the kernel
} window_part;

// Inputs are gathered in a chunk first, so that whole blocks can be put.
#define EK_CHUNK 64

// A window that fits in a chunk.
static void put_small(const ek_conv2d_op *op, const window_part *part, int8_t *blocks, uint32_t step) {
  int8_t chunk[EK_CHUNK];
  const uint32_t k = op->window.kernel_h * part->row, inside = (uint32_t)(part->right - part->left);
  const int32_t rows = part->bottom - part->top;
  if (inside < part->row || rows < op->window.kernel_h) memset(chunk, op->in_zero, k);
  for (uint32_t i = k; i % 4 != 0; ++i) chunk[i] = 0;
  const int8_t *in = part->in;
  int8_t *to = chunk + (uint32_t)part->top * part->row + part->left;
  for (int32_t i = rows; i > 0; --i, in += part->in_row, to += part->row) copy(to, in, inside);
  ek_column_put(blocks, step, chunk, (k + 3) / 4 * 4);
}

// A column under construction.
typedef struct {
  int8_t chunk[EK_CHUNK];
  uint32_t fill;
  int8_t *blocks;
  uint32_t step;
} column_writer;

static void flush(column_writer *writer) {
  ek_column_put(writer->blocks, writer->step, writer->chunk, writer->fill);
  writer->blocks += EK_CHUNK / 4 * writer->step;
  writer->fill = 0;
}

// Appends `count` inputs, or `count` times `zero` where `in` is NULL.
static void append(column_writer *writer, const int8_t *in, int8_t zero, uint32_t count) {
  while (count > 0) {
    const uint32_t room = EK_CHUNK - writer->fill, n = count < room ? count : room;
    if (in) {
      copy(writer->chunk + writer->fill, in, n);
      in += n;
    } else {
      memset(writer->chunk + writer->fill, zero, n);
    }
    writer->fill += n;
    count -= n;
    if (writer->fill == EK_CHUNK) flush(writer);
  }
}

static void put_large(const ek_conv2d_op *op, const window_part *part, int8_t *blocks, uint32_t step) {
  column_writer writer;
  writer.fill = 0;
  writer.blocks = blocks;
  writer.step = step;
  const int8_t *in = part->in;
  append(&writer, NULL, op->in_zero, (uint32_t)part->top * part->row);
  for (int32_t i = part->bottom - part->top; i > 0; --i, in += part->in_row) {
    append(&writer, NULL, op->in_zero, (uint32_t)part->left);
    append(&writer, in, 0, (uint32_t)(part->right - part->left));
    append(&writer, NULL, op->in_zero, part->row - (uint32_t)part->right);
  }
  append(&writer, NULL, op->in_zero, (uint32_t)(op->window.kernel_h - part->bottom) * part->row);
  flush(&writer);
}

static EK_INLINE void conv2d(const ek_conv2d_op *op, ek_band band, const int8_t *in, int8_t *out, void *scratch,
                             void (*two)(const ek_columns *, const int8_t *, int8_t *),
                             void (*one)(const ek_columns *, const int8_t *, int8_t *)) {
  int32_t local[EK_LOCAL_SCRATCH / 4];
  int8_t *columns = (int8_t *)(ek_conv2d_scratch(op) > 0 ? scratch : local);
  const ek_window window = op->window;
  const int32_t c = op->in.c, out_c = op->out.c;
  const uint32_t k = (uint32_t)(window.kernel_h * window.kernel_w * c);
  const ek_columns p = {op->weights, op->channels, (k + 3) / 4, op->out.c, op->out_zero, op->out_min, op->out_max};
  window_part part;
  part.in_row = (uint32_t)(op->in.w * c);
  part.row = (uint32_t)(window.kernel_w * c);
  for (int32_t oy = band.out_first; oy < band.out_first + band.out_rows; ++oy) {
    const int32_t y = oy * window.stride_h - window.pad_top;
    ek_clip(y, window.kernel_h, op->in.h, &part.top, &part.bottom);
    const int8_t *row = in + (y + part.top - band.in_first) * op->in.w * c;
    int32_t x = -window.pad_left;
    for (int32_t left = op->out.w, n; left > 0; left -= n, out += n * out_c) {
      n = left > 1 ? 2 : 1;
      for (int32_t i = 0; i < n; ++i, x += window.stride_w) {
        ek_clip(x, window.kernel_w, op->in.w, &part.left, &part.right);
        part.in = row + (x + part.left) * c;
        part.left *= c;
        part.right *= c;
        (k <= EK_CHUNK ? put_small : put_large)(op, &part, columns + i * EK_BLOCK_BYTES, (uint32_t)n * EK_BLOCK_BYTES);
      }
      (n == 2 ? two : one)(&p, columns, out);
    }
  }
}

void ek_conv2d(const ek_conv2d_op *op, ek_band band, const int8_t *in, int8_t *out, void *scratch) {
  conv2d(op, band, in, out, scratch, ek_columns_2, ek_columns_1);
}

void ek_conv2d_wide(const ek_conv2d_op *op, ek_band band, const int8_t *in, int8_t *out, void *scratch) {
  conv2d(op, band, in, out, scratch, ek_columns_2_wide, ek_columns_1_wide);
}

// Pairs of pixels along a row are read before they are written: what counts is what is left after whole pairs of a
// row, and after whole rows.
int32_t ek_conv2d_lead(const ek_conv2d_op *op) {
  const ek_window window = op->window;
  const int32_t in_c = op->in.c, out_c = op->out.c, w = op->out.w, h = op->out.h;
  const int32_t in_row = op->in.w * in_c, out_row = w * out_c;
  int32_t lead = -op->in.h * in_row;
  if (h > 1) lead = ek_largest_distance(1, h - 1, 1, out_row, window.stride_h, window.pad_top, in_row);
  if (w > 2) {
    lead = ek_max(lead, ek_largest_distance(0, h - 1, 1, out_row, window.stride_h, window.pad_top, in_row) +
                            ek_largest_distance(2, w - 1, 2, out_c, window.stride_w, window.pad_left, in_c));
  }
  return lead;
}

int32_t ek_conv2d_scratch(const ek_conv2d_op *op) {
  const int32_t k = op->window.kernel_h * op->window.kernel_w * op->in.c;
  const int32_t bytes = (op->out.w > 1 ? 4 : 2) * ((k + 3) / 4 * 4);
  return bytes > EK_LOCAL_SCRATCH ? bytes : 0;
}
