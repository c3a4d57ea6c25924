// Kernels with one fault each, in the signature of ek_pointwise() without its first two arguments: input and output
// are 8 bytes, scratch is 4.
#include <stdint.h>
#include <string.h>

void faulty_none(const int8_t *in, int8_t *out, int8_t *scratch) {
  memcpy(scratch, in, 4);
  memcpy(out, scratch, 4);
  memmove(out + 4, in + 4, 4);
}

void faulty_writes_beyond_scratch(const int8_t *in, int8_t *out, int8_t *scratch) {
  faulty_none(in, out, scratch);
  scratch[4] = 0;
}

void faulty_reads_before_input(const int8_t *in, int8_t *out, int8_t *scratch) {
  faulty_none(in, out, scratch);
  out[0] = in[-1];
}

void faulty_writes_input(const int8_t *in, int8_t *out, int8_t *scratch) {
  faulty_none(in, out, scratch);
  ((int8_t *)in)[7] = 0;
}

void faulty_reads_old_scratch(const int8_t *in, int8_t *out, int8_t *scratch) {
  scratch[0] = in[0];
  out[0] = scratch[1];
  faulty_none(in, out, scratch);
}

void faulty_reads_old_output(const int8_t *in, int8_t *out, int8_t *scratch) {
  if (out[7] > 0) memset(scratch, 0, 4);
  faulty_none(in, out, scratch);
}

void faulty_leaves_a_byte_out(const int8_t *in, int8_t *out, int8_t *scratch) {
  (void)scratch;
  memmove(out, in, 7);
}

void faulty_copies_what_may_overlap(const int8_t *in, int8_t *out, int8_t *scratch) {
  (void)scratch;
  memcpy(out, in, 8);
}
