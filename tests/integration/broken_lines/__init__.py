"""Ports for tests: ``flip://MODEL`` is ``host://MODEL`` with one bit of every output wrong."""
