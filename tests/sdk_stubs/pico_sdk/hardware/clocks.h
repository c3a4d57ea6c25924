#pragma once

#include <stdint.h>

typedef enum { clk_sys = 5 } clock_handle_t;

uint32_t clock_get_hz(clock_handle_t clock);
