#pragma once

#include <stdbool.h>

typedef void (*irq_handler_t)(void);

void irq_set_exclusive_handler(unsigned int num, irq_handler_t handler);
void irq_set_enabled(unsigned int num, bool enabled);
