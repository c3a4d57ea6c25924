// Runs the generated model of the aot engine on its golden inputs; the exit status is the number of wrong outputs.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ek_settings.h"
#include "model.h"

namespace {

int g_calls = 0;

void CountCalls(void* context, uint16_t) { ++*static_cast<int*>(context); }

}  // namespace

int main() {
  const ek_settings& settings = ek_model_settings;
  int wrong = 0;
  for (std::size_t i = 0; i < settings.golden_count; ++i) {
    std::memcpy(ek_model_input(), settings.golden_inputs + i * EK_MODEL_INPUT_BYTES, EK_MODEL_INPUT_BYTES);
    ek_model_invoke(CountCalls, &g_calls);
    const std::int8_t* expected = settings.golden_outputs + i * EK_MODEL_OUTPUT_BYTES;
    wrong += std::memcmp(ek_model_output(), expected, EK_MODEL_OUTPUT_BYTES) != 0;
  }
  return wrong + (g_calls != EK_MODEL_OPS * settings.golden_count);
}
