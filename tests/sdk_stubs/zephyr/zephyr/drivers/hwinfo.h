#ifndef STUB_ZEPHYR_DRIVERS_HWINFO_H_
#define STUB_ZEPHYR_DRIVERS_HWINFO_H_

#include <stdint.h>

int hwinfo_get_reset_cause(uint32_t *cause);
int hwinfo_clear_reset_cause(void);

#endif
