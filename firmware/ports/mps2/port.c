// The port to Arm's MPS2 and MPS3 images in QEMU: a UART, and a timer that runs with the count of instructions.
#include "../ek_port.h"
#include "machine.h"

#define NVIC_ENABLE ((volatile uint32_t *)0xE000E100u)
#define NVIC_CLEAR ((volatile uint32_t *)0xE000E280u)
#define INTERRUPT_STATE ((volatile uint32_t *)0xE000ED04u)
#define CLEAR_SYSTICK (1u << 25)

typedef struct {
  volatile uint32_t control, reload, value;
} systick;

#define SYSTICK ((systick *)0xE000E010u)
#define SYSTICK_RELOAD 249999u  // about 10 ms

#if defined(EK_MPS3_AN547)

// The system counter of the SSE-300 counts at 32 MHz: 64 ns an instruction are 2.048 ticks.
const ek_port_rate ek_port_tick_rate = {32000000, 64, 125, 256};

typedef struct {
  volatile uint32_t control, status, count_low, count_high;
} system_counter;

#define COUNTER ((system_counter *)0x58100000u)

static void start_counter(void) { COUNTER->control = 1; }

uint64_t ek_port_ticks(void) {
  uint32_t high = COUNTER->count_high;
  for (;;) {
    uint32_t low = COUNTER->count_low;
    uint32_t again = COUNTER->count_high;
    if (again == high) return (uint64_t)high << 32 | low;
    high = again;
  }
}

#else

// A CMSDK timer counts down, at 20 MHz on the AN505 and at 25 MHz on the others: 64 ns an instruction are 1.28 or 1.6
// ticks.
#if defined(EK_MPS2_AN505)
const ek_port_rate ek_port_tick_rate = {20000000, 64, 25, 32};
#else
const ek_port_rate ek_port_tick_rate = {25000000, 64, 5, 8};
#endif

typedef struct {
  volatile uint32_t control, value, reload, interrupt;
} cmsdk_timer;

#define TIMER ((cmsdk_timer *)EK_TIMER_BASE)

static void start_counter(void) {
  TIMER->reload = UINT32_MAX;
  TIMER->value = UINT32_MAX;
  TIMER->control = 9;  // run, and note in `interrupt` that zero was reached; no handler is enabled
}

uint64_t ek_port_ticks(void) {
  static uint32_t wraps;
  uint32_t value = TIMER->value;
  if (TIMER->interrupt) {
    TIMER->interrupt = 1;
    wraps++;
    value = TIMER->value;
  }
  return (uint64_t)wraps << 32 | (UINT32_MAX - value);
}

#endif

void ek_port_start(void) {}

void ek_machine_start(void) {
  EK_UART->baud_divider = 16;  // the least that the UART works with
  EK_UART->control = EK_UART_CONTROL_TX_RX;
  // QEMU hands over the next byte when one is taken: what came before the UART received waits until then, and all behind.
  (void)EK_UART->data;
  start_counter();
}

void ek_port_write(const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  while (size--) {
    while (EK_UART->state & EK_UART_STATE_TX_FULL) {
    }
    EK_UART->data = *byte++;
  }
}

size_t ek_port_read(void *bytes, size_t size) {
  uint8_t *byte = bytes;
  size_t count = 0;
  while (count < size && (EK_UART->state & EK_UART_STATE_RX_FULL)) byte[count++] = (uint8_t)EK_UART->data;
  return count;
}

// QEMU's virtual time runs with the instructions: a core that looks at the line again and again makes a second of it pass
// in some 50 ms, and takes a whole core of the host. While it sleeps virtual time is real. Interrupts wake it but are
// masked, so that there is no handler. The lines are those of the first UART on all images; on some one is another's,
// which is asleep.
void ek_port_idle(void) {
  static int prepared;
  if (!prepared) {
    prepared = 1;
    __asm volatile("cpsid i" ::: "memory");
    EK_UART->control = EK_UART_CONTROL_TX_RX | EK_UART_CONTROL_RX_INTERRUPT;
    for (int i = 0; i < 2; i++) NVIC_ENABLE[i] = EK_UART_INTERRUPTS;
    SYSTICK->reload = SYSTICK_RELOAD;
    SYSTICK->value = 0;
    SYSTICK->control = 7;  // runs with the core's clock and interrupts
  }
  EK_UART->interrupt = EK_UART_INTERRUPT_RX;
  for (int i = 0; i < 2; i++) NVIC_CLEAR[i] = UINT32_MAX;
  *INTERRUPT_STATE = CLEAR_SYSTICK;
  __asm volatile("dsb" ::: "memory");
  if (!(EK_UART->state & EK_UART_STATE_RX_FULL)) __asm volatile("wfi" ::: "memory");
}

uint32_t ek_port_reset_reason(void) { return 0; }

uint32_t ek_port_clock_hz(void) { return 0; }

// QEMU ends when it runs with -no-reboot and the core asks for a reset; a status cannot be handed over.
void ek_port_exit(int status) {
  (void)status;
  __asm volatile("dsb" ::: "memory");
  *(volatile uint32_t *)0xE000ED0Cu = 0x05FA0004u;  // AIRCR: SYSRESETREQ
  for (;;) {
  }
}
