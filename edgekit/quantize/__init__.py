"""Post-training quantization to int8, and how much accuracy it costs."""
