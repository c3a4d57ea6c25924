// ESP-IDF that does nothing, so that an application can be linked; and what esptool looks for in an image.
#include <stdlib.h>

#include "driver/uart.h"
#include "driver/usb_serial_jtag.h"
#include "esp_clk_tree.h"
#include "esp_cpu.h"
#include "esp_system.h"
#include "esp_task_wdt.h"
#include "esp_timer.h"

// esp_app_desc_t: its magic word, and a version and a name as text.
__attribute__((section(".rodata_desc"), used)) static const struct {
  uint32_t magic, secure_version, reserved[2];
  char version[32], project[32], rest[176];
} description = {.magic = 0xABCD5432u, .version = "1", .project = "firmware"};

void abort(void) { esp_restart(); }
int64_t esp_timer_get_time(void) { return 0; }
esp_cpu_cycle_count_t esp_cpu_get_cycle_count(void) { return 0; }
esp_reset_reason_t esp_reset_reason(void) { return ESP_RST_UNKNOWN; }
esp_err_t esp_task_wdt_add(TaskHandle_t task) { return task == NULL ? ESP_OK : ESP_FAIL; }
esp_err_t esp_task_wdt_reset(void) { return ESP_OK; }

void esp_restart(void) {
  for (;;) {
  }
}

esp_err_t esp_clk_tree_src_get_freq_hz(soc_module_clk_t source, esp_clk_tree_src_freq_precision_t precision,
                                       uint32_t *hertz) {
  (void)source, (void)precision, (void)hertz;
  return ESP_FAIL;
}

esp_err_t usb_serial_jtag_driver_install(usb_serial_jtag_driver_config_t *config) {
  (void)config;
  return ESP_OK;
}

int usb_serial_jtag_read_bytes(void *bytes, uint32_t size, uint32_t ticks) {
  (void)bytes, (void)size, (void)ticks;
  return 0;
}

int usb_serial_jtag_write_bytes(const void *bytes, size_t size, uint32_t ticks) {
  (void)bytes, (void)ticks;
  return (int)size;
}
