#pragma once

typedef enum { GPIO_FUNC_UART = 2 } gpio_function_t;

void gpio_set_function(unsigned int gpio, gpio_function_t fn);
