// The generated model as the bench runner's engine. It is ready from the start and cannot fail.
#include <stddef.h>

#include "ek_engine.h"
#include "model.h"

typedef struct {
  ek_engine_hook hook;
  void *context;
} target;

static void pass_on(void *context, uint16_t op) {
  const target *to = context;
  to->hook(to->context, op);
}

int ek_engine_init(void) { return 0; }

const char *ek_engine_error(void) { return ""; }

uint8_t *ek_engine_input(void) { return (uint8_t *)ek_model_input(); }

const uint8_t *ek_engine_output(void) { return (const uint8_t *)ek_model_output(); }

int ek_engine_invoke(ek_engine_hook hook, void *context) {
  target to = {hook, context};
  ek_model_invoke(hook == NULL ? NULL : pass_on, &to);
  return 0;
}

uint32_t ek_engine_arena_used(void) { return EK_MODEL_ARENA_BYTES; }
