"""Toolchains and firmware images."""
