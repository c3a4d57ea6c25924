#pragma once

#include <stdint.h>

typedef struct {
  volatile uint32_t csr, rvr, cvr;
} systick_hw_t;

systick_hw_t *ek_stub_systick(void);

#define systick_hw (ek_stub_systick())
