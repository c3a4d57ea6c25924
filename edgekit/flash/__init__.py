"""Flashers, port discovery, emulators."""
