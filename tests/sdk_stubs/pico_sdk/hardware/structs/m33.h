#pragma once

#include <stdint.h>

#define M33_DWT_CTRL_CYCCNTENA_BITS 0x00000001u
#define M33_DEMCR_TRCENA_BITS 0x01000000u

typedef struct {
  volatile uint32_t dwt_ctrl, dwt_cyccnt, demcr;
} m33_hw_t;

m33_hw_t *ek_stub_m33(void);

#define m33_hw (ek_stub_m33())
