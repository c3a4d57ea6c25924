// The commands that carry binary frames: identity, load, run, profile, self-test, read.
#include <string.h>

#include "ek_crc.h"
#include "ek_device.h"
#include "ek_engine.h"
#include "ek_frame.h"
#include "ek_line.h"
#include "ek_port.h"
#include "ek_settings.h"

#define MASK_BITS 32u

// `next` is the first frame that has not come, bit i of `mask` is frame next + 1 + i.
static struct {
  bool active;
  uint32_t request, crc, next, mask;
} loading;

// The last RUN, PROFILE or SELFTEST: its reply, to repeat when that was lost; and with it which tables there are.
static struct {
  uint8_t type;  // of the reply; 0 if there is none
  uint32_t request;
  union {
    ek_ran_t ran;
    ek_profiled_t profiled;
    ek_selftested_t selftested;
  } reply;
} finished;

void ek_binary_forget_load(void) { memset(&loading, 0, sizeof loading); }

void ek_binary_forget_results(void) { memset(&finished, 0, sizeof finished); }

static void send(uint8_t type, uint32_t request, const void *payload, size_t size) {
  ek_send(type, request, payload, size, NULL, 0);
}

static void refuse_with(uint32_t request, uint8_t type, uint16_t code, uint32_t value) {
  ek_error_t error = {code, type, value};
  send(EK_TYPE_ERROR, request, &error, sizeof error);
}

static void refuse(const ek_frame *frame, uint16_t code) { refuse_with(frame->request, frame->type, code, 0); }

// Copies the message that the payload begins with; answers when the payload is too short for it.
static bool unpack(const ek_frame *frame, void *target, size_t size) {
  if (frame->length < size) {
    refuse(frame, EK_CODE_BAD_REQUEST);
    return false;
  }
  memcpy(target, frame->payload, size);
  return true;
}

static void send_progress(uint32_t request) {
  ek_progress_t progress = {ek_device.job.done, ek_device.job.total};
  send(EK_TYPE_PROGRESS, request, &progress, sizeof progress);
}

// Text in a field of fixed size is padded with zeros, and ends with the field when it is too long.
static void copy_text(char *field, size_t size, const char *text) {
  for (size_t i = 0; i < size && text[i]; i++) field[i] = text[i];
}

#define SET_TEXT(field, text) copy_text(field, sizeof(field), text)

typedef struct {
  ek_identity_t identity;
  ek_tensor_t tensors[2];
} identity_reply;
typedef char
    ek_identity_reply_is_packed[sizeof(identity_reply) == sizeof(ek_identity_t) + 2 * sizeof(ek_tensor_t) ? 1 : -1];

static void identify(const ek_frame *frame) {
  const ek_settings *settings = &ek_model_settings;
  identity_reply reply;
  memset(&reply, 0, sizeof reply);
  ek_identity_t *identity = &reply.identity;
  SET_TEXT(identity->board, settings->board);
  SET_TEXT(identity->engine, settings->engine);
  SET_TEXT(identity->kernels, settings->kernels);
  SET_TEXT(identity->plan, settings->plan);
  SET_TEXT(identity->build, settings->build);
  memcpy(identity->model_sha256, settings->model_sha256, sizeof identity->model_sha256);
  identity->ticks_per_second = ek_device.ticks_per_second;
  identity->clock_hz = ek_port_clock_hz();
  identity->ns_per_instruction = ek_port_tick_rate.ns_per_instruction;
  identity->model_bytes = settings->model_bytes;
  identity->arena_bytes = settings->arena_bytes;
  identity->arena_used = ek_engine_arena_used();
  identity->inputs = 1;
  identity->outputs = 1;
  identity->golden = settings->golden_count;
  identity->reset_reason = ek_port_reset_reason();
  identity->boot_test = ek_device.boot_test;
  reply.tensors[0] = settings->input;
  reply.tensors[1] = settings->output;
  send(EK_TYPE_IDENTIFIED, frame->request, &reply, sizeof reply);
}

static void acknowledge(void) {
  ek_ack_t ack = {loading.next, loading.mask};
  send(EK_TYPE_ACK, loading.request, &ack, sizeof ack);
}

static void load(const ek_frame *frame) {
  ek_load_t wanted;
  if (!unpack(frame, &wanted, sizeof wanted)) return;
  uint32_t size = ek_model_settings.input.bytes;
  if (wanted.bytes != size) {
    refuse_with(frame->request, frame->type, EK_CODE_BAD_SIZE, size);
    return;
  }
  if (!loading.active || loading.request != frame->request) {
    ek_device_forget_loads();
    loading.active = true;
    loading.request = frame->request;
    loading.crc = wanted.crc;
  }
  acknowledge();
}

static void accept(uint32_t sequence) {
  if (sequence > loading.next) {
    loading.mask |= 1u << (sequence - loading.next - 1);
    return;
  }
  loading.next++;
  for (; loading.mask & 1; loading.mask >>= 1) loading.next++;
  loading.mask >>= 1;
}

