#ifndef STUB_ZEPHYR_DEVICE_H_
#define STUB_ZEPHYR_DEVICE_H_

#include <stdbool.h>

struct device {
  const char *name;
};

bool device_is_ready(const struct device *dev);

extern const struct device stub_console, stub_line;

#define DEVICE_DT_GET(node) (&(node))

#endif
