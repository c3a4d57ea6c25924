#ifndef STUB_ARDUINO_H_
#define STUB_ARDUINO_H_

#include <stddef.h>
#include <stdint.h>

namespace arduino {

class Print {
 public:
  virtual size_t write(uint8_t) = 0;
  virtual size_t write(const uint8_t *buffer, size_t size) = 0;
};

class Stream : public Print {
 public:
  virtual int available() = 0;
  virtual int read() = 0;
  virtual int peek() = 0;
};

class HardwareSerial : public Stream {
 public:
  void begin(unsigned long baud);
  size_t setRxBufferSize(size_t size);
  int available() override;
  int read() override;
  int peek() override;
  size_t write(uint8_t byte) override;
  size_t write(const uint8_t *buffer, size_t size) override;
};

}  // namespace arduino

using namespace arduino;

extern HardwareSerial Serial;

void setup();
void loop();

extern "C" {
unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long ms);
}

#if defined(ARDUINO_ARCH_ESP32)
extern "C" uint32_t getCpuFrequencyMhz();
#endif

#if defined(ARDUINO_ARCH_RP2040)
class RP2040 {
 public:
  static int f_cpu();
};
extern RP2040 rp2040;
#endif

#if defined(TEENSYDUINO)
extern "C" volatile uint32_t F_CPU_ACTUAL;
#endif

#endif