static uint32_t input_crc(void) { return ek_crc32(0, ek_engine_input(), ek_model_settings.input.bytes); }

static void finish_load(const ek_frame *frame) {
  uint32_t crc = input_crc();
  if (crc != loading.crc) {
    ek_binary_forget_load();
    refuse_with(frame->request, frame->type, EK_CODE_INPUT_CRC, crc);
    return;
  }
  ek_device.input_loaded = true;
  acknowledge();
}

static void data(const ek_frame *frame) {
  if (!loading.active || loading.request != frame->request) {
    refuse(frame, EK_CODE_NO_LOAD);
    return;
  }
  ek_data_t place;
  if (!unpack(frame, &place, sizeof place)) return;
  uint32_t total = ek_model_settings.input.bytes;
  uint32_t frames = total / EK_DATA_BYTES + (total % EK_DATA_BYTES != 0);
  uint32_t sequence = place.sequence;
  if (sequence >= frames) {
    refuse(frame, EK_CODE_BAD_REQUEST);
    return;
  }
  uint32_t start = sequence * EK_DATA_BYTES;
  uint32_t size = total - start < EK_DATA_BYTES ? total - start : EK_DATA_BYTES;
  if (frame->length - sizeof place != size) {
    refuse(frame, EK_CODE_BAD_REQUEST);
    return;
  }
  bool fresh = sequence >= loading.next && sequence - loading.next <= MASK_BITS;
  bool in_order = sequence == loading.next && loading.mask == 0;
  if (fresh) {
    memcpy(ek_engine_input() + start, frame->payload + sizeof place, size);
    accept(sequence);
  }
  if (fresh && loading.next == frames) {
    finish_load(frame);
  } else if (!in_order || loading.next % EK_ACK_EVERY == 0) {
    acknowledge();
  }
}

// Answers a request again whose reply was lost, without doing the work again.
static bool repeated(const ek_frame *frame) {
  if (!finished.type || finished.request != frame->request) return false;
  size_t size = finished.type == EK_TYPE_RAN        ? sizeof finished.reply.ran
                : finished.type == EK_TYPE_PROFILED ? sizeof finished.reply.profiled
                                                    : sizeof finished.reply.selftested;
  send(finished.type, finished.request, &finished.reply, size);
  return true;
}

static bool has_input(const ek_frame *frame, uint32_t crc) {
  if (!ek_device.input_loaded) {
    refuse(frame, EK_CODE_NO_INPUT);
    return false;
  }
  uint32_t actual = input_crc();
  if (actual != crc) refuse_with(frame->request, frame->type, EK_CODE_INPUT_CRC, actual);
  return actual == crc;
}

static void start(const ek_frame *frame, ek_job_kind kind, uint32_t total) {
  ek_binary_forget_results();
  ek_device_use_input();
  ek_device_begin(kind, frame->request, total);
  send_progress(frame->request);
}

static void run(const ek_frame *frame) {
  if (repeated(frame)) return;
  ek_run_t wanted;
  if (!unpack(frame, &wanted, sizeof wanted)) return;
  if (wanted.runs < 1 || wanted.runs > EK_RUNS_MAX || wanted.warmup > EK_WARMUP_MAX) {
    refuse(frame, EK_CODE_BAD_REQUEST);
    return;
  }
  if (!has_input(frame, wanted.input_crc)) return;
  ek_device_use_output();
  start(frame, EK_JOB_RUN, wanted.warmup + wanted.runs);
  ek_device.job.warmup = wanted.warmup;
  ek_device.job.input_crc = wanted.input_crc;
}

static void profile(const ek_frame *frame) {
  ek_profile_t wanted;
  if (repeated(frame) || !unpack(frame, &wanted, sizeof wanted)) return;
  if (has_input(frame, wanted.input_crc)) start(frame, EK_JOB_PROFILE, 1);
}

static void selftest(const ek_frame *frame) {
  if (repeated(frame)) return;
  ek_device_forget_loads();
  start(frame, EK_JOB_SELFTEST, ek_model_settings.golden_count);
  ek_device.job.tested.vectors = ek_model_settings.golden_count;
}

static void finish(void) {
  const ek_settings *settings = &ek_model_settings;
  const ek_job *job = &ek_device.job;
  finished.request = job->request;
  if (job->kind == EK_JOB_RUN) {
    uint32_t runs = job->total - job->warmup;
    finished.type = EK_TYPE_RAN;
    finished.reply.ran = (ek_ran_t){
        .runs = runs,
        .warmup = job->warmup,
        .input_crc = job->input_crc,
        .output_bytes = settings->output.bytes,
        .output_crc = ek_crc32(0, settings->first_output, settings->output.bytes),
        .ticks_crc = ek_crc32(0, settings->ticks, runs * sizeof *settings->ticks),
        .flags = EK_RUN_FLAG_STABLE,
    };
  } else if (job->kind == EK_JOB_PROFILE) {
    finished.type = EK_TYPE_PROFILED;
    finished.reply.profiled = (ek_profiled_t){
        .ops = job->ops,
        .ops_crc = ek_crc32(0, settings->ticks, job->ops * sizeof(ek_op_ticks_t)),
        .ticks = job->finished - job->started,
    };
  } else {
    finished.type = EK_TYPE_SELFTESTED;
    finished.reply.selftested = job->tested;
  }
  ek_frame again = {.request = finished.request};
  repeated(&again);
}

