"""The command line: one thin module a command, imported when it is used."""

from edgekit.cli.main import main

__all__ = ["main"]
