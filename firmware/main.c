// The firmware: what the bench runner does, for ever.
#include "ek_bench.h"
#include "ek_port.h"

// Arduino's core has a main program of its own, which calls the sketch's setup() and loop().
#if !defined(ARDUINO) || defined(EK_NOT_ARDUINO)

int main(void) {
  ek_port_start();
  ek_bench_start();
  for (;;) ek_bench_poll();
}

#endif
