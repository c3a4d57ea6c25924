// Control and status registers. The compiler is not told that the core has them, so the assembler is.
#ifndef EDGEKIT_PORTS_RV32_VIRT_CSR_H_
#define EDGEKIT_PORTS_RV32_VIRT_CSR_H_

#include <stdint.h>

#define EK_WITH_ZICSR(instruction) ".option push\n\t.option arch, +zicsr\n\t" instruction "\n\t.option pop"

#define EK_READ_CSR(name, value) __asm volatile(EK_WITH_ZICSR("csrr %0, " #name) : "=r"(value))
#define EK_WRITE_CSR(name, value) __asm volatile(EK_WITH_ZICSR("csrw " #name ", %0")::"r"(value))

#endif  // EDGEKIT_PORTS_RV32_VIRT_CSR_H_
