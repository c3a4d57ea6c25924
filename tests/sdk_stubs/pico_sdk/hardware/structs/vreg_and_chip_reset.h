#pragma once

#include <stdint.h>

#define VREG_AND_CHIP_RESET_CHIP_RESET_HAD_PSM_RESTART_BITS 0x00100000u
#define VREG_AND_CHIP_RESET_CHIP_RESET_HAD_RUN_BITS 0x00010000u
#define VREG_AND_CHIP_RESET_CHIP_RESET_HAD_POR_BITS 0x00000100u

typedef struct {
  volatile uint32_t chip_reset;
} vreg_and_chip_reset_hw_t;

extern vreg_and_chip_reset_hw_t ek_stub_chip_reset;

#define vreg_and_chip_reset_hw (&ek_stub_chip_reset)
