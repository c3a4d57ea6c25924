// The firmware as a process of this computer: its line is a pseudo-terminal or one TCP connection at a time.
//
//   firmware --pty            prints the path of the terminal that a host opens
//   firmware --listen PORT    takes connections to 127.0.0.1; prints the URL, which tells the port when PORT is 0
//
// SIGUSR1 is the reset button: the process begins anew with its line as it was. Ticks are nanoseconds.
#define _XOPEN_SOURCE 700
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../ek_port.h"

#define IDLE_MS 100
#define WRITE_MS 1000
#define RESET_BY_SIGNAL 1u

int ek_firmware_main(void);

const ek_port_rate ek_port_tick_rate = {1000000000, 0, 0, 0};

static int line = -1;    // -1 while nobody is connected
static int server = -1;  // -1 with a terminal
static uint32_t reset_reason;

static char *program;
static char resumed_line[16], resumed_server[16];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void set_flags(int descriptor) {
  int flags = fcntl(descriptor, F_GETFL);
  if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) fail("fcntl");
}

static void accept_host(void) {
  if (line >= 0 || server < 0) return;
  line = accept(server, NULL, NULL);
  if (line < 0) return;
  set_flags(line);
  fcntl(line, F_SETFD, FD_CLOEXEC);  // a connection does not outlive a reset
}

static void hang_up(void) {
  if (server < 0) return;  // a terminal stays
  close(line);
  line = -1;
}

// Waits for `events` at the line, or for a host; false when the time is over.
static int wait_for(short events, int milliseconds) {
  struct pollfd poller = {line >= 0 ? line : server, line >= 0 ? events : POLLIN, 0};
  return poll(&poller, 1, milliseconds) > 0;
}

static int would_block(void) { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

void ek_port_start(void) {}

// What nobody takes within a second is lost, as on a wire.
void ek_port_write(const void *bytes, size_t size) {
  const uint8_t *byte = bytes;
  accept_host();
  while (size && line >= 0) {
    ssize_t count = write(line, byte, size);
    if (count > 0) {
      byte += count;
      size -= (size_t)count;
    } else if (count < 0 && !would_block()) {
      hang_up();
      return;
    } else if (!wait_for(POLLOUT, WRITE_MS)) {
      return;
    }
  }
}

size_t ek_port_read(void *bytes, size_t size) {
  accept_host();
  if (line < 0) return 0;
  ssize_t count = read(line, bytes, size);
  if (count > 0) return (size_t)count;
  if (count == 0 || !would_block()) hang_up();
  return 0;
}

void ek_port_idle(void) { wait_for(POLLIN, IDLE_MS); }

uint64_t ek_port_ticks(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint32_t ek_port_reset_reason(void) { return reset_reason; }

uint32_t ek_port_clock_hz(void) { return 0; }

void ek_port_exit(int status) { exit(status); }

static void reset(int number) {
  (void)number;
  char *arguments[] = {program, "--resume", resumed_line, resumed_server, NULL};
  execv(program, arguments);
  _exit(127);
}

static void open_terminal(void) {
  line = posix_openpt(O_RDWR | O_NOCTTY);
  if (line < 0 || grantpt(line) || unlockpt(line)) fail("pseudo-terminal");
  const char *name = ptsname(line);
  // The other end stays open here as well: hosts come and go, and the terminal stays as it was set.
  int end = name == NULL ? -1 : open(name, O_RDWR | O_NOCTTY);
  struct termios settings;
  if (end < 0 || tcgetattr(end, &settings)) fail("pseudo-terminal");
  settings.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
  settings.c_oflag &= ~(tcflag_t)OPOST;
  settings.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
  if (tcsetattr(end, TCSANOW, &settings)) fail("pseudo-terminal");
  set_flags(line);
  printf("%s\n", name);
}

static void listen_at(const char *number) {
  char *end;
  long port = strtol(number, &end, 10);
  if (*number == 0 || *end || port < 0 || port > 65535) {
    fprintf(stderr, "%s is not a port from 0 to 65535\n", number);
    exit(2);
  }
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)port);
  int yes = 1;
  server = socket(AF_INET, SOCK_STREAM, 0);
  if (server < 0 || setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes)) fail("socket");
  if (bind(server, (struct sockaddr *)&address, size) || listen(server, 1)) fail("listen");
  if (getsockname(server, (struct sockaddr *)&address, &size)) fail("getsockname");
  set_flags(server);
  printf("socket://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
}

static void catch_signals(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  sigemptyset(&action.sa_mask);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, NULL);
  action.sa_handler = reset;
  sigaction(SIGUSR1, &action, NULL);
  // After a reset it is blocked, as it was in the handler: one that comes before this point waits until here.
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR1);
  sigprocmask(SIG_UNBLOCK, &action.sa_mask, NULL);
}

int main(int argc, char **argv) {
  program = argv[0];
  if (argc == 2 && strcmp(argv[1], "--pty") == 0) {
    open_terminal();
  } else if (argc == 3 && strcmp(argv[1], "--listen") == 0) {
    listen_at(argv[2]);
  } else if (argc == 4 && strcmp(argv[1], "--resume") == 0) {
    line = atoi(argv[2]);
    server = atoi(argv[3]);
    reset_reason = RESET_BY_SIGNAL;
  } else {
    fprintf(stderr, "usage: %s --pty | --listen PORT\n", program);
    return 2;
  }
  snprintf(resumed_line, sizeof resumed_line, "%d", server < 0 ? line : -1);
  snprintf(resumed_server, sizeof resumed_server, "%d", server);
  catch_signals();
  fflush(stdout);  // where the line is: whoever reads it may press the button
  return ek_firmware_main();
}
