// The port to Zephyr. The line is the UART that the devicetree chooses as `edgekit,line`, a real one or USB's CDC ACM;
// without that choice it is the console's, which must then be off (CONFIG_UART_CONSOLE=n).
#include <string.h>
#include <zephyr/device.h>
#include <zephyr/devicetree.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/reboot.h>

#include "../ek_port.h"

#if defined(CONFIG_SOC_NRF5340_CPUAPP)
#include <hal/nrf_clock.h>
#endif

#if DT_HAS_CHOSEN(edgekit_line)
#define LINE DT_CHOSEN(edgekit_line)
#else
#define LINE DT_CHOSEN(zephyr_console)
#endif

#define IDLE_MS 100
#define WRITE_MS 1000

static const struct device *const line = DEVICE_DT_GET(LINE);

// A ring of bytes. One side of it is the driver's callback, the other the main thread, so it needs no lock.
#define RING_BYTES 1024u  // a power of two, since the counts wrap
typedef struct {
  uint8_t bytes[RING_BYTES];
  uint32_t put, got;  // ever
} ring;

static ring received, to_send;

// How many bytes can be put without a break, and where.
static uint32_t ring_room(ring *to, uint8_t **space) {
  uint32_t at = to->put % RING_BYTES;
  uint32_t room = RING_BYTES - (to->put - __atomic_load_n(&to->got, __ATOMIC_ACQUIRE));
  *space = to->bytes + at;
  return room < RING_BYTES - at ? room : RING_BYTES - at;
}

static void ring_put(ring *to, uint32_t count) { __atomic_store_n(&to->put, to->put + count, __ATOMIC_RELEASE); }

// How many bytes can be got without a break, and where they are.
static uint32_t ring_content(ring *from, const uint8_t **bytes) {
  uint32_t at = from->got % RING_BYTES;
  uint32_t content = __atomic_load_n(&from->put, __ATOMIC_ACQUIRE) - from->got;
  *bytes = from->bytes + at;
  return content < RING_BYTES - at ? content : RING_BYTES - at;
}

static void ring_got(ring *from, uint32_t count) { __atomic_store_n(&from->got, from->got + count, __ATOMIC_RELEASE); }

K_SEM_DEFINE(ek_arrived, 0, 1);
K_SEM_DEFINE(ek_taken, 0, 1);

static uint32_t reset_cause;

// The system timer is the core's SysTick, except on Nordic's chips: 32768 Hz are too coarse for an operator, so there
// the core's cycle counter is read. It stands still while the core sleeps: the main thread does not idle there.
#if defined(CONFIG_NRF_RTC_TIMER)

#define DEMCR ((volatile uint32_t *)0xE000EDFCu)
#define DEMCR_TRACE (1u << 24)
#define DWT_CONTROL ((volatile uint32_t *)0xE0001000u)
#define DWT_CONTROL_COUNT 1u
#define DWT_CYCLES ((volatile uint32_t *)0xE0001004u)

#if defined(CONFIG_SOC_NRF5340_CPUAPP)
#define CLOCK_HZ 128000000
#else
#define CLOCK_HZ 64000000
#endif

static void start_counter(void) {
#if defined(CONFIG_SOC_NRF5340_CPUAPP)
  nrf_clock_hfclk_div_set(NRF_CLOCK, NRF_CLOCK_HFCLK_DIV_1);  // 64 MHz after a reset
#endif
  *DEMCR |= DEMCR_TRACE;
  *DWT_CONTROL |= DWT_CONTROL_COUNT;
}

#define CYCLES() (*DWT_CYCLES)

void ek_port_idle(void) {}

#else

#define CLOCK_HZ CONFIG_SYS_CLOCK_HW_CYCLES_PER_SEC

static void start_counter(void) {}

#define CYCLES() k_cycle_get_32()

void ek_port_idle(void) { k_sem_take(&ek_arrived, K_MSEC(IDLE_MS)); }

#endif

const ek_port_rate ek_port_tick_rate = {CLOCK_HZ, 0, 0, 0};

uint32_t ek_port_clock_hz(void) { return CLOCK_HZ; }

uint64_t ek_port_ticks(void) {
#if defined(CONFIG_TIMER_HAS_64BIT_CYCLE_COUNTER) && !defined(CONFIG_NRF_RTC_TIMER)
  return k_cycle_get_64();
#else
  static uint32_t last, wraps;
  uint32_t now = CYCLES();
  if (now < last) wraps++;
  last = now;
  return (uint64_t)wraps << 32 | now;
#endif
}

static void receive(void) {
  uint32_t size;
  int count;
  do {  // until there is nothing more: some drivers call only for what comes anew
    uint8_t *space;
    size = ring_room(&received, &space);
    count = size ? uart_fifo_read(line, space, (int)size) : 0;
    if (count > 0) ring_put(&received, (uint32_t)count);
  } while (size && count == (int)size);
  // With USB what is not taken stays with the host; a UART loses it, and the host repeats it.
  if (size == 0) uart_irq_rx_disable(line);
  k_sem_give(&ek_arrived);
}

static void send(void) {
  const uint8_t *bytes;
  uint32_t size = ring_content(&to_send, &bytes);
  int count = size ? uart_fifo_fill(line, bytes, (int)size) : 0;
  if (count > 0) ring_got(&to_send, (uint32_t)count);
  if (size == 0) uart_irq_tx_disable(line);
  k_sem_give(&ek_taken);
}

static void on_line(const struct device *device, void *context) {
  ARG_UNUSED(context);
  uart_irq_update(device);
  if (uart_irq_rx_ready(device) > 0) receive();
  if (uart_irq_tx_ready(device) > 0) send();
}

void ek_port_start(void) {
  start_counter();
  if (hwinfo_get_reset_cause(&reset_cause)) reset_cause = 0;  // not every chip has a driver for it
  hwinfo_clear_reset_cause();
  if (!device_is_ready(line)) k_panic();
  uart_irq_callback_user_data_set(line, on_line, NULL);
  uart_irq_rx_enable(line);
}

// What nobody takes within a second is lost, as on a wire.
void ek_port_write(const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  while (size) {
    uint8_t *space;
    uint32_t count = ring_room(&to_send, &space);
    if (count > size) count = (uint32_t)size;
    memcpy(space, byte, count);
    ring_put(&to_send, count);
    byte += count;
    size -= count;
    uart_irq_tx_enable(line);
    if (count == 0 && k_sem_take(&ek_taken, K_MSEC(WRITE_MS))) return;
  }
}

size_t ek_port_read(void *bytes, size_t size) {
  const uint8_t *from;
  uint32_t count = ring_content(&received, &from);
  if (count > size) count = (uint32_t)size;
  memcpy(bytes, from, count);
  ring_got(&received, count);
  if (count) uart_irq_rx_enable(line);
  return count;
}

uint32_t ek_port_reset_reason(void) { return reset_cause; }

void ek_port_exit(int status) {
  ARG_UNUSED(status);
  sys_reboot(SYS_REBOOT_COLD);
}
