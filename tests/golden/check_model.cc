// Says what the compiled model data hold, one "key value" a line, for the test to compare with Python's.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "golden_vectors.h"
#include "model_data.h"
#include "model_settings.h"

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

template <std::size_t N>
void PrintShape(const std::int32_t (&shape)[N]) {
  for (std::int32_t size : shape) {
    std::printf("%ld ", static_cast<long>(size));
  }
}

}  // namespace

int main() {
  using namespace edgekit;
  static_assert(sizeof(g_model_data) == kModelDataBytes, "length");
  const bool aligned = reinterpret_cast<std::uintptr_t>(g_model_data) % kArenaAlignment == 0;
  std::printf("model %zu %lu %s\n", sizeof(g_model_data),
              static_cast<unsigned long>(Crc32(g_model_data, sizeof(g_model_data))),
              aligned ? "aligned" : "askew");
  std::printf("sha256 %s\n", kModelDataSha256);
  std::printf("prefix %s ", kModelSha256Prefix);
  for (std::uint8_t byte : kModelSha256PrefixBytes) {
    std::printf("%02x", static_cast<unsigned>(byte));
  }
  std::printf("\ngolden %zu %lu %lu\n", kGoldenCount,
              static_cast<unsigned long>(Crc32(g_golden_inputs, kGoldenCount * kGoldenInputBytes)),
              static_cast<unsigned long>(Crc32(g_golden_outputs, kGoldenCount * kGoldenOutputBytes)));
  std::printf("target %s %s %s %s\n", kBoard, kEngine, kKernels, kPlan);
  std::printf("arena %zu %zu %zu %zu %zu %zu\n", kArenaBytes, kArenaAlignment, kArenaPredictedBytes,
              kArenaHeadBytes, kArenaTailBytes, kArenaScratchBytes);
  std::printf("input %s ", kInputType);
  PrintShape(kInputShape);
  std::printf("%zu %lu %ld %ld\n", kInputBytes, static_cast<unsigned long>(Bits(kInputScale)),
              static_cast<long>(kInputZeroPoint), static_cast<long>(kInputOffset));
  std::printf("output %s ", kOutputType);
  PrintShape(kOutputShape);
  std::printf("%zu %lu %ld\n", kOutputBytes, static_cast<unsigned long>(Bits(kOutputScale)),
              static_cast<long>(kOutputZeroPoint));
  std::printf("labels %zu", kLabelCount);
  for (std::size_t i = 0; i < kLabelCount; ++i) {
    std::printf(" ");
    for (const char* c = kLabels[i]; *c != '\0'; ++c) {
      std::printf("%02x", static_cast<unsigned>(static_cast<unsigned char>(*c)));
    }
  }
  std::printf("\n");
  return kLabels[kLabelCount] == nullptr ? 0 : 1;
}
