#include "ek_log.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  char *buffer;
  size_t size;
  int length;
} output;

static void put(output *out, char c) {
  if ((size_t)out->length + 1 < out->size) out->buffer[out->length] = c;
  out->length++;
}

static void put_text(output *out, const char *text) {
  for (; *text; text++) put(out, *text);
}

static void put_number(output *out, uintmax_t number, unsigned base) {
  char digits[24];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[number % base];
    number /= base;
  } while (number);
  while (count) put(out, digits[--count]);
}

static void put_signed(output *out, intmax_t number) {
  if (number < 0) put(out, '-');
  put_number(out, number < 0 ? 0 - (uintmax_t)number : (uintmax_t)number, 10);
}

// How many l or, of the same size, z, t and j a conversion has.
typedef enum { PLAIN, LONG, LONG_LONG, SIZE } length;

static const char *skip_to_conversion(const char *format, length *found) {
  *found = PLAIN;
  for (; *format && strchr("-+ #0123456789.hlzjt", *format); format++) {
    if (*format == 'l') *found = *found == LONG ? LONG_LONG : LONG;
    if (*format == 'j') *found = LONG_LONG;
    if (*format == 'z' || *format == 't') *found = SIZE;
  }
  return format;
}

int ek_log_format(char *buffer, size_t size, const char *format, va_list arguments) {
  output out = {buffer, size, 0};
  bool known = true;
  for (; *format && known; format++) {
    if (*format != '%') {
      put(&out, *format);
      continue;
    }
    length wide;
    format = skip_to_conversion(format + 1, &wide);
    switch (*format) {
      case 'd':
      case 'i':
        put_signed(&out, wide == LONG_LONG ? va_arg(arguments, long long)
                         : wide == LONG    ? va_arg(arguments, long)
                         : wide == SIZE    ? va_arg(arguments, ptrdiff_t)
                                           : va_arg(arguments, int));
        break;
      case 'u':
      case 'x':
        put_number(&out,
                   wide == LONG_LONG ? va_arg(arguments, unsigned long long)
                   : wide == LONG    ? va_arg(arguments, unsigned long)
                   : wide == SIZE    ? va_arg(arguments, size_t)
                                     : va_arg(arguments, unsigned),
                   *format == 'x' ? 16 : 10);
        break;
      case 'p':
        put_number(&out, (uintptr_t)va_arg(arguments, void *), 16);
        break;
      case 'c':
        put(&out, (char)va_arg(arguments, int));
        break;
      case 's': {
        const char *text = va_arg(arguments, const char *);
        put_text(&out, text ? text : "(null)");
        break;
      }
      case '%':
        put(&out, '%');
        break;
      default:  // what its argument is cannot be told, so neither where the next one is
        known = false;
        format--;
    }
  }
  if (size) buffer[(size_t)out.length < size ? (size_t)out.length : size - 1] = 0;
  return out.length;
}

static char first[EK_LOG_MAX];

void ek_log_add(const char *format, va_list arguments) {
  if (first[0]) return;
  ek_log_format(first, sizeof first, format, arguments);
  size_t end = 0;
  while (first[end] >= ' ' && first[end] <= '~') end++;
  first[end] = 0;
}

const char *ek_log_first(void) { return first; }

void ek_log_clear(void) { first[0] = 0; }
