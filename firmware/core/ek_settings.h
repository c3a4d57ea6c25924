// What the bench runner says of the model, tests it with and keeps of its results; generated as settings.c.
#ifndef EDGEKIT_CORE_EK_SETTINGS_H_
#define EDGEKIT_CORE_EK_SETTINGS_H_

#include "ek_protocol.h"

// A Teensy's Arduino core copies constants to RAM unless they are in this section of the flash.
#if defined(TEENSYDUINO)
#define EK_GOLDEN_SECTION __attribute__((section(".progmem.edgekit_golden")))
#else
#define EK_GOLDEN_SECTION
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  const char *board, *engine, *kernels, *plan, *build;  // for IDENTIFY
  const char *vendor, *profile, *model_id;              // for the text commands
  uint8_t model_sha256[8];                              // its first bytes
  uint32_t model_bytes, arena_bytes;
  ek_tensor_t input, output;

  // Inputs, one after the other, and the outputs that a correct build gives.
  const int8_t *golden_inputs, *golden_outputs;
  uint16_t golden_count;

  // The schema's operator code of each operator in the .tflite file.
  const uint16_t *op_codes;
  uint32_t op_count;

  // Memory that depends on the model: the output of a run's first inference, and the ticks of a run or profile.
  uint8_t *first_output;
  uint64_t *ticks;  // EK_RUNS_MAX, or two for each operator when these are more
  uint32_t ticks_count;
} ek_settings;

extern const ek_settings ek_model_settings;

// Names of the outputs in order, ended by NULL. The bench runner has no use for them; firmware of one's own may.
extern const char *const ek_model_labels[];

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_CORE_EK_SETTINGS_H_
