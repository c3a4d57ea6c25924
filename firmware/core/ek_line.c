#include "ek_line.h"

#include <string.h>

#include "ek_crc.h"
#include "ek_port.h"
#include "ek_protocol.h"

#define SHOWN 32u
#define BLOCK 254u

// Bytes on their way to the port, which may take long for each call.
static uint8_t waiting[128];
static size_t waiting_count;

static void flush(void) {
  ek_port_write(waiting, waiting_count);
  waiting_count = 0;
}

// Called from everywhere here; a copy in each place would take 500 bytes more.
__attribute__((noinline)) void ek_put(uint8_t byte) {
  waiting[waiting_count++] = byte;
  if (waiting_count == sizeof waiting) flush();
}

void ek_put_text(const char *text) {
  while (*text) ek_put((uint8_t)*text++);
}

void ek_put_number(uint64_t number) {
  char text[21];
  char *digit = text + sizeof text - 1;
  *digit = 0;
  do {
    *--digit = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  ek_put_text(digit);
}

void ek_put_hex(uint8_t byte) {
  static const char digits[] = "0123456789abcdef";
  ek_put((uint8_t)digits[byte >> 4]);
  ek_put((uint8_t)digits[byte & 15]);
}

static uint8_t plain(uint8_t byte) {
  return byte < ' ' || byte > '~' || byte == '[' || byte == ']' || byte == '%' ? '?' : byte;
}

void ek_put_bracketed(const char *prefix, const void *text, size_t size) {
  const uint8_t *bytes = text;
  size_t before = strlen(prefix);
  size_t shown = before + size <= SHOWN ? before + size : SHOWN - 3;
  ek_put('[');
  for (size_t i = 0; i < shown; i++) ek_put(plain(i < before ? (uint8_t)prefix[i] : bytes[i - before]));
  if (shown < before + size) ek_put_text("...");
  ek_put(']');
}

void ek_end_line(void) {
  ek_put('\r');
  ek_put(EK_LINE_END);
  flush();
}

void ek_say(const char *line) {
  ek_put_text(line);
  ek_end_line();
}

void ek_say_number(const char *before, uint64_t number) {
  ek_put_text(before);
  ek_put_number(number);
  ek_end_line();
}

typedef struct {
  const uint8_t *bytes;
  size_t size;
} part;

static uint8_t byte_at(const part *parts, size_t index) {
  while (index >= parts->size) index -= parts++->size;
  return parts->bytes[index];
}

// The frame is never whole in memory: it is read twice from where its parts lie, once for the CRC.
void ek_send(uint8_t type, uint32_t request, const void *head, size_t head_size, const void *body, size_t body_size) {
  ek_header_t header = {type, EK_PROTOCOL_VERSION, (uint16_t)(head_size + body_size), request};
  uint32_t crc = ek_crc32(0, &header, sizeof header);
  crc = ek_crc32(ek_crc32(crc, head, head_size), body, body_size);
  const part parts[] = {
      {(const uint8_t *)&header, sizeof header},
      {head, head_size},
      {body, body_size},
      {(const uint8_t *)&crc, sizeof crc},
  };
  size_t total = sizeof header + head_size + body_size + sizeof crc;
  ek_put_text(EK_FRAME_MARK);
  for (size_t start = 0;;) {
    size_t run = 0;
    while (run < BLOCK && start + run < total && byte_at(parts, start + run)) run++;
    ek_put((uint8_t)((run + 1) ^ EK_LINE_END));
    for (size_t i = 0; i < run; i++) ek_put((uint8_t)(byte_at(parts, start + i) ^ EK_LINE_END));
    start += run;
    if (run == BLOCK) continue;  // the code of a whole block stands for no zero
    if (start == total) break;
    start++;
  }
  ek_end_line();
}
