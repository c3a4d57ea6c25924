// What the device receives in frames.
#ifndef EDGEKIT_CORE_EK_FRAME_H_
#define EDGEKIT_CORE_EK_FRAME_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t type, version;
  uint32_t request;
  const uint8_t *payload;  // within the message; of no alignment
  size_t length;
} ek_frame;

// Reads the frame in a message that begins with the mark and has no end. The message is overwritten. Returns whether
// stuffing, length and CRC are right.
bool ek_frame_decode(uint8_t *message, size_t size, ek_frame *frame);

#endif  // EDGEKIT_CORE_EK_FRAME_H_
