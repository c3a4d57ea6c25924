#include "ek_bench.h"

#include <string.h>

#include "ek_device.h"
#include "ek_engine.h"
#include "ek_line.h"
#include "ek_port.h"
#include "ek_settings.h"

ek_device_state ek_device;

static struct {
  uint8_t bytes[EK_MESSAGE_MAX];
  size_t size;
  bool too_long;
  uint64_t last_byte;  // ticks
} message;

// The first golden vector alone: the host may ask for all.
static void test_at_boot(void) {
  if (ek_model_settings.golden_count == 0) return;
  ek_device_begin(EK_JOB_SELFTEST, 0, 1);
  bool passed = ek_job_step() && ek_device.job.tested.passed == 1;
  ek_device.job.kind = EK_JOB_NONE;
  ek_device.boot_test = passed ? EK_BOOT_TEST_PASSED : EK_BOOT_TEST_FAILED;
  memset(ek_engine_input(), 0, ek_model_settings.input.bytes);
  if (!passed) ek_say("e-[Self-test failed]");
}

void ek_bench_start(void) {
  memset(&ek_device, 0, sizeof ek_device);
  memset(&message, 0, sizeof message);
  ek_text_reset();
  ek_binary_forget_load();
  ek_binary_forget_results();
  ek_device.ticks_per_second = ek_port_tick_rate.hertz;
  ek_device.ready = ek_engine_init() == 0;
  if (ek_device.ready) {
    test_at_boot();
  } else {
    ek_put_text("e-[");
    ek_put_text(ek_engine_error());
    ek_say("]");
  }
  ek_port_write(EK_BOOT_LINES, sizeof EK_BOOT_LINES - 1);
}

static void forget_message(void) {
  message.size = 0;
  message.too_long = false;
}

static void end_message(void) {
  uint8_t *start = message.bytes;
  size_t size = message.size;
  bool too_long = message.too_long;
  while (size && (*start == '\r' || *start == '\n')) {
    start++;
    size--;
  }
  forget_message();
  size_t mark = sizeof EK_FRAME_MARK - 1;
  if (size >= mark && memcmp(start, EK_FRAME_MARK, mark) == 0) {
    ek_binary_receive(start, size, too_long);
  } else {
    ek_device_stop();
    ek_text_receive(start, size, too_long);
  }
}

static void receive(uint8_t byte) {
  if (byte == EK_COMMAND_END) {
    end_message();
  } else if (message.size < sizeof message.bytes) {
    message.bytes[message.size++] = byte;
  } else {
    message.too_long = true;
  }
}

static void tell(ek_event event) {
  if (ek_device.job.kind == EK_JOB_INFER) {
    ek_text_event(event);
  } else {
    ek_binary_event(event);
  }
}

static void end_job(ek_event event) {
  tell(event);
  ek_device.job.kind = EK_JOB_NONE;
}

static void work(void) {
  ek_job *job = &ek_device.job;
  if (job->done < job->total) {
    if (!ek_device.ready || !ek_job_step()) {
      end_job(EK_FAILED);
      return;
    }
    tell(EK_MOVED);
  }
  if (job->done >= job->total) end_job(EK_ENDED);
}

void ek_bench_poll(void) {
  uint8_t bytes[64];
  size_t count = ek_port_read(bytes, sizeof bytes);
  uint64_t now = ek_port_ticks();
  uint64_t patience = (uint64_t)EK_MESSAGE_TIMEOUT_MS * ek_device.ticks_per_second / 1000;
  if (message.size && now - message.last_byte > patience) forget_message();
  if (count) message.last_byte = now;
  for (size_t i = 0; i < count; i++) receive(bytes[i]);
  if (count == 0 && ek_device.job.kind == EK_JOB_NONE) ek_port_idle();
  if (ek_device.job.kind == EK_JOB_NONE) return;
  work();
  message.last_byte = ek_port_ticks();  // nobody listened meanwhile
}

void ek_device_begin(ek_job_kind kind, uint32_t request, uint32_t total) {
  memset(&ek_device.job, 0, sizeof ek_device.job);
  ek_device.job.kind = kind;
  ek_device.job.request = request;
  ek_device.job.total = total;
}

void ek_device_stop(void) {
  if (ek_device.job.kind != EK_JOB_NONE) end_job(EK_STOPPED);
}

void ek_device_forget_loads(void) {
  ek_device.input_loaded = false;
  ek_text_forget_load();
  ek_binary_forget_load();
  ek_binary_forget_results();
}

void ek_device_use_input(void) {
  ek_device.input_loaded = false;
  ek_binary_forget_load();
}

void ek_device_use_output(void) {
  ek_text_forget_results();
  ek_binary_forget_results();
}
