"""Reading, checking and rewriting ``.tflite`` files, and the interpreters of the host."""
