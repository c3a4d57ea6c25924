// Compares the log's formatting with the C library's for every buffer size; the exit status is the number of differences.
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ek_log.h"

static int differences;

static void check(const char *format, ...) {
  char wanted[200];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(wanted, sizeof wanted, format, arguments);
  va_end(arguments);
  for (size_t size = 0; size <= (size_t)length + 2; size++) {
    char got[sizeof wanted];
    memset(got, '#', sizeof got);
    va_start(arguments, format);
    int said = ek_log_format(got, size, format, arguments);
    va_end(arguments);
    size_t kept = size && (size_t)length >= size ? size - 1 : (size_t)length;
    int same = said == length && (!size || (!memcmp(got, wanted, kept) && !got[kept])) && got[size] == '#';
    if (!same) {
      printf("%s with %zu bytes: %d of %d\n", format, size, said, length);
      differences++;
    }
  }
}

static void check_text(const char *wanted, const char *format, ...) {
  char got[40];
  va_list arguments;
  va_start(arguments, format);
  ek_log_format(got, sizeof got, format, arguments);
  va_end(arguments);
  if (strcmp(got, wanted) != 0) {
    printf("%s gave %s\n", format, got);
    differences++;
  }
}

static void add(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  ek_log_add(format, arguments);
  va_end(arguments);
}

static void check_first(const char *wanted) {
  if (strcmp(ek_log_first(), wanted) != 0) {
    printf("kept %s\n", ek_log_first());
    differences++;
  }
}

int main(void) {
  check("");
  check("plain 100%%");
  check("%d %i %u", -5, INT_MIN, UINT_MAX);
  check("%ld %lu %lld %llu %llx", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX, ULLONG_MAX);
  check("%zu %zd %td %jd", SIZE_MAX, (ptrdiff_t)-1, PTRDIFF_MIN, INTMAX_MIN);
  check("%x %c%c %s, %s", 0xbeefu, 'o', 'k', "one", "");
  check_text("7 and the next is 8", "%03d and the next is %-5u", 7, 8u);
  check_text("(null) 1", "%s %d", (const char *)0, 1);
  // What stands for no argument that is known ends the text: the ones after it could not be told.
  check_text("rate ", "rate %f %s", 0.5, "never");
  check_text("cut ", "cut %");

  add("first %s\r\nsecond", "line");
  add("%s", "later");
  check_first("first line");
  ek_log_clear();
  check_first("");
  char wide[3 * EK_LOG_MAX];
  memset(wide, 'w', sizeof wide - 1);
  wide[sizeof wide - 1] = 0;
  add("%s", wide);
  wide[EK_LOG_MAX - 1] = 0;
  check_first(wide);
  return differences;
}
