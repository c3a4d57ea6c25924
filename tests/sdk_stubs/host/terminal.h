// The other end of a pseudo-terminal whose name the program prints: what a serial port is to the ports on this computer.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void terminal_open(void);

// Waits for bytes, at most so long, and reads some.
size_t terminal_read(void *bytes, size_t size, int milliseconds);

// Writes until the time is over; returns how many bytes were taken.
size_t terminal_write(const void *bytes, size_t size, int milliseconds);

// Nanoseconds since the program started, and by how much a jump has put the clock forward.
uint64_t terminal_clock(void);
void terminal_jump(uint64_t nanoseconds);

// Ends the program: the ports must call the SDK in the way that its documentation wants.
void terminal_wrong(const char *what) __attribute__((noreturn));
