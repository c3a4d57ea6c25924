// The inferences of a job, one a step.
#include <string.h>

#include "ek_device.h"
#include "ek_engine.h"
#include "ek_port.h"
#include "ek_settings.h"

static bool run(ek_job *job) {
  const ek_settings *settings = &ek_model_settings;
  uint64_t before = ek_port_ticks();
  if (ek_engine_invoke(NULL, NULL)) return false;
  uint64_t after = ek_port_ticks();
  // The input is used up by the first inference, so only that one's output tells anything.
  if (job->done == 0) memcpy(settings->first_output, ek_engine_output(), settings->output.bytes);
  if (job->done == job->warmup) job->started = before;
  if (job->kind == EK_JOB_RUN && job->done >= job->warmup) settings->ticks[job->done - job->warmup] = after - before;
  job->finished = after;
  return true;
}

typedef struct {
  uint32_t count;
  uint64_t last;
} seen;

static void after_op(void *context, uint32_t op) {
  const ek_settings *settings = &ek_model_settings;
  uint64_t now = ek_port_ticks();
  seen *so_far = context;
  ek_op_ticks_t entry = {op, op < settings->op_count ? settings->op_codes[op] : 0, now - so_far->last};
  size_t words = sizeof entry / sizeof *settings->ticks;
  if ((so_far->count + 1) * words <= settings->ticks_count) {
    memcpy(settings->ticks + so_far->count * words, &entry, sizeof entry);
    so_far->count++;
  }
  so_far->last = ek_port_ticks();
}

static bool profile(ek_job *job) {
  job->started = ek_port_ticks();
  seen so_far = {0, job->started};
  if (ek_engine_invoke(after_op, &so_far)) return false;
  job->finished = ek_port_ticks();
  job->ops = so_far.count;
  return true;
}

static bool test(ek_job *job) {
  const ek_settings *settings = &ek_model_settings;
  size_t size = settings->output.bytes;
  const uint8_t *expected = (const uint8_t *)settings->golden_outputs + job->done * size;
  memcpy(ek_engine_input(), settings->golden_inputs + (size_t)job->done * settings->input.bytes, settings->input.bytes);
  if (ek_engine_invoke(NULL, NULL)) return false;
  const uint8_t *got = ek_engine_output();
  uint32_t offset = 0;
  while (offset < size && got[offset] == expected[offset]) offset++;
  ek_selftested_t *tested = &job->tested;
  if (offset == size) {
    tested->passed++;
  } else if (tested->passed == job->done) {
    tested->vector = job->done;
    tested->offset = offset;
    tested->expected = expected[offset];
    tested->got = got[offset];
  }
  return true;
}

bool ek_job_step(void) {
  ek_job *job = &ek_device.job;
  bool done = job->kind == EK_JOB_SELFTEST ? test(job) : job->kind == EK_JOB_PROFILE ? profile(job) : run(job);
  if (done) job->done++;
  return done;
}
