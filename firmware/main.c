// The firmware: what the bench runner does, for ever.
#include "ek_bench.h"
#include "ek_port.h"

int main(void) {
  ek_port_start();
  ek_bench_start();
  for (;;) ek_bench_poll();
}
