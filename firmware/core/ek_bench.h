// The bench runner: the device's side of the serial protocol (docs/protocol.md) over the engine and the port.
#ifndef EDGEKIT_CORE_EK_BENCH_H_
#define EDGEKIT_CORE_EK_BENCH_H_

#ifdef __cplusplus
extern "C" {
#endif

// Makes the model ready, tests it with one golden vector and sends the boot lines. Calling it again is a reset.
void ek_bench_start(void);

// Answers what has come and does the next piece of work, at most one inference; to be called for ever.
void ek_bench_poll(void);

#ifdef __cplusplus
}
#endif

#endif  // EDGEKIT_CORE_EK_BENCH_H_
