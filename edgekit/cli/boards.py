"""``edgekit boards``: list the boards, or show one with its sources."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from edgekit.boards.catalog import load_catalog
from edgekit.boards.kernels import KERNEL_TITLES
from edgekit.boards.profile import BoardProfile
from edgekit.cli.params import BOARD, boards_dir_option
from edgekit.units import format_ms, format_size

SCHEMA: Final = "edgekit.boards/1"
_PIPE_WIDTH: Final = 160
"""Columns where the output is not a terminal, whose width would then be a guess."""


@click.command("boards")
@click.argument("board", type=BOARD, required=False, metavar="[NAME]")
@boards_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout.")
def command(board: BoardProfile | None, boards_dir: tuple[Path, ...], as_json: bool) -> None:
    """List the boards, or show the board NAME with its memory regions and sources."""
    boards = [board] if board else list(load_catalog(boards_dir).values())
    if as_json:
        document = {"schema": SCHEMA, "boards": [board_document(one) for one in boards]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    elif board:
        _show(board)
    else:
        _list(boards)


def board_document(board: BoardProfile) -> dict[str, Any]:
    """Return ``board`` for JSON: the whole profile, and what is left for arena and image."""
    return {**board.model_dump(mode="json"), "ram_bytes": board.ram_bytes, "flash_bytes": board.flash_bytes}


def _list(boards: Iterable[BoardProfile]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, right in (
        ("Board", False),
        ("MCU", False),
        ("Core", False),
        ("MHz", True),
        ("Arena RAM", True),
        ("Flash", True),
        ("Kernels", False),
        ("SDK", False),
        ("Flash method", False),
        ("", False),
    ):
        table.add_column(title, justify="right" if right else "left", overflow="fold")
    for board in boards:
        table.add_row(
            board.name,
            board.mcu,
            board.core,
            str(board.clock_mhz),
            format_size(board.ram_bytes),
            format_size(board.flash_bytes),
            ", ".join(board.kernels),
            board.sdk.framework,
            board.flash_method,
            _mark(board),
        )
    console = _console()
    console.print(table)
    console.print(
        "\nRAM and flash are what the SDK leaves; `edgekit boards NAME` says how that was got.", style="dim"
    )


def _show(board: BoardProfile) -> None:
    from rich.padding import Padding
    from rich.table import Table

    console = _console()
    console.print(f"{board.name}  {board.title}", style="bold")
    facts = Table(box=None, pad_edge=False, show_header=False)
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for key, value in (
        ("Aliases", ", ".join(board.aliases)),
        ("MCU", f"{board.mcu}, {board.core} at {board.clock_mhz} MHz, SIMD: {board.simd}"),
        ("Kind", _mark(board)),
        ("Kernels", "\n".join(f"{name}: {KERNEL_TITLES[name]}" for name in board.kernels)),
        ("SDK", f"{board.sdk.name} ({board.sdk.framework})"),
        ("TFLite Micro", f"{board.sdk.tflm_package}: {board.sdk.tflm_release} ({board.sdk.tflm_source})"),
        ("Flash method", board.flash_method),
        ("USB ids", ", ".join(board.usb_ids)),
        (
            "Limits",
            f"arena {format_size(board.ram_bytes)}, image {format_size(board.flash_bytes)}, "
            f"latency {format_ms(board.limits.latency_ms)}",
        ),
    ):
        if value:
            facts.add_row(key, value)
    console.print(Padding(facts, (0, 0, 1, 0)))
    for region in board.memory:
        use = " (tensor arena)" if region.arena else " (image)" if region is board.flash_region else ""
        console.print(f"Memory {region.name}, {region.kind}{use}", style="bold")
        console.print(Padding(f"total     {region.total:>13,} B  {region.source}", (0, 2)))
        console.print(Padding(f"reserved  {region.reserved:>13,} B  {region.reserved_why}".rstrip(), (0, 2)))
        console.print(Padding(f"left      {region.available:>13,} B", (0, 2)))
    for title, lines in (("Sources", board.sources), ("Not verified", board.unverified)):
        if lines:
            console.print(f"\n{title}", style="bold")
            for line in lines:
                console.print(Padding(f"- {line}", (0, 2)))


def _mark(board: BoardProfile) -> str:
    return "emulated" if board.emulated else "Linux" if board.linux else ""


def _console() -> Any:
    from rich.console import Console

    # Profiles are text from files: no markup in them is meant for rich.
    return Console(
        width=None if sys.stdout.isatty() else _PIPE_WIDTH, markup=False, highlight=False, emoji=False
    )
