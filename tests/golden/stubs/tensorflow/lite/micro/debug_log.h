// Stands in for TFLite Micro's header of this name, see micro_mutable_op_resolver.h beside it.
#ifndef EDGEKIT_TEST_STUB_DEBUG_LOG_H_
#define EDGEKIT_TEST_STUB_DEBUG_LOG_H_

#include <stdarg.h>
#include <stddef.h>

extern "C" {
void DebugLog(const char* format, va_list args);
int DebugVsnprintf(char* buffer, size_t buf_size, const char* format, va_list vlist);
}

#endif  // EDGEKIT_TEST_STUB_DEBUG_LOG_H_
