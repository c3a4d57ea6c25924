"""Putting firmware onto boards: how long it takes to say what would be done, and what is connected."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from bench_process import RUNS, measure_processes
from bench_rows import Row, make_console, print_rows
from bench_vww import MODELS, ROOT, vww
from rich.console import Console

from edgekit.cli.main import show_error
from edgekit.errors import EdgekitError

sys.path.insert(0, str(ROOT / "tests"))

from silicon import Images, silicon_folder

LIMIT_S = 0.5
SETTINGS = {"chip": "esp32s3", "mode": "dio", "freq": "80m", "size": "8MB"}
IMAGES: Images = {
    "bootloader.bin": (b"b", 0),
    "partition-table.bin": (b"p", 0x8000),
    "app.bin": (b"a", 0x10000),
}


def flash_rows(models: Path) -> Iterator[Row]:
    """Time the commands that touch nothing, as a user starts them; esptool is asked its version within."""
    name, model = vww(models)
    edgekit = str(Path(sys.executable).with_name("edgekit"))
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as place:
        folder = Path(place, "build")
        with redirect_stderr(StringIO()):  # what it says of the model is said elsewhere
            silicon_folder(model, folder, "esp32s3", lambda _: IMAGES, **SETTINGS)
        commands = {
            "edgekit flash --dry-run": [edgekit, "flash", "--dry-run", "--build", str(folder)],
            "edgekit ports": [edgekit, "ports"],
        }
        notes = (f"{name} on esp32s3, aot, with esptool", "nothing is opened")
        for (command, cost), note in zip(measure_processes(commands).items(), notes, strict=True):
            yield Row(
                command,
                f"< {LIMIT_S:g} s",
                f"{cost.median:.3f} s",
                cost.median < LIMIT_S,
                f"median of {RUNS}, min {min(cost.seconds):.3f} s; {note}",
            )


def flash_section(console: Console, models: Path) -> list[Row]:
    """Print the table and return its rows."""
    return print_rows(console, "Flashing: what would be done, and what is connected", flash_rows(models))


if __name__ == "__main__":
    try:
        sys.exit(any(row.met is False for row in flash_section(make_console(), MODELS)))
    except EdgekitError as error:
        show_error(error)
        sys.exit(1)
