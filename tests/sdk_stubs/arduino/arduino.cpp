// Arduino's functions on this computer: Serial is a pseudo-terminal that takes and gives at most 64 bytes at a time, and
// main() calls the sketch. micros() begins a tenth of a second before it wraps.
#include <Arduino.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 64

HardwareSerial Serial;

static int terminal = -1;
static uint8_t buffer[CHUNK];
static int first, last;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

void arduino::HardwareSerial::begin(unsigned long baud) {
  if (baud != 115200) fail("baud rate");
  terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) fail("pseudo-terminal");
  const char *name = ptsname(terminal);
  int end = name ? open(name, O_RDWR | O_NOCTTY) : -1;  // stays open: hosts come and go
  struct termios settings;
  if (end < 0 || tcgetattr(end, &settings)) fail("pseudo-terminal");
  cfmakeraw(&settings);
  tcsetattr(end, TCSANOW, &settings);
  fcntl(terminal, F_SETFL, O_NONBLOCK);
  printf("%s\n", name);
  fflush(stdout);
}

size_t arduino::HardwareSerial::setRxBufferSize(size_t size) { return size; }

int arduino::HardwareSerial::available() {
  if (first == last) {
    ssize_t count = ::read(terminal, buffer, sizeof buffer);
    first = 0;
    last = count > 0 ? static_cast<int>(count) : 0;
  }
  return last - first;
}

int arduino::HardwareSerial::read() { return available() ? buffer[first++] : -1; }

int arduino::HardwareSerial::peek() { return available() ? buffer[first] : -1; }

size_t arduino::HardwareSerial::write(uint8_t byte) { return write(&byte, 1); }

size_t arduino::HardwareSerial::write(const uint8_t *bytes, size_t size) {
  ssize_t count = ::write(terminal, bytes, size < CHUNK ? size : CHUNK);
  return count > 0 ? static_cast<size_t>(count) : 0;
}

static uint64_t microseconds() {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  static uint64_t start;
  uint64_t time = static_cast<uint64_t>(now.tv_sec) * 1000000u + static_cast<uint64_t>(now.tv_nsec) / 1000u;
  if (start == 0) start = time;
  return time - start;
}

unsigned long micros(void) { return static_cast<uint32_t>(microseconds() - 100000u); }

unsigned long millis(void) { return static_cast<uint32_t>(microseconds() / 1000u); }

void delay(unsigned long ms) {
  struct pollfd line = {terminal, POLLIN, 0};
  poll(&line, 1, static_cast<int>(ms));
}

int main() {
  setup();
  for (;;) loop();
}
