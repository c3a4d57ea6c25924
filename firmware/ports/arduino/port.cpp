// The port to Arduino: the line is a Stream that the sketch has opened, ticks are microseconds.
#include "../../core/ek_bench.h"
#include "../ek_port.h"
#include "edgekit.h"

#if defined(ARDUINO_ARCH_ESP32)
#include <esp_system.h>
#endif

#if defined(ARDUINO_ARCH_MBED) || defined(ARDUINO_ARCH_STM32)
extern "C" uint32_t SystemCoreClock;
#endif

#define WRITE_MS 1000

static Stream *line;

const ek_port_rate ek_port_tick_rate = {1000000, 0, 0, 0};

void edgekit_begin(Stream &stream) {
  line = &stream;
  ek_port_start();
  ek_bench_start();
}

void edgekit_poll() { ek_bench_poll(); }

void ek_port_start(void) {}

// What nobody takes within a second is lost, as on a wire.
void ek_port_write(const void *bytes, size_t size) {
  const uint8_t *byte = static_cast<const uint8_t *>(bytes);
  uint32_t start = millis();
  while (size && static_cast<uint32_t>(millis() - start) < WRITE_MS) {
    size_t count = line->write(byte, size);
    if (count) start = millis();
    byte += count;
    size -= count;
  }
}

size_t ek_port_read(void *bytes, size_t size) {
  uint8_t *byte = static_cast<uint8_t *>(bytes);
  size_t count = 0;
  while (count < size && line->available() > 0) byte[count++] = static_cast<uint8_t>(line->read());
  return count;
}

uint64_t ek_port_ticks(void) {
  static uint32_t last, wraps;
  uint32_t now = micros();
  if (now < last) wraps++;
  last = now;
  return static_cast<uint64_t>(wraps) << 32 | now;
}

// Gives the core's other tasks their turn, a watchdog's among them.
void ek_port_idle(void) { delay(1); }

uint32_t ek_port_reset_reason(void) {
#if defined(ARDUINO_ARCH_ESP32)
  return static_cast<uint32_t>(esp_reset_reason());
#else
  return 0;
#endif
}

uint32_t ek_port_clock_hz(void) {
#if defined(ARDUINO_ARCH_ESP32)
  return getCpuFrequencyMhz() * 1000000u;
#elif defined(ARDUINO_ARCH_RP2040)
  return static_cast<uint32_t>(rp2040.f_cpu());
#elif defined(TEENSYDUINO)
  return F_CPU_ACTUAL;
#elif defined(ARDUINO_ARCH_MBED) || defined(ARDUINO_ARCH_STM32)
  return SystemCoreClock;
#else
  return 0;
#endif
}

void ek_port_exit(int /*status*/) {
#if defined(ARDUINO_ARCH_ESP32)
  esp_restart();
#elif defined(__arm__)
  *reinterpret_cast<volatile uint32_t *>(0xE000ED0Cu) = 0x05FA0004u;  // AIRCR: SYSRESETREQ
#endif
  for (;;) {
  }
}
