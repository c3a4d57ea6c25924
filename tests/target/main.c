// Runs a generated model on inputs that an emulator's loader has put into memory, and reports on the serial line, one
// record a line, numbers in decimal:
//
//   rate <instructions> <ticks>              what a tick of the counter is
//   output <input> <ticks> <bytes in hex>    for each input: what one inference took and gave
//   op <tflite op> <ticks>                   for each operator of one more inference
//   stack <bytes>                            what one inference took of the stack, without the profile
//   end <output lines>
//
// Memory at ek_spare_start: the number of inputs as a 32-bit little-endian integer, 12 unused bytes, and the inputs.
#include "ek_port.h"
#include "ek_stack.h"
#include "model.h"

static void write_text(const char *text) {
  size_t size = 0;
  while (text[size]) size++;
  ek_port_write(text, size);
}

static void write_number(uint64_t number) {
  char text[21];
  char *digit = text + sizeof text;
  do {
    *--digit = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  ek_port_write(" ", 1);
  ek_port_write(digit, (size_t)(text + sizeof text - digit));
}

static void write_hex(const int8_t *bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  ek_port_write(" ", 1);
  for (size_t i = 0; i < size; i++) {
    uint8_t byte = (uint8_t)bytes[i];
    char pair[2] = {digits[byte >> 4], digits[byte & 15]};
    ek_port_write(pair, sizeof pair);
  }
}

static void set_input(uint32_t index) {
  const int8_t *from = (const int8_t *)(ek_spare_start + 16 + (size_t)index * EK_MODEL_INPUT_BYTES);
  int8_t *to = ek_model_input();
  for (size_t i = 0; i < EK_MODEL_INPUT_BYTES; i++) to[i] = from[i];
}

typedef struct {
  uint64_t last;
  uint32_t count;
  struct {
    uint16_t op;
    uint64_t ticks;
  } ops[EK_MODEL_OPS + 1];  // a model may have no operator
} profile;

static void after_op(void *context, uint16_t op) {
  uint64_t now = ek_port_ticks();
  profile *seen = context;
  if (seen->count <= EK_MODEL_OPS) {
    seen->ops[seen->count].op = op;
    seen->ops[seen->count].ticks = now - seen->last;
  }
  seen->count++;
  seen->last = ek_port_ticks();
}

static void run_inputs(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    set_input(i);
    uint64_t start = ek_port_ticks();
    ek_model_invoke(NULL, NULL);
    uint64_t ticks = ek_port_ticks() - start;
    write_text("output");
    write_number(i);
    write_number(ticks);
    write_hex(ek_model_output(), EK_MODEL_OUTPUT_BYTES);
    write_text("\n");
  }
}

static void run_profile(void) {
  static profile seen;
  set_input(0);
  seen.last = ek_port_ticks();
  ek_model_invoke(after_op, &seen);
  for (uint32_t i = 0; i < seen.count && i <= EK_MODEL_OPS; i++) {
    write_text("op");
    write_number(seen.ops[i].op);
    write_number(seen.ops[i].ticks);
    write_text("\n");
  }
}

static size_t measure_stack(void) {
  set_input(0);
  ek_stack_paint();
  ek_model_invoke(NULL, NULL);
  return ek_stack_used();
}

int main(void) {
  uint32_t count = *(const uint32_t *)ek_spare_start;
  write_text("rate");
  write_number(ek_port_tick_rate.instructions);
  write_number(ek_port_tick_rate.ticks);
  write_text("\n");
  run_inputs(count);
  run_profile();
  size_t stack = measure_stack();
  write_text("stack");
  write_number(stack);
  write_text("\nend");
  write_number(count);
  write_text("\n");
  return 0;
}
