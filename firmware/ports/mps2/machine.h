// Where Arm's MPS2 and MPS3 images have their peripherals, as QEMU emulates them.
#ifndef EDGEKIT_PORTS_MPS2_MACHINE_H_
#define EDGEKIT_PORTS_MPS2_MACHINE_H_

#include <stdint.h>

#if defined(EK_MPS3_AN547)
#define EK_UART_BASE 0x59303000u
#elif defined(EK_MPS2_AN505)
#define EK_UART_BASE 0x50200000u
#define EK_TIMER_BASE 0x50000000u
#else  // AN385, AN386 and AN500
#define EK_UART_BASE 0x40004000u
#define EK_TIMER_BASE 0x40000000u
#endif

// A CMSDK UART, with the interrupt registers left out.
typedef struct {
  volatile uint32_t data, state, control, interrupt, baud_divider;
} ek_uart;

#define EK_UART ((ek_uart *)EK_UART_BASE)
#define EK_UART_STATE_TX_FULL 1u
#define EK_UART_STATE_RX_FULL 2u
#define EK_UART_CONTROL_TX_RX 3u
#define EK_UART_CONTROL_RX_INTERRUPT 8u
#define EK_UART_INTERRUPT_RX 2u
#define EK_UART_INTERRUPTS 7u  // among the first three of a word are those of receiving

// Prepares the UART and the counter; called once before main().
void ek_machine_start(void);

#endif  // EDGEKIT_PORTS_MPS2_MACHINE_H_
