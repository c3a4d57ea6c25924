#ifndef STUB_ZEPHYR_KERNEL_H_
#define STUB_ZEPHYR_KERNEL_H_

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARG_UNUSED(x) (void)(x)

typedef struct {
  int64_t ticks;
} k_timeout_t;

#define K_MSEC(ms) ((k_timeout_t){ms})

struct k_sem {
  unsigned int count, limit;
};

#define K_SEM_DEFINE(name, initial, max) struct k_sem name = {initial, max}

int k_sem_take(struct k_sem *sem, k_timeout_t timeout);
void k_sem_give(struct k_sem *sem);

uint32_t k_cycle_get_32(void);
uint64_t k_cycle_get_64(void);

void stub_panic(void) __attribute__((noreturn));
#define k_panic() stub_panic()

#endif
