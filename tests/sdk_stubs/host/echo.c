// Sends back what comes, but for two bytes of which the first is 0xFF: i is answered by a line with the port's clock, rate
// and reset reason, b by 1500 bytes written at once, t by ten looks at the counter; j is a minute in which nobody looks at
// it, Q is the end.
#include <stdio.h>

#include "ek_port.h"
#include "terminal.h"

static void send_ticks(void) {
  for (int i = 0; i < 10; i++) {
    uint64_t ticks = ek_port_ticks();
    ek_port_write(&ticks, sizeof ticks);
  }
}

static void send_information(void) {
  char text[80];
  int size = snprintf(text, sizeof text, "%u %u %u\n", (unsigned)ek_port_clock_hz(), (unsigned)ek_port_tick_rate.hertz,
                      (unsigned)ek_port_reset_reason());
  ek_port_write(text, (size_t)size);
  ek_port_write(text, 0);
}

static void send_block(void) {
  uint8_t block[1500];
  for (size_t i = 0; i < sizeof block; i++) block[i] = (uint8_t)i;
  ek_port_write(block, sizeof block);
}

static void obey(uint8_t command) {
  static const uint8_t mark = 0xFF;
  switch (command) {
    case 'i':
      send_information();
      break;
    case 'b':
      send_block();
      break;
    case 't':
      send_ticks();
      break;
    case 'j':
      terminal_jump(UINT64_C(60000000000));
      break;
    case 'Q':
      ek_port_exit(0);
    default:
      ek_port_write(&mark, 1);
      ek_port_write(&command, 1);
  }
}

int main(void) {
  ek_port_start();
  bool marked = false;
  for (;;) {
    uint8_t bytes[7];
    size_t count = ek_port_read(bytes, sizeof bytes);
    if (count == 0) ek_port_idle();
    for (size_t i = 0; i < count; i++) {
      if (marked) {
        obey(bytes[i]);
        marked = false;
      } else if (bytes[i] == 0xFF) {
        marked = true;
      } else {
        ek_port_write(bytes + i, 1);
      }
    }
  }
}
