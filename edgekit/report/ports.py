"""What is connected, for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from edgekit.flash.survey import Connected


def print_ports(connected: Connected, console: Console) -> None:
    """Print ``connected``."""
    if not connected.ports and not connected.boot_loaders:
        console.print("No serial port and no boot loader is here.")
    asked = any(port.answer is not None for port in connected.ports)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Port", "USB id", "Serial number", "Product", "May be", *(("Answer",) if asked else ())):
        table.add_column(title, overflow="fold")
    for port in connected.ports:
        cells = (
            port.port,
            port.usb_id or "-",
            port.serial_number or "-",
            port.product or "-",
            ", ".join(port.boards) or "-",
            *((port.answer or "-",) if asked else ()),
        )
        table.add_row(*(Text(cell) for cell in cells))
    if connected.ports:
        console.print(table)
    for loader in connected.boot_loaders:
        boards = f": {', '.join(loader.boards)}" if loader.boards else ""
        console.print(Text(f"{loader.drive or loader.usb_id}: {loader.what}{boards}"))
