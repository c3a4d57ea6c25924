// The stubs of ESP-IDF on this computer. EK_STUB_RESET is the reset reason.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver/uart.h"
#include "driver/usb_serial_jtag.h"
#include "esp_clk_tree.h"
#include "esp_cpu.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"
#include "sdkconfig.h"
#include "terminal.h"

#define MILLISECONDS(ticks) ((int)((ticks) * 1000 / configTICK_RATE_HZ))
#define BOOT_US 300000u                                       // what the boot loader took
#define WRAPS_IN (CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ * 150000u)  // cycles: 150 ms after the start

void app_main(void);

static bool installed, configured, watched;

static uint64_t slept;  // nanoseconds in which all tasks waited, and the cycle counter stood still

static uint64_t now_us(void) { return BOOT_US + terminal_clock() / 1000; }

int64_t esp_timer_get_time(void) { return (int64_t)now_us(); }

esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void) {
  uint64_t cycles = (BOOT_US * UINT64_C(1000) + terminal_clock() - slept) * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ / 1000;
  uint32_t start = 0u - WRAPS_IN - BOOT_US * CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ;
  return start + (uint32_t)cycles;
}

esp_err_t esp_clk_tree_src_get_freq_hz(soc_module_clk_t clk_src, esp_clk_tree_src_freq_precision_t precision,
                                       uint32_t *freq_value) {
  if (clk_src != SOC_MOD_CLK_CPU || precision != ESP_CLK_TREE_SRC_FREQ_PRECISION_CACHED) return ESP_FAIL;
  *freq_value = CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ * 1000000u;
  return ESP_OK;
}

esp_reset_reason_t esp_reset_reason(void) {
  const char *reason = getenv("EK_STUB_RESET");
  return reason ? (esp_reset_reason_t)atoi(reason) : ESP_RST_POWERON;
}

void esp_restart(void) { exit(0); }

esp_err_t esp_task_wdt_add(TaskHandle_t task_handle) {
  if (watched || task_handle != NULL) terminal_wrong("the watchdog's task is added once, and is the caller");
  watched = true;
  return ESP_OK;
}

esp_err_t esp_task_wdt_reset(void) {
  if (!watched) terminal_wrong("the watchdog is fed by a task that it does not watch");
  return ESP_OK;
}

esp_err_t uart_driver_install(uart_port_t uart_num, int rx_buffer_size, int tx_buffer_size, int queue_size,
                              QueueHandle_t *uart_queue, int intr_alloc_flags) {
  if (uart_num != UART_NUM_0 || installed) terminal_wrong("UART0 is installed once");
  if (rx_buffer_size <= 128) terminal_wrong("the UART's buffer must be larger than its FIFO");
  if (tx_buffer_size || queue_size || uart_queue != NULL || intr_alloc_flags) terminal_wrong("not implemented");
  installed = true;
  return ESP_OK;
}

esp_err_t uart_param_config(uart_port_t uart_num, const uart_config_t *config) {
  bool plain = config->data_bits == UART_DATA_8_BITS && config->parity == UART_PARITY_DISABLE &&
               config->stop_bits == UART_STOP_BITS_1 && config->flow_ctrl == UART_HW_FLOWCTRL_DISABLE;
  if (uart_num != UART_NUM_0 || !plain || config->baud_rate != 115200) terminal_wrong("the line is not 115200 8N1");
  configured = true;
  return ESP_OK;
}

esp_err_t uart_set_pin(uart_port_t uart_num, int tx_io_num, int rx_io_num, int rts_io_num, int cts_io_num) {
  bool free = rts_io_num == UART_PIN_NO_CHANGE && cts_io_num == UART_PIN_NO_CHANGE;
  if (uart_num != UART_NUM_0 || tx_io_num == rx_io_num || !free) terminal_wrong("pins");
  return ESP_OK;
}

int uart_write_bytes(uart_port_t uart_num, const void *src, size_t size) {
  if (uart_num != UART_NUM_0 || !installed || !configured) terminal_wrong("write before install");
  if (src == NULL || size == 0) return 0;
  terminal_write(src, size, 1000);
  return (int)size;  // a wire takes all
}

static int read_or_wait(void *buf, uint32_t length, TickType_t ticks_to_wait) {
  uint64_t before = terminal_clock();
  size_t count = terminal_read(buf, length, MILLISECONDS(ticks_to_wait));
  if (ticks_to_wait) slept += terminal_clock() - before;
  return (int)count;
}

int uart_read_bytes(uart_port_t uart_num, void *buf, uint32_t length, TickType_t ticks_to_wait) {
  if (uart_num != UART_NUM_0 || !installed || !configured) terminal_wrong("read before install");
  if (ticks_to_wait && length != 1) terminal_wrong("the driver would wait for all bytes");
  return read_or_wait(buf, length, ticks_to_wait);
}

static size_t tx_buffer;

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config) {
  if (installed || config->rx_buffer_size <= 64 || config->tx_buffer_size == 0) terminal_wrong("install");
  tx_buffer = config->tx_buffer_size;
  installed = true;
  return ESP_OK;
}

int usb_serial_jtag_read_bytes(void *buf, uint32_t length, uint32_t ticks_to_wait) {
  if (!installed) terminal_wrong("read before install");
  return read_or_wait(buf, length, ticks_to_wait);
}

// All or nothing, and nothing of what is larger than the buffer.
int usb_serial_jtag_write_bytes(const void *src, size_t size, uint32_t ticks_to_wait) {
  if (!installed || src == NULL || size == 0) terminal_wrong("write before install, or of nothing");
  if (size > tx_buffer) return 0;
  return terminal_write(src, size, MILLISECONDS(ticks_to_wait)) == size ? (int)size : 0;
}

int main(void) {
  terminal_open();
  app_main();
  return 0;
}