void ek_binary_event(ek_event event) {
  const ek_job *job = &ek_device.job;
  uint8_t type = job->kind == EK_JOB_RUN       ? EK_TYPE_RUN
                 : job->kind == EK_JOB_PROFILE ? EK_TYPE_PROFILE
                                               : EK_TYPE_SELFTEST;
  switch (event) {
    case EK_MOVED:
      send_progress(job->request);
      break;
    case EK_ENDED:
      finish();
      break;
    case EK_FAILED:
      refuse_with(job->request, type, EK_CODE_ENGINE, 0);
      break;
    case EK_STOPPED:
      refuse_with(job->request, type, EK_CODE_STOPPED, 0);
      break;
  }
}

// The bytes of a table that the last request left; NULL if it left no such table.
static const uint8_t *find_table(uint32_t table, uint32_t *size) {
  const ek_settings *settings = &ek_model_settings;
  if (finished.type == EK_TYPE_RAN && table == EK_TABLE_OUTPUT) {
    *size = finished.reply.ran.output_bytes;
    return settings->first_output;
  }
  if (finished.type == EK_TYPE_RAN && table == EK_TABLE_TICKS) {
    *size = finished.reply.ran.runs * (uint32_t)sizeof *settings->ticks;
    return (const uint8_t *)settings->ticks;
  }
  if (finished.type == EK_TYPE_PROFILED && table == EK_TABLE_OPS) {
    *size = finished.reply.profiled.ops * (uint32_t)sizeof(ek_op_ticks_t);
    return (const uint8_t *)settings->ticks;
  }
  return NULL;
}

static void read(const ek_frame *frame) {
  ek_read_t wanted;
  if (!unpack(frame, &wanted, sizeof wanted)) return;
  if (!finished.type || finished.request != wanted.run) {
    refuse(frame, EK_CODE_STALE);
    return;
  }
  uint32_t size = 0;
  const uint8_t *table = find_table(wanted.table, &size);
  if (table == NULL || wanted.length > EK_DATA_BYTES || wanted.offset > size) {
    refuse(frame, EK_CODE_BAD_REQUEST);
    return;
  }
  uint32_t left = size - wanted.offset;
  ek_chunk_t chunk = {wanted.run, wanted.table, wanted.offset, size};
  ek_send(EK_TYPE_CHUNK, frame->request, &chunk, sizeof chunk, table + wanted.offset,
          wanted.length < left ? wanted.length : left);
}

static void cancel(const ek_frame *frame) {
  ek_device_stop();
  ek_binary_forget_load();
  send(EK_TYPE_CANCELLED, frame->request, NULL, 0);
}

static void (*const handlers[])(const ek_frame *frame) = {
    [EK_TYPE_IDENTIFY] = identify, [EK_TYPE_LOAD] = load,         [EK_TYPE_DATA] = data, [EK_TYPE_RUN] = run,
    [EK_TYPE_PROFILE] = profile,   [EK_TYPE_SELFTEST] = selftest, [EK_TYPE_READ] = read, [EK_TYPE_CANCEL] = cancel,
};

static void while_busy(const ek_frame *frame) {
  bool work = frame->type == EK_TYPE_RUN || frame->type == EK_TYPE_PROFILE || frame->type == EK_TYPE_SELFTEST;
  if (work && frame->request == ek_device.job.request) {
    send_progress(frame->request);
  } else {
    refuse(frame, EK_CODE_BUSY);
  }
}

void ek_binary_receive(uint8_t *message, size_t size, bool too_long) {
  ek_frame frame;
  if (too_long) {
    refuse_with(0, 0, EK_CODE_TOO_LONG, 0);
  } else if (!ek_frame_decode(message, size, &frame)) {
    refuse_with(0, 0, EK_CODE_DAMAGED, 0);
  } else if (frame.version != EK_PROTOCOL_VERSION) {
    refuse_with(frame.request, frame.type, EK_CODE_VERSION, EK_PROTOCOL_VERSION);
  } else if (frame.type >= sizeof handlers / sizeof *handlers || handlers[frame.type] == NULL) {
    refuse(&frame, EK_CODE_UNKNOWN_TYPE);
  } else if (ek_device.job.kind != EK_JOB_NONE && frame.type != EK_TYPE_IDENTIFY && frame.type != EK_TYPE_CANCEL) {
    while_busy(&frame);
  } else {
    handlers[frame.type](&frame);
  }
}
