"""The ``edgekit`` group: finds commands by name, imports them late, and turns errors into two clear sentences."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

import click

from edgekit import __version__
from edgekit.errors import EdgekitError

_COMMANDS: Final = {
    "fit": "Choose the largest MobileNet that fits a board, train it, and write its firmware sources.",
    "build": "Build the firmware in a build folder, and hold its size to the board's limits.",
    "flash": "Put the firmware onto the board and check that it runs there; start an emulated board with it.",
    "ports": "List the serial ports that are here, and the boards that may be behind them.",
    "monitor": "Show what the device says on its line.",
    "bench": "Run the model on a device and compare it with the host, bit for bit.",
    "doctor": "Look for what is wrong with tools, permissions, ports and images, and say what to do.",
    "agent": "Answer as a board does, on a Linux board, with its TFLite interpreter.",
    "convert": "Quantize a Keras model or a float .tflite to int8.",
    "export": "Write the firmware sources for a finished int8 .tflite.",
    "calibration": "Show, share and forget what was measured on boards, which estimates of latency use.",
    "inspect": "Show what a .tflite needs: operators, arena, flash, and whether it fits a board.",
    "plan": "Write a .tflite anew with a memory plan: the same outputs in a smaller arena.",
    "models": "List the MobileNet family with Mult-Adds and parameters.",
    "boards": "List the boards, or show one with its sources.",
}
"""Name and one-line help of every command; the code is in the module of the same name."""


class _LazyGroup(click.Group):
    """A group whose commands are imported only when they run; ``--help`` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"edgekit.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(
    cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(__version__, prog_name="edgekit")
def cli() -> None:
    """Put the best MobileNet a board can hold onto that board, and prove it."""


def main() -> None:
    """Run the command line and exit: 0 done, 1 could not be done, 2 the user's input, 130 interrupted."""
    sys.exit(run())


def run(args: list[str] | None = None, **extra: Any) -> int:
    """Run the command line with ``args`` and return the exit status."""
    try:
        result = cli.main(args=args, prog_name="edgekit", standalone_mode=False, **extra)
        return result if isinstance(result, int) else 0
    except EdgekitError as error:
        show_error(error)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt) as error:
        # click makes an Abort of what Ctrl-C raises; a command may have said what it leaves behind.
        said = str(error.__cause__ or error)
        click.echo(said or "Interrupted; nothing half-written was left behind.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def show_error(error: EdgekitError) -> None:
    """Print what is wrong and what to do, to stderr."""
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {error.message}", err=True)
    if error.hint:
        click.echo(f"  {click.style('Try:', bold=True)} {error.hint}", err=True)
    for line in error.details:
        click.echo(f"    {line}", err=True)
