"""The serial protocol, declared once."""
