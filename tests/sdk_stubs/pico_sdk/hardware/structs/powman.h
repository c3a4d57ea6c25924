#pragma once

#include <stdint.h>

#define POWMAN_CHIP_RESET_HAD_DP_RESET_REQ_BITS 0x00080000u
#define POWMAN_CHIP_RESET_HAD_RUN_LOW_BITS 0x00040000u
#define POWMAN_CHIP_RESET_HAD_BOR_BITS 0x00020000u
#define POWMAN_CHIP_RESET_HAD_POR_BITS 0x00010000u

typedef struct {
  volatile uint32_t chip_reset;
} powman_hw_t;

extern powman_hw_t ek_stub_powman;

#define powman_hw (&ek_stub_powman)
