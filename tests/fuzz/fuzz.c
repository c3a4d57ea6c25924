// libFuzzer's bytes as what a host sends: through the port into the bench runner, with a real engine behind it.
//
// Input bytes are taken as they are, or, when the first one is odd, as descriptions of frames that are then stuffed and
// given a CRC, so that the fuzzer gets past the checks that it cannot guess.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ek_bench.h"
#include "ek_crc.h"
#include "ek_port.h"
#include "ek_protocol.h"

#define WIRE_BYTES 65536u
#define REQUESTS 7u      // request ids are few, so that frames belong together
#define EXTRA_POLLS 80u  // for the work that goes on after the last byte
#define DESCRIBED 0x80u
#define LONG 0x40u

const ek_port_rate ek_port_tick_rate = {1000000, 0, 0, 0};

static uint8_t wire[WIRE_BYTES];
static const uint8_t *next;
static size_t left, pause;
static uint64_t now;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Reads every byte, so that the sanitizers see what is sent.
void ek_port_write(const void *bytes, size_t size) {
  static volatile uint8_t sum;
  const uint8_t *byte = bytes;
  while (size--) sum = (uint8_t)(sum + *byte++);
}

// Bytes come in pieces, with work and time in between, as the bytes themselves say.
size_t ek_port_read(void *bytes, size_t size) {
  if (pause) {
    pause--;
    return 0;
  }
  size_t count = left < size ? left : size;
  if (count == 0) return 0;
  count = 1 + next[0] % count;
  memcpy(bytes, next, count);
  pause = next[count - 1] & 3;
  next += count;
  left -= count;
  return count;
}

uint64_t ek_port_ticks(void) { return now += 37; }

void ek_port_idle(void) { now += 1000; }

uint32_t ek_port_reset_reason(void) { return 0; }

uint32_t ek_port_clock_hz(void) { return 0; }

static void put(size_t *size, uint8_t byte) {
  if (*size < sizeof wire) wire[(*size)++] = byte;
}

static void put_stuffed(size_t *size, const uint8_t *frame, size_t count) {
  for (size_t at = 0;;) {
    size_t run = 0;
    while (run < 254 && at + run < count && frame[at + run]) run++;
    put(size, (uint8_t)((run + 1) ^ EK_COMMAND_END));
    for (size_t i = 0; i < run; i++) put(size, frame[at + i] ^ EK_COMMAND_END);
    at += run;
    if (run == 254) continue;
    if (at == count) return;
    at++;
  }
}

// A description: the frame's type in the lower four bits of `kind`, then the first byte of the request, then the payload.
static void put_frame(size_t *size, uint8_t kind, const uint8_t *data, size_t count) {
  uint8_t frame[EK_FRAME_MAX];
  size_t payload = count ? count - 1 : 0;
  if (payload > EK_PAYLOAD_MAX) payload = EK_PAYLOAD_MAX;
  ek_header_t header = {kind & 15, EK_PROTOCOL_VERSION, (uint16_t)payload, count ? data[0] % REQUESTS : 0};
  memcpy(frame, &header, sizeof header);
  if (payload) memcpy(frame + sizeof header, data + 1, payload);
  uint32_t crc = ek_crc32(0, frame, sizeof header + payload);
  memcpy(frame + sizeof header + payload, &crc, sizeof crc);
  for (const char *mark = EK_FRAME_MARK; *mark; mark++) put(size, (uint8_t)*mark);
  put_stuffed(size, frame, sizeof header + payload + sizeof crc);
}

// Messages, each described by its kind, its length and its content.
static size_t describe(const uint8_t *data, size_t size) {
  size_t out = 0;
  while (size > 2) {
    uint8_t kind = data[0];
    size_t count = data[1];
    if (kind & LONG) count *= 4;
    data += 2;
    size -= 2;
    if (count > size) count = size;
    if (kind & DESCRIBED) {
      put_frame(&out, kind, data, count);
    } else {
      for (size_t i = 0; i < count; i++) put(&out, data[i]);
    }
    put(&out, EK_COMMAND_END);
    data += count;
    size -= count;
  }
  return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size && (data[0] & 1)) {
    left = describe(data + 1, size - 1);
    next = wire;
  } else {
    left = size;
    next = data;
  }
  pause = 0;
  now = 0;
  ek_bench_start();
  while (left) ek_bench_poll();
  for (unsigned i = 0; i < EXTRA_POLLS; i++) ek_bench_poll();
  return 0;
}
