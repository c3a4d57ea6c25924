// What a platform gives to the firmware: a line of bytes, a counter, a stack to look at, and an end.
//
// A port is one folder that implements this header. Where there is no SDK it brings the start-up code and the linker
// script as well. Start-up clears .bss, copies .data, turns on the FPU where there is one, makes line and counter ready,
// and calls main(); when main() returns, ek_port_exit() is called. A fault ends in ek_port_exit() as well, after
// "\nfault <number>\n" has been written to the line. With an SDK all that is the SDK's, which says what a fault does;
// line and counter are made ready by ek_port_start().
#ifndef EDGEKIT_PORTS_EK_PORT_H_
#define EDGEKIT_PORTS_EK_PORT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Called first of all by the main program: does what start-up has not done.
void ek_port_start(void);

// Writes all bytes, waiting for the line where needed.
void ek_port_write(const void *bytes, size_t size);

// Reads up to `size` bytes that have arrived and returns how many; does not wait.
size_t ek_port_read(void *bytes, size_t size);

// A counter that only goes up. A port may need calls that are no more than 2^32 ticks apart.
uint64_t ek_port_ticks(void);

// What a tick is: `hertz` ticks are a second. Under emulation the time is virtual: an instruction takes
// `ns_per_instruction` of it, and `instructions` instructions take `ticks` ticks. All three are 0 on a device.
typedef struct {
  uint32_t hertz;
  uint16_t ns_per_instruction, instructions, ticks;
} ek_port_rate;

extern const ek_port_rate ek_port_tick_rate;

// Called when there is nothing to do until a byte comes: may wait for it, some 100 ms at most, and may return at once.
void ek_port_idle(void);

// Why the device started, in the port's own numbers; 0 if that is not known.
uint32_t ek_port_reset_reason(void);

// The clock of the core that runs the model in Hz, as it is set now; 0 where that is not known or there is none.
uint32_t ek_port_clock_hz(void);

// Ends the program: an emulator ends, a board resets. The status is 0 when all is well.
void ek_port_exit(int status) __attribute__((noreturn));

// Only where the port has the linker script: its bounds of the stack (it grows downwards), and of RAM that the program leaves alone, where a
// debugger or an emulator's loader may put data before the start. The names are addresses.
extern uint32_t ek_stack_low[], ek_stack_high[];
extern uint8_t ek_spare_start[], ek_spare_end[];

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_PORTS_EK_PORT_H_
