// Start-up of a RISC-V hart in machine mode: stack and global pointer, traps, .data and .bss, main().
#include "../ek_port.h"
#include "csr.h"

extern uint32_t ek_data_source[], ek_data_start[], ek_data_end[], ek_bss_start[], ek_bss_end[];

int main(void);

__attribute__((interrupt("machine"), aligned(4))) static void trap(void) {
  uint32_t cause;
  EK_READ_CSR(mcause, cause);
  char text[] = "\nfault 00\n";
  text[7] = (char)('0' + cause / 10 % 10);
  text[8] = (char)('0' + cause % 10);
  ek_port_write(text, sizeof text - 1);
  ek_port_exit(1);
}

__attribute__((used, noreturn)) static void ek_start(void) {
  EK_WRITE_CSR(mtvec, trap);
  const uint32_t *source = ek_data_source;
  for (uint32_t *word = ek_data_start; word < ek_data_end; word++) *word = *source++;
  for (uint32_t *word = ek_bss_start; word < ek_bss_end; word++) *word = 0;
  ek_port_exit(main());
}

__attribute__((naked, section(".start"), used)) void _start(void) {
  __asm volatile(
      ".option push\n\t"
      ".option norelax\n\t"
      "la gp, __global_pointer$\n\t"
      ".option pop\n\t"
      "la sp, ek_stack_high\n\t"
      "j ek_start");
}
