// The port to ESP-IDF: a UART or the USB Serial/JTAG controller, the core's cycle counter, the task watchdog.
#include <stdbool.h>
#include <stdlib.h>

#include "../ek_extend.h"
#include "../ek_port.h"
#include "esp_clk_tree.h"
#include "esp_cpu.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "freertos/FreeRTOS.h"
#include "sdkconfig.h"

#define RX_BUFFER 4096
#define IDLE_MS 100
#define SLACK_US 10  // of the core's counter behind esp_timer, whose step is a microsecond

int main(void);

// Neither the UART's driver nor the other one waits when it is asked for bytes and `milliseconds` are 0.
#if CONFIG_EDGEKIT_LINE_UART

#include "driver/uart.h"

#define UART CONFIG_EDGEKIT_UART_NUM

static esp_err_t open_line(void) {
  const uart_config_t config = {
      .baud_rate = CONFIG_EDGEKIT_UART_BAUD,
      .data_bits = UART_DATA_8_BITS,
      .parity = UART_PARITY_DISABLE,
      .stop_bits = UART_STOP_BITS_1,
      .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
      .source_clk = UART_SCLK_DEFAULT,
  };
  // Without a buffer for sending a write returns when the last bytes are in the FIFO.
  esp_err_t error = uart_driver_install(UART, RX_BUFFER, 0, 0, NULL, 0);
  if (error == ESP_OK) error = uart_param_config(UART, &config);
  if (error != ESP_OK) return error;
  return uart_set_pin(UART, CONFIG_EDGEKIT_UART_TX_GPIO, CONFIG_EDGEKIT_UART_RX_GPIO, UART_PIN_NO_CHANGE,
                      UART_PIN_NO_CHANGE);
}

static int read_line(uint8_t *bytes, size_t size, uint32_t milliseconds) {
  return uart_read_bytes(UART, bytes, (uint32_t)size, pdMS_TO_TICKS(milliseconds));
}

void ek_port_write(const void *bytes, size_t size) {
  if (size) uart_write_bytes(UART, bytes, size);
}

#elif CONFIG_EDGEKIT_LINE_USB_SERIAL_JTAG

#include "driver/usb_serial_jtag.h"

#define TX_BUFFER 512
#define TX_PART 128  // the driver takes all bytes of a write or none
#define WRITE_MS 1000

static esp_err_t open_line(void) {
  usb_serial_jtag_driver_config_t config = USB_SERIAL_JTAG_DRIVER_CONFIG_DEFAULT();
  config.tx_buffer_size = TX_BUFFER;
  config.rx_buffer_size = RX_BUFFER;
  return usb_serial_jtag_driver_install(&config);
}

static int read_line(uint8_t *bytes, size_t size, uint32_t milliseconds) {
  return usb_serial_jtag_read_bytes(bytes, (uint32_t)size, pdMS_TO_TICKS(milliseconds));
}

// What no host takes within a second is lost, as on a wire; the next writes do not wait until one has come.
void ek_port_write(const void *bytes, size_t size) {
  static bool unheard;
  const uint8_t *byte = bytes;
  while (size) {
    size_t part = size < TX_PART ? size : TX_PART;
    unheard = usb_serial_jtag_write_bytes(byte, part, unheard ? 0 : pdMS_TO_TICKS(WRITE_MS)) <= 0;
    if (unheard) return;
    byte += part;
    size -= part;
  }
}

#else
#error "Choose the line in the menu edgekit of idf.py menuconfig."
#endif

static uint8_t peeked;  // by ek_port_idle()
static bool has_peeked;
static uint32_t counter_start;  // what the cycle counter had when esp_timer was at 0

// The runner looks at the line between any two inferences, so one that hangs is found here.
static void feed_watchdog(void) {
#if CONFIG_ESP_TASK_WDT_INIT
  esp_task_wdt_reset();
#endif
}

const ek_port_rate ek_port_tick_rate = {CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ * 1000000u, 0, 0, 0};

// esp_timer and the core are clocked by one crystal: the time in cycles is the counter's value but for its own delay.
uint64_t ek_port_ticks(void) {
  uint64_t about = (uint64_t)esp_timer_get_time() * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ;
  return ek_follow(about, esp_cpu_get_cycle_count(), &counter_start, 32, SLACK_US * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ);
}

void ek_port_start(void) {
  if (open_line() != ESP_OK) abort();
  counter_start = esp_cpu_get_cycle_count() - (uint32_t)(esp_timer_get_time() * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ);
#if CONFIG_ESP_TASK_WDT_INIT
  esp_task_wdt_add(NULL);
#endif
}

size_t ek_port_read(void *bytes, size_t size) {
  feed_watchdog();
  uint8_t *byte = bytes;
  size_t count = 0;
  if (size && has_peeked) {
    byte[count++] = peeked;
    has_peeked = false;
  }
  if (count == size) return count;
  int read = read_line(byte + count, size - count, 0);
  return read > 0 ? count + (size_t)read : count;
}

// The task waits in the driver, so that FreeRTOS's idle task has its turn.
void ek_port_idle(void) {
  if (!has_peeked) has_peeked = read_line(&peeked, 1, IDLE_MS) == 1;
}

// The numbers of esp_reset_reason_t.
uint32_t ek_port_reset_reason(void) { return (uint32_t)esp_reset_reason(); }

uint32_t ek_port_clock_hz(void) {
  uint32_t hertz = 0;
  esp_clk_tree_src_get_freq_hz(SOC_MOD_CLK_CPU, ESP_CLK_TREE_SRC_FREQ_PRECISION_CACHED, &hertz);
  return hertz;
}

void ek_port_exit(int status) {
  (void)status;
  esp_restart();
}

void app_main(void) { ek_port_exit(main()); }
