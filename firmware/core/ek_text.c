// The text commands: MLPerf Tiny's, so that the industry's own runner works with the device.
#include <string.h>

#include "ek_device.h"
#include "ek_engine.h"
#include "ek_line.h"
#include "ek_port.h"
#include "ek_settings.h"

#define WORDS 4
#define NUMBER_DIGITS 9  // no counter overflows

static struct {
  bool loading;  // `db load` has said how many bytes
  uint32_t expected, count;
  bool results;
} text;

typedef struct {
  const uint8_t *start;
  size_t size;
} word;

typedef struct {
  word words[WORDS];
  size_t count;  // may be more than are kept
} command;

void ek_text_forget_load(void) { text.loading = false; }

void ek_text_forget_results(void) { text.results = false; }

void ek_text_reset(void) { memset(&text, 0, sizeof text); }

static void say_error(const char *why, const void *what, size_t size) {
  ek_put_text("e-");
  ek_put_bracketed(why, what, size);
  ek_end_line();
}

static void refuse(const char *why) { say_error(why, NULL, 0); }

static void say_bracketed(const char *before, const char *what) {
  ek_put_text(before);
  ek_put_bracketed(what, NULL, 0);
  ek_end_line();
}

static void say_microseconds(uint64_t ticks) {
  uint64_t rate = ek_device.ticks_per_second;
  ek_say_number("m-lap-us-", ticks / rate * 1000000u + ticks % rate * 1000000u / rate);
}

static bool is(const command *said, size_t index, const char *name) {
  const word *it = &said->words[index];
  return index < said->count && it->size == strlen(name) && memcmp(it->start, name, it->size) == 0;
}

// A decimal number, or what is given when there is none; answers when it is something else.
static bool number(const command *said, size_t index, uint32_t otherwise, uint32_t *value) {
  *value = otherwise;
  if (index >= said->count) return true;
  const word *it = &said->words[index];
  uint32_t sum = 0;
  bool valid = it->size <= NUMBER_DIGITS;
  for (size_t i = 0; i < it->size && valid; i++) {
    valid = it->start[i] >= '0' && it->start[i] <= '9';
    sum = sum * 10 + it->start[i] - '0';
  }
  if (valid) {
    *value = sum;
  } else {
    say_error("Not a number: ", it->start, it->size);
  }
  return valid;
}

