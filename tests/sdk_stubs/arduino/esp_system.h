#ifndef STUB_ESP_SYSTEM_H_
#define STUB_ESP_SYSTEM_H_

typedef enum { ESP_RST_UNKNOWN, ESP_RST_POWERON } esp_reset_reason_t;

#ifdef __cplusplus
extern "C" {
#endif

esp_reset_reason_t esp_reset_reason(void);
void esp_restart(void) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
