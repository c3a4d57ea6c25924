// The stubs of the Pico SDK on this computer. EK_STUB_RESET is 1 for the watchdog, otherwise the bits of a reset.
#define _XOPEN_SOURCE 700
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "hardware/clocks.h"
#include "hardware/irq.h"
#include "hardware/structs/m33.h"
#include "hardware/structs/powman.h"
#include "hardware/structs/systick.h"
#include "hardware/structs/vreg_and_chip_reset.h"
#include "hardware/uart.h"
#include "hardware/watchdog.h"
#include "pico/stdio/driver.h"
#include "pico/stdio_usb.h"
#include "pico/stdlib.h"
#include "terminal.h"

#define FIFO 32
#define MHZ (SYS_CLK_KHZ / 1000u)
#define BOOT_US 300000u

int ek_firmware_main(void);

uint64_t time_us_64(void) { return BOOT_US + terminal_clock() / 1000; }

static uint64_t cycles(void) { return (BOOT_US * UINT64_C(1000) + terminal_clock()) * MHZ / 1000; }

static uint64_t slept;  // nanoseconds in which the M33's counter stood still; SysTick goes on

uint32_t clock_get_hz(clock_handle_t clock) { return clock == clk_sys ? SYS_CLK_KHZ * 1000u : 0; }

systick_hw_t *ek_stub_systick(void) {
  static systick_hw_t hardware;
  if (hardware.csr == 5 && hardware.rvr == 0xFFFFFFu) hardware.cvr = ~(uint32_t)cycles() & 0xFFFFFFu;
  return &hardware;
}

m33_hw_t *ek_stub_m33(void) {
  static m33_hw_t hardware;
  bool on = hardware.demcr & M33_DEMCR_TRCENA_BITS && hardware.dwt_ctrl & M33_DWT_CTRL_CYCCNTENA_BITS;
  if (on) hardware.dwt_cyccnt = (uint32_t)(cycles() - slept * MHZ / 1000) - (BOOT_US + 150000u) * MHZ;
  return &hardware;
}

powman_hw_t ek_stub_powman;
vreg_and_chip_reset_hw_t ek_stub_chip_reset;

static uint32_t reset_bits(void) {
  const char *reason = getenv("EK_STUB_RESET");
  return reason ? (uint32_t)strtoul(reason, NULL, 0) : 0;
}

bool watchdog_caused_reboot(void) { return reset_bits() == 1; }

void watchdog_reboot(uint32_t pc, uint32_t sp, uint32_t delay_ms) {
  (void)pc, (void)sp, (void)delay_ms;
  exit(0);
}

absolute_time_t make_timeout_time_ms(uint32_t ms) { return time_us_64() + ms * 1000u; }

bool best_effort_wfe_or_timeout(absolute_time_t timeout_timestamp) {
  uint64_t now = time_us_64();
  uint64_t left = timeout_timestamp > now ? timeout_timestamp - now : 0;
  if (left > 100000) terminal_wrong("idle for too long");
  uint64_t before = terminal_clock();
  terminal_read(NULL, 0, (int)(left / 1000));  // reads nothing: an event is a byte that comes
  slept += terminal_clock() - before;
  return time_us_64() >= timeout_timestamp;
}

static bool usb;
static bool printf_is_heard;  // whether the SDK's printf writes to the line as well

// After half a second in which the host took nothing, nothing is waited for until it takes something again.
static void usb_out(const char *buf, int len) {
  static uint64_t last_taken;
  if (!usb || len <= 0) terminal_wrong("write before init, or of nothing");
  if (printf_is_heard) terminal_wrong("printf writes to the line");
  bool heard = time_us_64() < last_taken + 500000 || last_taken == 0;
  if (terminal_write(buf, (size_t)len, heard ? 500 : 0) == (size_t)len) last_taken = time_us_64();
}

static int usb_in(char *buf, int len) {
  if (!usb || len <= 0) terminal_wrong("read before init, or of nothing");
  size_t count = terminal_read(buf, (size_t)len, 0);
  return count ? (int)count : -3;  // PICO_ERROR_NO_DATA
}

stdio_driver_t stdio_usb = {usb_out, NULL, usb_in};

bool stdio_usb_init(void) {
  usb = true;
  stdio_set_driver_enabled(&stdio_usb, true);
  return true;
}

void stdio_set_driver_enabled(stdio_driver_t *driver, bool enabled) {
  if (driver == &stdio_usb) printf_is_heard = enabled;
}

struct uart_inst {
  uint8_t fifo[FIFO];
  size_t first, count;
  bool open, interrupts;
};

static struct uart_inst uart;
uart_inst_t *const ek_stub_uart = &uart;
static irq_handler_t handler;
static int pins;

unsigned int uart_init(uart_inst_t *instance, unsigned int baudrate) {
  if (instance != &uart || baudrate != 115200) terminal_wrong("the line is not 115200");
  uart.open = true;
  return baudrate;
}

void gpio_set_function(unsigned int gpio, gpio_function_t fn) {
  if (fn == GPIO_FUNC_UART) pins |= 1 << gpio;
}

bool uart_is_readable(uart_inst_t *instance) { return instance->count > 0; }

char uart_getc(uart_inst_t *instance) {
  if (!instance->count) terminal_wrong("the FIFO is empty");
  uint8_t byte = instance->fifo[instance->first];
  instance->first = (instance->first + 1) % FIFO;
  instance->count--;
  return (char)byte;
}

void uart_write_blocking(uart_inst_t *instance, const uint8_t *src, size_t len) {
  if (!instance->open || pins != 3) terminal_wrong("write before init");
  terminal_write(src, len, 1000);
}

void irq_set_exclusive_handler(unsigned int num, irq_handler_t wanted) {
  (void)num;
  if (handler) terminal_wrong("two handlers");
  handler = wanted;
}

// The interrupt: bytes come at any time, whatever the program does.
static void *receive(void *unused) {
  for (;;) {
    uint8_t bytes[FIFO];
    size_t count = terminal_read(bytes, sizeof bytes, 1000);
    for (size_t i = 0; i < count; i++) uart.fifo[(uart.first + uart.count++) % FIFO] = bytes[i];
    if (count) handler();
    if (uart.count) terminal_wrong("the handler left bytes, so the interrupt would come again for ever");
  }
  return unused;
}

void irq_set_enabled(unsigned int num, bool enabled) {
  (void)num;
  if (!handler || !enabled) terminal_wrong("no handler");
}

void uart_set_irqs_enabled(uart_inst_t *instance, bool rx_has_data, bool tx_needs_data) {
  pthread_t thread;
  if (!instance->open || !handler || !rx_has_data || tx_needs_data) terminal_wrong("interrupts");
  pthread_create(&thread, NULL, receive, NULL);
}

int main(void) {
  terminal_open();
  ek_stub_powman.chip_reset = reset_bits();
  ek_stub_chip_reset.chip_reset = reset_bits();
  return ek_firmware_main();
}
