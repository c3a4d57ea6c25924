// The port to QEMU's RISC-V machine `virt`: a 16550 UART, the count of retired instructions, and the test device.
#include "../ek_port.h"
#include "csr.h"

#define UART ((volatile uint8_t *)0x10000000u)
#define UART_DATA 0
#define UART_LINE_STATUS 5
#define UART_RX_READY 0x01u
#define UART_TX_EMPTY 0x20u

#define TEST_DEVICE ((volatile uint32_t *)0x00100000u)
#define TEST_PASS 0x5555u
#define TEST_FAIL 0x3333u

const ek_port_rate ek_port_tick_rate = {1000000000, 1, 1, 1};

void ek_port_start(void) {}

void ek_port_write(const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  while (size--) {
    while (!(UART[UART_LINE_STATUS] & UART_TX_EMPTY)) {
    }
    UART[UART_DATA] = *byte++;
  }
}

size_t ek_port_read(void *bytes, size_t size) {
  uint8_t *byte = bytes;
  size_t count = 0;
  while (count < size && (UART[UART_LINE_STATUS] & UART_RX_READY)) byte[count++] = UART[UART_DATA];
  return count;
}

uint64_t ek_port_ticks(void) {
  uint32_t low, high, again;
  do {
    EK_READ_CSR(minstreth, high);
    EK_READ_CSR(minstret, low);
    EK_READ_CSR(minstreth, again);
  } while (high != again);
  return (uint64_t)high << 32 | low;
}

void ek_port_idle(void) {}

uint32_t ek_port_reset_reason(void) { return 0; }

uint32_t ek_port_clock_hz(void) { return 0; }

void ek_port_exit(int status) {
  *TEST_DEVICE = status ? (uint32_t)status << 16 | TEST_FAIL : TEST_PASS;
  for (;;) {
  }
}
