// The firmware: what the bench runner does, for ever.
#include "ek_bench.h"

int main(void) {
  ek_bench_start();
  for (;;) ek_bench_poll();
}
