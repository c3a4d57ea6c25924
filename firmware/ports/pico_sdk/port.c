// The port to the Pico SDK: USB CDC or a UART, and the core's cycles.
#include <stdbool.h>

#include "../ek_extend.h"
#include "../ek_port.h"
#include "hardware/clocks.h"
#include "hardware/watchdog.h"
#include "pico/stdlib.h"

#define IDLE_MS 1
#define SLACK_US 10  // of the core's counter behind the timer, whose step is a microsecond

#if EK_LINE_UART

#include "hardware/irq.h"
#include "hardware/uart.h"

#ifndef EK_UART_BAUD
#define EK_UART_BAUD 115200
#endif

// Bytes that have come. The UART itself keeps 32, which is not enough for the time of an inference. All of it is volatile,
// so that a byte is taken before its place is free.
static volatile uint8_t ring[4096];
static volatile uint32_t written, taken;

static void receive(void) {
  while (uart_is_readable(uart_default)) {
    uint8_t byte = (uint8_t)uart_getc(uart_default);
    if (written - taken < sizeof ring) {
      ring[written % sizeof ring] = byte;
      written++;
    }
  }
}

static void open_line(void) {
  uart_init(uart_default, EK_UART_BAUD);
  gpio_set_function(PICO_DEFAULT_UART_TX_PIN, UART_FUNCSEL_NUM(uart_default, PICO_DEFAULT_UART_TX_PIN));
  gpio_set_function(PICO_DEFAULT_UART_RX_PIN, UART_FUNCSEL_NUM(uart_default, PICO_DEFAULT_UART_RX_PIN));
  irq_set_exclusive_handler(UART_IRQ_NUM(uart_default), receive);
  irq_set_enabled(UART_IRQ_NUM(uart_default), true);
  uart_set_irqs_enabled(uart_default, true, false);
}

void ek_port_write(const void *bytes, size_t size) { uart_write_blocking(uart_default, bytes, size); }

size_t ek_port_read(void *bytes, size_t size) {
  uint8_t *byte = bytes;
  size_t count = 0;
  while (count < size && taken != written) {
    byte[count++] = ring[taken % sizeof ring];
    taken++;
  }
  return count;
}

#else

#include "pico/stdio/driver.h"
#include "pico/stdio_usb.h"

// The driver is called past the SDK's stdio, which would turn LF into CR LF; what is printed there must not come here.
static void open_line(void) {
  stdio_usb_init();
  stdio_set_driver_enabled(&stdio_usb, false);
}

// What no host takes within half a second is lost, and all without a host that has the port open.
void ek_port_write(const void *bytes, size_t size) {
  if (size) stdio_usb.out_chars(bytes, (int)size);
}

size_t ek_port_read(void *bytes, size_t size) {
  int count = size ? stdio_usb.in_chars(bytes, (int)size) : 0;
  return count > 0 ? (size_t)count : 0;
}

#endif

#if PICO_RP2350

#include "hardware/structs/m33.h"
#include "hardware/structs/powman.h"

#define COUNTER_BITS 32

static void start_counter(void) {
  m33_hw->demcr |= M33_DEMCR_TRCENA_BITS;
  m33_hw->dwt_ctrl |= M33_DWT_CTRL_CYCCNTENA_BITS;
}

static uint32_t counter(void) { return m33_hw->dwt_cyccnt; }

#define RESET_BITS powman_hw->chip_reset
#define RESET_POWER (POWMAN_CHIP_RESET_HAD_POR_BITS | POWMAN_CHIP_RESET_HAD_BOR_BITS)
#define RESET_RUN POWMAN_CHIP_RESET_HAD_RUN_LOW_BITS
#define RESET_DEBUGGER POWMAN_CHIP_RESET_HAD_DP_RESET_REQ_BITS

#else

#include "hardware/structs/systick.h"
#include "hardware/structs/vreg_and_chip_reset.h"

// A Cortex-M0+ has no cycle counter; SysTick counts the core's clock, downwards.
#define COUNTER_BITS 24

static void start_counter(void) {
  systick_hw->rvr = 0xFFFFFFu;
  systick_hw->cvr = 0;
  systick_hw->csr = 5;  // runs with the core's clock, without an interrupt
}

static uint32_t counter(void) { return ~systick_hw->cvr; }

#define RESET_BITS vreg_and_chip_reset_hw->chip_reset
#define RESET_POWER VREG_AND_CHIP_RESET_CHIP_RESET_HAD_POR_BITS
#define RESET_RUN VREG_AND_CHIP_RESET_CHIP_RESET_HAD_RUN_BITS
#define RESET_DEBUGGER VREG_AND_CHIP_RESET_CHIP_RESET_HAD_PSM_RESTART_BITS

#endif

static uint32_t counter_start;  // what the counter had when the timer was at 0

// SYS_CLK_KHZ is what the SDK sets clk_sys to before main().
const ek_port_rate ek_port_tick_rate = {SYS_CLK_KHZ * 1000u, 0, 0, 0};

// The timer and the core are clocked by one crystal: the time in cycles is the counter's value but for its own delay.
static uint64_t cycles_about(void) { return time_us_64() * SYS_CLK_KHZ / 1000; }

uint64_t ek_port_ticks(void) {
  uint64_t about = cycles_about();
  return ek_follow(about, counter(), &counter_start, COUNTER_BITS, SLACK_US * (SYS_CLK_KHZ / 1000));
}

void ek_port_start(void) {
  open_line();
  start_counter();
  counter_start = counter() - (uint32_t)cycles_about();
}

void ek_port_idle(void) { best_effort_wfe_or_timeout(make_timeout_time_ms(IDLE_MS)); }

// 1 watchdog, which the SDK's own reboots use as well; 2 power on or brown-out; 3 the RUN pin; 4 a debugger.
uint32_t ek_port_reset_reason(void) {
  if (watchdog_caused_reboot()) return 1;
  uint32_t bits = RESET_BITS;
  return bits & RESET_POWER ? 2 : bits & RESET_RUN ? 3 : bits & RESET_DEBUGGER ? 4 : 0;
}

uint32_t ek_port_clock_hz(void) { return clock_get_hz(clk_sys); }

void ek_port_exit(int status) {
  (void)status;
  watchdog_reboot(0, 0, 0);
  for (;;) tight_loop_contents();
}
