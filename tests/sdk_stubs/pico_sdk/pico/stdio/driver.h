#pragma once

#include "pico/stdio.h"

struct stdio_driver {
  void (*out_chars)(const char *buf, int len);
  void (*out_flush)(void);
  int (*in_chars)(char *buf, int len);
};
