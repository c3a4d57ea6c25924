"""What is connected to this computer: ports, the boards that may be behind them, boot loaders; for `edgekit ports`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field

from edgekit.boards.profile import BoardProfile
from edgekit.doctor.boot import BOOT_LOADERS
from edgekit.doctor.system import System, is_usb_id_of, usb_devices
from edgekit.documents import Document, Part
from edgekit.errors import EdgekitError
from edgekit.flash import ports, uf2
from edgekit.flash.identity import Ask
from edgekit.flash.ports import PortInfo, accessible, boards_at
from edgekit.flash.record import CheckedIdentity
from edgekit.wire.declaration import BAUD

_ASK_S = 3.0


class ConnectedPort(Part):
    """A serial port.

    Attributes
    ----------
    boards:
        Names of those that may be behind it, by its USB ids.
    accessible:
        Whether this user may open it.
    answer:
        What came back when it was asked, in a few words; ``None`` if it was not asked.
    identity:
        Who it said it is; ``None`` if it was not asked, or no firmware of edgekit's answered.
    """

    port: str
    usb_id: str | None
    serial_number: str | None
    location: str | None
    product: str
    boards: tuple[str, ...]
    accessible: bool
    answer: str | None = None
    identity: CheckedIdentity | None = None


class BootLoader(Part):
    """A board in its boot loader.

    Attributes
    ----------
    usb_id:
        Of the boot loader; ``None`` where it was found by its drive.
    drive:
        Where the drive that takes UF2 files is mounted; ``None`` where it was found by its USB id.
    what:
        Which boot loader that is, in words.
    boards:
        Names of those that may be it.
    """

    usb_id: str | None
    drive: str | None
    what: str
    boards: tuple[str, ...]


class Connected(Document):
    """What is connected."""

    schema_: Literal["edgekit.ports/1"] = Field("edgekit.ports/1", alias="schema")
    ports: tuple[ConnectedPort, ...]
    boot_loaders: tuple[BootLoader, ...]


def survey(boards: Sequence[BoardProfile], ask: Ask | None = None) -> Connected:
    """Return what is connected.

    Parameters
    ----------
    boards:
        Those that are known.
    ask:
        Asks each port on USB who is there, for which it is opened: some boards restart then. ``None`` opens nothing.
    """
    return Connected(
        ports=tuple(_port(port, boards, ask) for port in ports.list_ports()),
        boot_loaders=(*_on_usb(boards), *_drives(boards)),
    )


def _on_usb(boards: Sequence[BoardProfile]) -> Iterator[BootLoader]:
    for device in usb_devices(System()):
        if (what := BOOT_LOADERS.get(device.usb_id)) is not None:
            names = tuple(board.name for board in boards if is_usb_id_of(device.usb_id, board))
            yield BootLoader(usb_id=device.usb_id, drive=None, what=what, boards=names)


def _drives(boards: Sequence[BoardProfile]) -> Iterator[BootLoader]:
    for drive in uf2.find_drives():
        names = tuple(board.name for board in boards if board.mcu.upper().startswith(drive.chip))
        what = f"the drive of an {drive.chip}'s boot loader, which waits for a UF2 file"
        yield BootLoader(usb_id=None, drive=str(drive.path), what=what, boards=names)


def _port(port: PortInfo, boards: Sequence[BoardProfile], ask: Ask | None) -> ConnectedPort:
    answer: str | None = None
    identity: CheckedIdentity | None = None
    if ask is not None and port.usb_id is not None:
        try:
            found = ask(port.device, BAUD, _ASK_S)
            answer = str(found)
            identity = CheckedIdentity.of(found.identity) if found.identity is not None else None
        except EdgekitError as error:
            answer = error.message
    return ConnectedPort(
        port=port.device,
        usb_id=port.usb_id,
        serial_number=port.serial_number,
        location=port.location,
        product=port.product,
        boards=boards_at(port, boards),
        accessible=accessible(port.device),
        answer=answer,
        identity=identity,
    )
