"""Keras training on a folder of images."""
