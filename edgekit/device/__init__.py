"""The device's side of the serial protocol: a state machine over an inference engine."""

from edgekit.device.engine import Engine, EngineError, Settings
from edgekit.device.machine import Device

__all__ = ["Device", "Engine", "EngineError", "Settings"]
