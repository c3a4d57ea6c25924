#define _XOPEN_SOURCE 700
#include "terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int terminal = -1;
static struct timespec started;
static uint64_t jumped;

void terminal_wrong(const char *what) {
  fprintf(stderr, "wrong use of the SDK: %s\n", what);
  exit(3);
}

void terminal_open(void) {
  clock_gettime(CLOCK_MONOTONIC, &started);
  terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) terminal_wrong("no pseudo-terminal");
  const char *name = ptsname(terminal);
  int end = open(name, O_RDWR | O_NOCTTY);  // stays open: hosts come and go
  struct termios settings;
  if (end < 0 || tcgetattr(end, &settings)) terminal_wrong("no pseudo-terminal");
  settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  settings.c_oflag &= ~(tcflag_t)OPOST;
  settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  tcsetattr(end, TCSANOW, &settings);
  fcntl(terminal, F_SETFL, fcntl(terminal, F_GETFL) | O_NONBLOCK);
  printf("%s\n", name);
  fflush(stdout);
}

static bool ready(short events, int milliseconds) {
  struct pollfd poller = {terminal, events, 0};
  return poll(&poller, 1, milliseconds) > 0;
}

size_t terminal_read(void *bytes, size_t size, int milliseconds) {
  if (!ready(POLLIN, milliseconds)) return 0;
  ssize_t count = read(terminal, bytes, size);
  return count > 0 ? (size_t)count : 0;
}

size_t terminal_write(const void *bytes, size_t size, int milliseconds) {
  const uint8_t *byte = bytes;
  size_t done = 0;
  while (done < size && ready(POLLOUT, milliseconds)) {
    ssize_t count = write(terminal, byte + done, size - done);
    if (count > 0) done += (size_t)count;
  }
  return done;
}

uint64_t terminal_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return jumped + (uint64_t)(now.tv_sec - started.tv_sec) * 1000000000u + (uint64_t)now.tv_nsec -
         (uint64_t)started.tv_nsec;
}

void terminal_jump(uint64_t nanoseconds) { jumped += nanoseconds; }