static int hex_digit(uint8_t digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

static bool is_hex(const word *it) {
  for (size_t i = 0; i < it->size; i++) {
    if (hex_digit(it->start[i]) < 0) return false;
  }
  return it->size % 2 == 0;
}

// Runners send pixels from 0 to 255.
static uint8_t pixel_offset(void) { return (uint8_t)ek_model_settings.input.pixel_offset; }

static void db_load(const command *said) {
  uint32_t size = ek_model_settings.input.bytes, count;
  if (!number(said, 2, 0, &count)) return;
  if (count < 1 || count > size) {
    ek_put_text("e-[Expecting 1 to ");
    ek_put_number(size);
    ek_say(" bytes]");
    return;
  }
  ek_device_forget_loads();
  memset(ek_engine_input(), 0, size);
  text.loading = true;
  text.expected = count;
  text.count = 0;
  ek_put_text("m-[Expecting ");
  ek_put_number(count);
  ek_say(" bytes]");
}

static void db_print(const command *said) {
  uint32_t size = ek_model_settings.input.bytes, count, start;
  if (!number(said, 2, text.loading ? text.count : size, &count) || !number(said, 3, 0, &start)) return;
  if (start > size) start = size;
  if (count > size - start) count = size - start;
  const uint8_t *bytes = ek_engine_input() + start;
  for (uint32_t i = 0; i < count; i++) {
    if (i % 8 == 0) ek_put_text("m-buffer");
    ek_put('-');
    ek_put_hex((uint8_t)(bytes[i] + pixel_offset()));
    if (i % 8 == 7 || i + 1 == count) ek_end_line();
  }
}

static void db_bytes(const word *digits) {
  if (!is_hex(digits)) {
    refuse("Not pairs of hex digits");
    return;
  }
  if (!text.loading) {
    refuse("db load comes first");
    return;
  }
  if (text.count == text.expected) return;
  uint8_t *input = ek_engine_input();
  for (size_t i = 0; i < digits->size && text.count < text.expected; i += 2) {
    int byte = hex_digit(digits->start[i]) << 4 | hex_digit(digits->start[i + 1]);
    input[text.count++] = (uint8_t)(byte - pixel_offset());
  }
  if (text.count == text.expected) {
    ek_device.input_loaded = true;
    ek_say("m-load-done");
  }
}

static void db(const command *said) {
  if (is(said, 1, "load")) {
    db_load(said);
  } else if (is(said, 1, "print")) {
    db_print(said);
  } else if (said->count != 2) {
    refuse("db wants load, print or digits");
  } else {
    db_bytes(&said->words[1]);
  }
}

static void warmed_up(void) {
  ek_say("m-warmup-done");
  ek_say_number("m-infer-start-", ek_device.job.total - ek_device.job.warmup);
}

static bool infer(const command *said) {
  uint32_t runs, warmup;
  if (!number(said, 1, 1, &runs) || !number(said, 2, EK_DEFAULT_WARMUP, &warmup)) return false;
  if (runs < 1 || runs > EK_INFER_MAX || warmup > EK_INFER_MAX) {
    ek_put_text("e-[infer wants 1 to ");
    ek_put_number(EK_INFER_MAX);
    ek_say(" runs]");
    return false;
  }
  if (!ek_device.input_loaded) {
    refuse("Load the input first");
    return false;
  }
  ek_device_use_output();
  ek_device_use_input();
  ek_device_begin(EK_JOB_INFER, 0, warmup + runs);
  ek_device.job.warmup = warmup;
  ek_say_number("m-warmup-start-", warmup);
  if (warmup == 0) warmed_up();
  return true;
}

// 1000 * distance * scale, rounded half up, by integers alone: a float is a mantissa of 24 bits and an exponent.
// The distance has at most 16 bits; `scale_bits` is a positive float of less than 2^37, which codegen sees to.
static uint64_t thousandths(uint32_t distance, uint32_t scale_bits) {
  uint32_t exponent = scale_bits >> 23 & 0xFF;
  uint64_t product = (uint64_t)distance * 1000 * ((scale_bits & 0x7FFFFF) | (exponent ? 0x800000u : 0));
  int shift = exponent ? (int)exponent - 150 : -149;
  if (shift >= 0) return product << shift;
  if (shift < -62) return 0;
  return (product + (UINT64_C(1) << (-shift - 1))) >> -shift;
}

static void say_results(void) {
  const ek_tensor_t *output = &ek_model_settings.output;
  uint32_t scale_bits;
  memcpy(&scale_bits, &output->scale, sizeof scale_bits);
  ek_put_text("m-results-[");
  for (uint32_t i = 0; i < output->bytes; i++) {
    int32_t q = (int8_t)ek_model_settings.first_output[i] - output->zero_point;
    uint64_t milli = thousandths((uint32_t)(q < 0 ? -q : q), scale_bits);
    if (i) ek_put(',');
    if (q < 0 && milli) ek_put('-');
    ek_put_number(milli / 1000);
    ek_put('.');
    uint32_t rest = (uint32_t)(milli % 1000);
    ek_put((uint8_t)('0' + rest / 100));
    ek_put((uint8_t)('0' + rest / 10 % 10));
    ek_put((uint8_t)('0' + rest % 10));
  }
  ek_say("]");
}

static void over(const char *why) {
  refuse(why);
  ek_say(EK_READY);
}

void ek_text_event(ek_event event) {
  const ek_job *job = &ek_device.job;
  switch (event) {
    case EK_MOVED:
      if (job->done == job->warmup) warmed_up();
      break;
    case EK_ENDED:
      // Both times are printed at the end, so that no printing lies within what is measured.
      say_microseconds(job->started);
      say_microseconds(job->finished);
      ek_say("m-infer-done");
      text.results = true;
      say_results();
      ek_say(EK_READY);
      break;
    case EK_FAILED:
      over("The inference failed");
      break;
    case EK_STOPPED:
      over("Stopped");
      break;
  }
}

static void help(void) {
  ek_say("name                  who the device is");
  ek_say("profile               what it measures, and the model");
  ek_say("timestamp             microseconds since the start");
  ek_say("db load N             expect N bytes of input");
  ek_say("db HH...              bytes of input in hexadecimal");
  ek_say("db print [N] [offset] show the input");
  ek_say("infer N [W]           run N times after W for warm-up");
  ek_say("results               show the last results");
  ek_say("Every command ends with a percent sign.");
}

// Takes CR and LF out; returns how many bytes are left.
static size_t without_line_ends(uint8_t *message, size_t size) {
  size_t left = 0;
  for (size_t i = 0; i < size; i++) {
    if (message[i] != '\r' && message[i] != '\n') message[left++] = message[i];
  }
  return left;
}

static bool printable(const uint8_t *message, size_t size) {
  for (size_t i = 0; i < size; i++) {
    if (message[i] < ' ' || message[i] > '~') return false;
  }
  return true;
}

static command split(const uint8_t *message, size_t size) {
  command said;
  memset(&said, 0, sizeof said);
  for (size_t at = 0; at < size;) {
    size_t start = at;
    while (at < size && message[at] != ' ') at++;
    if (at > start) {
      if (said.count < WORDS) said.words[said.count] = (word){message + start, at - start};
      said.count++;
    }
    while (at < size && message[at] == ' ') at++;
  }
  return said;
}

// Does a command; true when it is still under way.
static bool execute(const command *said, const uint8_t *message, size_t size) {
  if (is(said, 0, EK_TEXT_INFER)) return infer(said);
  if (is(said, 0, EK_TEXT_DB)) {
    db(said);
  } else if (is(said, 0, EK_TEXT_NAME)) {
    say_bracketed("m-name-dut-", ek_model_settings.vendor);
  } else if (is(said, 0, EK_TEXT_PROFILE)) {
    say_bracketed("m-profile-", ek_model_settings.profile);
    say_bracketed("m-model-", ek_model_settings.model_id);
  } else if (is(said, 0, EK_TEXT_TIMESTAMP)) {
    say_microseconds(ek_port_ticks());
  } else if (is(said, 0, EK_TEXT_RESULTS)) {
    if (text.results) {
      say_results();
    } else {
      refuse("No results yet");
    }
  } else if (is(said, 0, EK_TEXT_HELP)) {
    help();
  } else {
    say_error("Unknown command: ", message, size);
  }
  return false;
}

void ek_text_receive(uint8_t *message, size_t size, bool too_long) {
  bool under_way = false;
  size = without_line_ends(message, size);
  if (too_long) {
    refuse("Command too long");
  } else {
    command said = {.count = 0};  // unknown, unless it is text
    if (printable(message, size)) said = split(message, size);
    under_way = execute(&said, message, size);
  }
  if (!under_way) ek_say(EK_READY);
}
