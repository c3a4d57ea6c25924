// Records what instrumented kernels do to memory, in order.
//
// The kernels are compiled with -fsanitize=thread, which announces every access to memory that others could see by a
// call to __tsan_readN or __tsan_writeN, and with memcpy, memmove and memset renamed to the ones below. This file takes
// the place of the thread sanitizer's own runtime.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GUARD 256  // bytes on both sides of a region that nobody may touch

enum { INPUT, OUTPUT, SCRATCH, REGIONS };

enum {
  OUTSIDE = 1,
  INPUT_WRITTEN = 2,
  OUTPUT_READ_BEFORE_WRITTEN = 4,
  SCRATCH_READ_BEFORE_WRITTEN = 8,
  OUTPUT_NOT_WRITTEN = 16,
  OVERLAPPING_MEMCPY = 32,
  OUT_OF_MEMORY = 64
};

typedef struct {
  int32_t offset;
  int32_t size;  // negative for a read of the input, positive for a write of the output
} event;

typedef struct {
  int64_t lead;
  uint32_t faults;
  uint32_t reads, writes;
} trace_result;

static struct {
  uintptr_t start;
  size_t size;
  uint8_t *written;
} regions[REGIONS];
static event *events;
static size_t event_count, event_room;
static uint32_t faults;
static int recording;

static void record(int32_t offset, int32_t size) {
  if (event_count == event_room) {
    const size_t room = event_room ? 2 * event_room : 1 << 16;
    event *larger = realloc(events, room * sizeof *events);
    if (!larger) {
      faults |= OUT_OF_MEMORY;
      return;
    }
    events = larger;
    event_room = room;
  }
  events[event_count].offset = offset;
  events[event_count++].size = size;
}

static int region_of(const void *p, size_t size) {
  const uintptr_t start = (uintptr_t)p;
  for (int i = 0; i < REGIONS; ++i) {
    if (start + size + GUARD <= regions[i].start || start >= regions[i].start + regions[i].size + GUARD) continue;
    if (start >= regions[i].start && start + size <= regions[i].start + regions[i].size) return i;
    faults |= OUTSIDE;
  }
  return REGIONS;
}

static void accessed(const void *p, size_t size, int is_write) {
  if (!recording || size == 0) return;
  const int region = region_of(p, size);
  if (region == REGIONS) return;
  const size_t offset = (size_t)((uintptr_t)p - regions[region].start);
  if (region == INPUT) {
    if (is_write) faults |= INPUT_WRITTEN;
    record((int32_t)offset, -(int32_t)size);
  } else if (is_write) {
    memset(regions[region].written + offset, 1, size);
    if (region == OUTPUT) record((int32_t)offset, (int32_t)size);
  } else if (memchr(regions[region].written + offset, 0, size)) {
    faults |= region == OUTPUT ? OUTPUT_READ_BEFORE_WRITTEN : SCRATCH_READ_BEFORE_WRITTEN;
  }
}

static void set_region(int i, const void *start, size_t size) {
  regions[i].start = (uintptr_t)start;
  regions[i].size = size;
  free(regions[i].written);
  regions[i].written = calloc(size + 1, 1);
  if (!regions[i].written) abort();
}

void trace_begin(const void *in, size_t in_size, const void *out, size_t out_size, const void *scratch,
                 size_t scratch_size) {
  set_region(INPUT, in, in_size);
  set_region(OUTPUT, out, out_size);
  set_region(SCRATCH, scratch, scratch_size);
  event_count = 0;
  faults = 0;
  recording = 1;
}

// The smallest lead for which no write of the output meets a byte of the input that is read later.
trace_result trace_end(void) {
  recording = 0;
  trace_result result = {-(int64_t)regions[INPUT].size, 0, 0, 0};
  int64_t lowest_read = INT64_MAX;
  for (size_t i = event_count; i-- > 0;) {
    const event e = events[i];
    if (e.size < 0) {
      ++result.reads;
      if (e.offset < lowest_read) lowest_read = e.offset;
    } else {
      ++result.writes;
      if (lowest_read != INT64_MAX && e.offset + e.size - lowest_read > result.lead) {
        result.lead = e.offset + e.size - lowest_read;
      }
    }
  }
  if (memchr(regions[OUTPUT].written, 0, regions[OUTPUT].size)) faults |= OUTPUT_NOT_WRITTEN;
  result.faults = faults;
  return result;
}

void *trace_memmove(void *to, const void *from, size_t size) {
  accessed(from, size, 0);
  accessed(to, size, 1);
  return memmove(to, from, size);
}

void *trace_memcpy(void *to, const void *from, size_t size) {
  if (recording && size && region_of(from, size) == INPUT && region_of(to, size) == OUTPUT)
    faults |= OVERLAPPING_MEMCPY;
  return trace_memmove(to, from, size);
}

void *trace_memset(void *to, int value, size_t size) {
  accessed(to, size, 1);
  return memset(to, value, size);
}

#define ACCESS(n)                                               \
  void __tsan_read##n(void *p) { accessed(p, n, 0); }           \
  void __tsan_write##n(void *p) { accessed(p, n, 1); }          \
  void __tsan_unaligned_read##n(void *p) { accessed(p, n, 0); } \
  void __tsan_unaligned_write##n(void *p) { accessed(p, n, 1); }

ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void __tsan_read_range(void *p, size_t size) { accessed(p, size, 0); }

void __tsan_write_range(void *p, size_t size) { accessed(p, size, 1); }

void __tsan_init(void) {}

void __tsan_func_entry(void *caller) { (void)caller; }

void __tsan_func_exit(void) {}
