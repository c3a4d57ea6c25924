// What a sketch sees of the firmware: setup() opens a line and begins, loop() goes on for ever.
#ifndef EDGEKIT_PORTS_ARDUINO_EDGEKIT_H_
#define EDGEKIT_PORTS_ARDUINO_EDGEKIT_H_

#include <Arduino.h>

// The most that the host sends without waiting: what a serial port should be able to receive while an inference runs.
#define EDGEKIT_RECEIVE_BUFFER 1024

// Makes the model ready, tests it with one golden vector, and sends the boot lines. `line` is open and stays so.
void edgekit_begin(Stream &line);

// Answers what has come and does the next piece of work, at most one inference.
void edgekit_poll();

#endif  // EDGEKIT_PORTS_ARDUINO_EDGEKIT_H_
