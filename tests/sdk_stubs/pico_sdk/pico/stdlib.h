#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hardware/gpio.h"

typedef unsigned int uint;
typedef uint64_t absolute_time_t;

uint64_t time_us_64(void);
absolute_time_t make_timeout_time_ms(uint32_t ms);
bool best_effort_wfe_or_timeout(absolute_time_t timeout_timestamp);

static inline void tight_loop_contents(void) {}

#define PICO_DEFAULT_UART_TX_PIN 0
#define PICO_DEFAULT_UART_RX_PIN 1
