#ifndef STUB_HAL_NRF_CLOCK_H_
#define STUB_HAL_NRF_CLOCK_H_

typedef struct {
  unsigned HFCLKCTRL;
} NRF_CLOCK_Type;

typedef enum { NRF_CLOCK_HFCLK_DIV_1, NRF_CLOCK_HFCLK_DIV_2 } nrf_clock_hfclk_div_t;

#define NRF_CLOCK ((NRF_CLOCK_Type *)0x50005000u)

static inline void nrf_clock_hfclk_div_set(NRF_CLOCK_Type *p_reg, nrf_clock_hfclk_div_t divider) {
  p_reg->HFCLKCTRL = divider;
}

#endif
