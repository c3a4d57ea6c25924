// Says what the compiled model data hold, one "key value" a line, for the test to compare with Python's.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "ek_settings.h"
#include "model.h"
#include "model_data.h"

namespace {

std::uint32_t Crc32(const void* data, std::size_t size) {
  const unsigned char* bytes = static_cast<const unsigned char*>(data);
  std::uint32_t crc = 0xFFFFFFFFU;
  for (std::size_t i = 0; i < size; ++i) {
    crc ^= bytes[i];
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1U) ^ ((crc & 1U) != 0U ? 0xEDB88320U : 0U);
    }
  }
  return ~crc;
}

std::uint32_t Bits(float value) {
  std::uint32_t bits = 0;
  static_assert(sizeof(bits) == sizeof(value), "binary32");
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

void PrintTensor(const char* name, const ek_tensor_t& tensor) {
  std::printf("%s %u", name, static_cast<unsigned>(tensor.dtype));
  for (unsigned i = 0; i < tensor.rank; ++i) {
    std::printf(" %lu", static_cast<unsigned long>(tensor.shape[i]));
  }
  std::printf(" %lu %lu %ld %ld\n", static_cast<unsigned long>(tensor.bytes),
              static_cast<unsigned long>(Bits(tensor.scale)), static_cast<long>(tensor.zero_point),
              static_cast<long>(tensor.pixel_offset));
}

}  // namespace

int main() {
  using edgekit::g_model_data;
  const ek_settings& settings = ek_model_settings;
  static_assert(sizeof(g_model_data) == edgekit::kModelDataBytes, "length");
  const bool aligned = reinterpret_cast<std::uintptr_t>(g_model_data) % 16 == 0;
  std::printf("model %zu %lu %s %lu\n", sizeof(g_model_data),
              static_cast<unsigned long>(Crc32(g_model_data, sizeof(g_model_data))),
              aligned ? "aligned" : "askew", static_cast<unsigned long>(settings.model_bytes));
  std::printf("sha256 %s\n", edgekit::kModelDataSha256);
  std::printf("prefix %s ", settings.model_id);
  for (std::uint8_t byte : settings.model_sha256) {
    std::printf("%02x", static_cast<unsigned>(byte));
  }
  const std::size_t count = settings.golden_count;
  std::printf("\ngolden %zu %lu %lu\n", count,
              static_cast<unsigned long>(Crc32(settings.golden_inputs, count * EK_MODEL_INPUT_BYTES)),
              static_cast<unsigned long>(Crc32(settings.golden_outputs, count * EK_MODEL_OUTPUT_BYTES)));
  std::printf("target %s %s %s %s\n", settings.board, settings.engine, settings.kernels, settings.plan);
  std::printf("arena %d %d %lu\n", EK_MODEL_ARENA_BYTES, EK_MODEL_ARENA_PREDICTED,
              static_cast<unsigned long>(settings.arena_bytes));
  std::printf("ops");
  for (std::uint32_t i = 0; i < settings.op_count; ++i) {
    std::printf(" %u", static_cast<unsigned>(settings.op_codes[i]));
  }
  std::printf(" of %d\n", EK_MODEL_OPS);
  PrintTensor("input", settings.input);
  PrintTensor("output", settings.output);
  std::printf("labels");
  for (const char* const* label = ek_model_labels; *label != nullptr; ++label) {
    std::printf(" ");
    for (const char* c = *label; *c != '\0'; ++c) {
      std::printf("%02x", static_cast<unsigned>(static_cast<unsigned char>(*c)));
    }
  }
  std::printf(" ended\n");
  return 0;
}
