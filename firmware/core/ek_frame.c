#include "ek_frame.h"

#include <string.h>

#include "ek_crc.h"
#include "ek_protocol.h"

// Takes the stuffing out in place, which is possible since it only makes bytes fewer; 0 if it is broken.
static size_t unstuff(uint8_t *message, size_t size) {
  const uint8_t *in = message + sizeof EK_FRAME_MARK - 1;
  const uint8_t *end = message + size;
  uint8_t *out = message;
  while (in < end) {
    uint8_t code = (uint8_t)(*in++ ^ EK_COMMAND_END);
    if (code == 0 || code - 1 > end - in) return 0;
    for (unsigned i = 1; i < code; i++) {
      uint8_t byte = (uint8_t)(*in++ ^ EK_COMMAND_END);
      if (byte == 0) return 0;
      *out++ = byte;
    }
    if (code != 0xFF && in < end) *out++ = 0;
  }
  return (size_t)(out - message);
}

bool ek_frame_decode(uint8_t *message, size_t size, ek_frame *frame) {
  ek_header_t header;
  uint32_t crc;
  size_t whole = unstuff(message, size);
  if (whole < sizeof header + sizeof crc || whole > EK_FRAME_MAX) return false;
  size_t length = whole - sizeof header - sizeof crc;
  memcpy(&header, message, sizeof header);
  memcpy(&crc, message + whole - sizeof crc, sizeof crc);
  if (header.length != length || ek_crc32(0, message, whole - sizeof crc) != crc) return false;
  frame->type = header.type;
  frame->version = header.version;
  frame->request = header.request;
  frame->payload = message + sizeof header;
  frame->length = length;
  return true;
}
