// What the bench runner needs of an inference engine. Exactly one implementation is linked in.
//
// The input may share memory with what is computed: after an inference it is no longer there, and is written anew
// before the next one that matters.
#ifndef EDGEKIT_CORE_EK_ENGINE_H_
#define EDGEKIT_CORE_EK_ENGINE_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Called after an operator with its index in the .tflite file.
typedef void (*ek_engine_hook)(void *context, uint32_t op);

// Makes the model ready; 0 when it is, otherwise ek_engine_error() says why not. Called once, before all others.
int ek_engine_init(void);
const char *ek_engine_error(void);

// The bytes of the input and of the output; valid also when the model is not ready.
uint8_t *ek_engine_input(void);
const uint8_t *ek_engine_output(void);

// Runs one inference and returns 0 unless it failed. `hook` is called after each operator unless it is NULL.
int ek_engine_invoke(ek_engine_hook hook, void *context);

// Bytes of the arena that the model takes.
uint32_t ek_engine_arena_used(void);

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_CORE_EK_ENGINE_H_
