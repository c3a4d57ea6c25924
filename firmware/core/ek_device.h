// What the parts of the bench runner share: the work under way, and what is known of the input and the last results.
#ifndef EDGEKIT_CORE_EK_DEVICE_H_
#define EDGEKIT_CORE_EK_DEVICE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ek_protocol.h"

// Work that takes inferences, done one inference at a time so that the device keeps listening in between.
typedef enum { EK_JOB_NONE, EK_JOB_RUN, EK_JOB_PROFILE, EK_JOB_SELFTEST, EK_JOB_INFER } ek_job_kind;

typedef struct {
  ek_job_kind kind;
  uint32_t request;  // that asked for it; 0 for the text command
  uint32_t done, total, warmup;
  uint32_t input_crc;          // RUN: that the input had
  uint64_t started, finished;  // ticks before the first timed inference and after the last
  uint32_t ops;                // PROFILE: operators seen
  ek_selftested_t tested;
} ek_job;

typedef struct {
  ek_job job;
  bool ready;          // the engine is
  bool input_loaded;   // and has not been used yet
  uint32_t boot_test;  // enum ek_boot_test
  uint32_t ticks_per_second;
} ek_device_state;

extern ek_device_state ek_device;

// Begins work; the caller sets what its kind needs besides.
void ek_device_begin(ek_job_kind kind, uint32_t request, uint32_t total);

// Ends the work under way, if any; it is answered as stopped.
void ek_device_stop(void);

// The input is about to change: a load under way and the results of the last run are given up.
void ek_device_forget_loads(void);

// Inferences begin: the input is gone with the first of them, so a load under way is given up.
void ek_device_use_input(void);

// The output that was kept of the last run is about to be overwritten.
void ek_device_use_output(void);

// Runs the next inference of the work under way; false if it failed.
bool ek_job_step(void);

// One message, without its end. What it was is lost: frames are decoded in place.
void ek_text_receive(uint8_t *message, size_t size, bool too_long);
void ek_binary_receive(uint8_t *message, size_t size, bool too_long);

// What becomes of work: an inference is done, all are, one failed, it was stopped.
typedef enum { EK_MOVED, EK_ENDED, EK_FAILED, EK_STOPPED } ek_event;
void ek_text_event(ek_event event);
void ek_binary_event(ek_event event);

// The parts of what is said above, and a reset.
void ek_text_forget_load(void);
void ek_text_forget_results(void);
void ek_text_reset(void);
void ek_binary_forget_load(void);
void ek_binary_forget_results(void);

#endif  // EDGEKIT_CORE_EK_DEVICE_H_
