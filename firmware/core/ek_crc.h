// CRC-32 as zlib and Ethernet have it.
#ifndef EDGEKIT_CORE_EK_CRC_H_
#define EDGEKIT_CORE_EK_CRC_H_

#include <stddef.h>
#include <stdint.h>

// The CRC of what `crc` is the CRC of, followed by `bytes`; 0 is the CRC of nothing.
uint32_t ek_crc32(uint32_t crc, const void *bytes, size_t size);

#endif  // EDGEKIT_CORE_EK_CRC_H_
