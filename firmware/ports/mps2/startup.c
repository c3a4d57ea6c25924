// Start-up of a Cortex-M: vectors, FPU, .data and .bss, main().
#include "../ek_port.h"
#include "machine.h"

extern uint32_t ek_data_source[], ek_data_start[], ek_data_end[], ek_bss_start[], ek_bss_end[];

int main(void);

static void fault(void) {
  uint32_t number;
  __asm volatile("mrs %0, ipsr" : "=r"(number));
  char text[] = "\nfault 00\n";
  text[7] = (char)('0' + number / 10 % 10);
  text[8] = (char)('0' + number % 10);
  ek_port_write(text, sizeof text - 1);
  ek_port_exit(1);
}

void ek_reset(void);

void ek_reset(void) {
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
  *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20;  // CPACR: full access to coprocessors 10 and 11
  __asm volatile("dsb\n\tisb" ::: "memory");
#endif
  const uint32_t *source = ek_data_source;
  for (uint32_t *word = ek_data_start; word < ek_data_end; word++) *word = *source++;
  for (uint32_t *word = ek_bss_start; word < ek_bss_end; word++) *word = 0;
  ek_machine_start();
  ek_port_exit(main());
}

typedef struct {
  uint32_t *stack;
  void (*handlers[15])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    ek_stack_high,
    {ek_reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault},
};
