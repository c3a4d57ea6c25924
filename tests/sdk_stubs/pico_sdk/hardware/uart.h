#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hardware/gpio.h"

typedef struct uart_inst uart_inst_t;

extern uart_inst_t *const ek_stub_uart;

#define uart_default ek_stub_uart
#define UART_IRQ_NUM(uart) ((void)(uart), 20u)
#define UART_FUNCSEL_NUM(uart, gpio) GPIO_FUNC_UART

// Inline functions in the SDK, but for the first.
unsigned int uart_init(uart_inst_t *uart, unsigned int baudrate);
bool uart_is_readable(uart_inst_t *uart);
char uart_getc(uart_inst_t *uart);
void uart_write_blocking(uart_inst_t *uart, const uint8_t *src, size_t len);
void uart_set_irqs_enabled(uart_inst_t *uart, bool rx_has_data, bool tx_needs_data);
