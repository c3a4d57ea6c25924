// How the kernels are optimized and where the model's data lie, for builds that have no flags to say it with: an Arduino
// library is compiled with the flags of the board's core.
#ifndef EDGEKIT_AOT_EK_PLACE_H_
#define EDGEKIT_AOT_EK_PLACE_H_

#if defined(ARDUINO)

// What the project was made with beyond the usual; only there when there is something.
#if defined(__has_include)
#if __has_include("edgekit_options.h")
#include "edgekit_options.h"
#endif
#endif

// Most cores compile with -Os.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")
#endif

// A Teensy copies constants into the RAM that code and stack are in, unless they are in this section of the flash. The
// arena goes into the other half of the RAM.
#if defined(TEENSYDUINO)
#define EK_CONSTANT_SECTION __attribute__((section(".progmem.edgekit")))
#define EK_ARENA_SECTION __attribute__((section(".dmabuffers")))
#endif

#endif  // ARDUINO

#ifndef EK_CONSTANT_SECTION
#define EK_CONSTANT_SECTION
#endif

#endif  // EDGEKIT_AOT_EK_PLACE_H_
