// How much stack a call takes: fill what is free with a pattern, make the call, look how far the pattern is gone.
#ifndef EDGEKIT_PORTS_EK_STACK_H_
#define EDGEKIT_PORTS_EK_STACK_H_

#include "ek_port.h"

#ifdef __cplusplus
extern "C" {
#endif

// These two are part of their caller's frame, so that what they do leaves no mark on the stack below it.
static inline __attribute__((always_inline)) uint32_t *ek_stack_pointer(void) {
  uint32_t *pointer;
#if defined(__arm__)
  __asm volatile("mov %0, sp" : "=r"(pointer)::"memory");
#elif defined(__riscv)
  __asm volatile("mv %0, sp" : "=r"(pointer)::"memory");
#else
#error "No stack pointer is known for this architecture."
#endif
  return pointer;
}

static inline __attribute__((always_inline)) void ek_stack_paint(void) {
  const uint32_t *end = ek_stack_pointer();
  for (volatile uint32_t *word = ek_stack_low; word < end; word++) *word = 0xE5A1C3D7u;
}

// The most bytes below the caller's own frame that were in use since ek_stack_paint() was called from it.
static inline __attribute__((always_inline)) size_t ek_stack_used(void) {
  const uint32_t *end = ek_stack_pointer();
  const volatile uint32_t *word = ek_stack_low;
  while (word < end && *word == 0xE5A1C3D7u) word++;
  return (size_t)(end - word) * sizeof *word;
}

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_PORTS_EK_STACK_H_
