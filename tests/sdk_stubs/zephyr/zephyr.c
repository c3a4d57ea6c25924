// Zephyr's functions on this computer: one UART, which is a pseudo-terminal, with a FIFO of 16 bytes and a callback that is
// called from a thread of its own, as an interrupt would be. A lock stands for what an interrupt cannot interrupt.
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/drivers/uart.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/reboot.h>

#define FIFO 16

const struct device stub_line = {"line"}, stub_console = {"console"};

static pthread_mutex_t lock;  // recursive: held while the callback runs
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t sem_lock = PTHREAD_MUTEX_INITIALIZER;
static int terminal = -1;
static int wake[2];
static bool rx_enabled, tx_enabled;
static uint8_t fifo[FIFO];
static int fifo_size;
static uart_irq_callback_user_data_t callback;
static void *callback_context;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *interrupts(void *unused) {
  (void)unused;
  for (;;) {
    pthread_mutex_lock(&lock);
    short events = (short)((rx_enabled && fifo_size < FIFO ? POLLIN : 0) | (tx_enabled ? POLLOUT : 0));
    bool pending = rx_enabled && fifo_size > 0;
    pthread_mutex_unlock(&lock);
    struct pollfd files[2] = {{terminal, events, 0}, {wake[0], POLLIN, 0}};
    poll(files, 2, pending ? 0 : -1);
    char drained[64];
    if (files[1].revents && read(wake[0], drained, sizeof drained) < 0) fail("wake");
    pthread_mutex_lock(&lock);
    if (rx_enabled && files[0].revents & POLLIN) {
      ssize_t count = read(terminal, fifo + fifo_size, (size_t)(FIFO - fifo_size));
      if (count > 0) fifo_size += (int)count;
    }
    if (callback && ((rx_enabled && fifo_size) || (tx_enabled && files[0].revents & POLLOUT))) {
      callback(&stub_line, callback_context);
    }
    pthread_mutex_unlock(&lock);
  }
  return NULL;
}

static void wake_up(void) {
  if (write(wake[1], "x", 1) != 1) fail("wake");
}

__attribute__((constructor)) static void start(void) {
  pthread_mutexattr_t recursive;
  pthread_mutexattr_init(&recursive);
  pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_init(&lock, &recursive);
  terminal = posix_openpt(O_RDWR | O_NOCTTY);
  if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) fail("pseudo-terminal");
  const char *name = ptsname(terminal);
  int end = name ? open(name, O_RDWR | O_NOCTTY) : -1;  // stays open: hosts come and go
  struct termios settings;
  if (end < 0 || tcgetattr(end, &settings)) fail("pseudo-terminal");
  cfmakeraw(&settings);
  tcsetattr(end, TCSANOW, &settings);
  fcntl(terminal, F_SETFL, O_NONBLOCK);
  if (pipe2(wake, O_NONBLOCK)) fail("pipe");
  printf("%s\n", name);
  fflush(stdout);
  pthread_t thread;
  pthread_create(&thread, NULL, interrupts, NULL);
}

bool device_is_ready(const struct device *dev) { return dev == &stub_line; }

int uart_irq_callback_user_data_set(const struct device *dev, uart_irq_callback_user_data_t cb, void *user_data) {
  (void)dev;
  pthread_mutex_lock(&lock);
  callback = cb;
  callback_context = user_data;
  pthread_mutex_unlock(&lock);
  return 0;
}

static void set(bool *flag, bool value) {
  pthread_mutex_lock(&lock);
  *flag = value;
  pthread_mutex_unlock(&lock);
  wake_up();
}

void uart_irq_rx_enable(const struct device *dev) { set(&rx_enabled, dev == &stub_line); }
void uart_irq_rx_disable(const struct device *dev) { set(&rx_enabled, dev != &stub_line); }
void uart_irq_tx_enable(const struct device *dev) { set(&tx_enabled, dev == &stub_line); }
void uart_irq_tx_disable(const struct device *dev) { set(&tx_enabled, dev != &stub_line); }
int uart_irq_update(const struct device *dev) { return dev == &stub_line; }
int uart_irq_rx_ready(const struct device *dev) { return dev == &stub_line && rx_enabled && fifo_size > 0; }
int uart_irq_tx_ready(const struct device *dev) { return dev == &stub_line && tx_enabled; }

int uart_fifo_read(const struct device *dev, uint8_t *rx_data, const int size) {
  (void)dev;
  int count = size < fifo_size ? size : fifo_size;
  memcpy(rx_data, fifo, (size_t)count);
  memmove(fifo, fifo + count, (size_t)(fifo_size - count));
  fifo_size -= count;
  return count;
}

int uart_fifo_fill(const struct device *dev, const uint8_t *tx_data, int size) {
  (void)dev;
  ssize_t count = write(terminal, tx_data, (size_t)(size < FIFO ? size : FIFO));
  return count < 0 ? 0 : (int)count;
}

int k_sem_take(struct k_sem *sem, k_timeout_t timeout) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  uint64_t end = (uint64_t)until.tv_nsec + (uint64_t)timeout.ticks * 1000000u;
  until.tv_sec += (time_t)(end / 1000000000u);
  until.tv_nsec = (long)(end % 1000000000u);
  int result = 0;
  pthread_mutex_lock(&sem_lock);
  while (sem->count == 0 && result == 0) result = pthread_cond_timedwait(&given, &sem_lock, &until);
  if (sem->count) {
    sem->count--;
    result = 0;
  }
  pthread_mutex_unlock(&sem_lock);
  return result ? -EAGAIN : 0;
}

void k_sem_give(struct k_sem *sem) {
  pthread_mutex_lock(&sem_lock);
  if (sem->count < sem->limit) sem->count++;
  pthread_cond_broadcast(&given);
  pthread_mutex_unlock(&sem_lock);
}

uint64_t k_cycle_get_64(void) { return nanoseconds(); }

// Begins a tenth of a second before it wraps.
uint32_t k_cycle_get_32(void) {
  static uint64_t start_time;
  if (start_time == 0) start_time = nanoseconds();
  return (uint32_t)(nanoseconds() - start_time - 100000000u);
}

int hwinfo_get_reset_cause(uint32_t *cause) {
  *cause = 4;
  return getenv("STUB_NO_HWINFO") ? -ENOSYS : 0;
}

int hwinfo_clear_reset_cause(void) { return 0; }

void sys_reboot(int type) { exit(type == SYS_REBOOT_COLD ? 0 : 1); }

void stub_panic(void) { abort(); }
