// What TFLite Micro logs, as text in bounded memory and without the C library's printf, which would bring a heap along.
#ifndef EDGEKIT_ENGINE_TFLM_EK_LOG_H_
#define EDGEKIT_ENGINE_TFLM_EK_LOG_H_

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EK_LOG_MAX 120

// Writes what vsnprintf would for %d, %i, %u, %x, %c, %s, %p and %%, with any length, width or flags ignored, except that
// it ends at the first conversion that is none of these. Returns the length of all of the text, the final 0 not counted.
int ek_log_format(char *buffer, size_t size, const char *format, va_list arguments);

// Keeps the first line that is logged, cut to EK_LOG_MAX - 1 characters that can be printed: the cause comes first.
void ek_log_add(const char *format, va_list arguments);

// That line; empty when nothing was logged since the last clear.
const char *ek_log_first(void);
void ek_log_clear(void);

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_ENGINE_TFLM_EK_LOG_H_
