// What the device sends: lines of text, and frames.
#ifndef EDGEKIT_CORE_EK_LINE_H_
#define EDGEKIT_CORE_EK_LINE_H_

#include <stddef.h>
#include <stdint.h>

void ek_put(uint8_t byte);
void ek_put_text(const char *text);
void ek_put_number(uint64_t number);
void ek_put_hex(uint8_t byte);

// "[...]": prefix and text, at most 32 characters, with everything replaced that could end the bracket, the line or a
// message.
void ek_put_bracketed(const char *prefix, const void *text, size_t size);

// Ends what was put since the last end, and hands all of it to the port.
void ek_end_line(void);

// A whole line.
void ek_say(const char *line);
void ek_say_number(const char *before, uint64_t number);

// A whole frame; its payload is `head` followed by `body`.
void ek_send(uint8_t type, uint32_t request, const void *head, size_t head_size, const void *body, size_t body_size);

#endif  // EDGEKIT_CORE_EK_LINE_H_
