// Runs the generated model of the aot engine on its golden inputs; the exit status is the number of wrong outputs.
#include <cstddef>
#include <cstring>

#include "golden_vectors.h"
#include "model.h"
#include "model_settings.h"

static_assert(EK_MODEL_ARENA_BYTES <= edgekit::kArenaBytes, "the arena is the predicted one");

namespace {

int g_calls = 0;

void CountCalls(void* context, uint16_t) { ++*static_cast<int*>(context); }

}  // namespace

int main() {
  int wrong = 0;
  for (std::size_t i = 0; i < edgekit::kGoldenCount; ++i) {
    std::memcpy(ek_model_input(), edgekit::g_golden_inputs[i], EK_MODEL_INPUT_BYTES);
    ek_model_invoke(CountCalls, &g_calls);
    wrong += std::memcmp(ek_model_output(), edgekit::g_golden_outputs[i], EK_MODEL_OUTPUT_BYTES) != 0;
  }
  return wrong + (g_calls != EK_MODEL_OPS * static_cast<int>(edgekit::kGoldenCount));
}
