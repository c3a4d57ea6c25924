"""The record of what was put onto a board, flash.json, by which bench and monitor find it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from edgekit.boards.profile import DeviceMethod
from edgekit.codegen.record import Sha256
from edgekit.documents import Document, Part
from edgekit.errors import InputError
from edgekit.wire.declaration import Identity

FLASH_FILE: Final = "flash.json"
"""Name of the record in a build folder."""
FLASH_LOG: Final = "flash.log"


class FlashRecord(Document):
    """What every record says; those of one kind of board add to it, ``method`` among it.

    Attributes
    ----------
    board:
        Name of its profile.
    port:
        Where its line is: what ``edgekit bench --port`` takes. ``None`` as long as it is not ready.
    image_sha256:
        Of the image that it runs.
    started:
        When, in ISO 8601, UTC.
    """

    schema_: Literal["edgekit.flash/1"] = Field("edgekit.flash/1", alias="schema")
    board: str
    port: str | None
    image_sha256: Sha256
    started: str
    edgekit_version: str


class EmulatorRecord(FlashRecord):
    """An emulator that runs a board's firmware.

    Attributes
    ----------
    pid:
        Its process.
    identity:
        When that was started and what it runs: a process with the same number but another identity is another.
    emulator:
        The emulator's program.
    machine:
        The board that it emulates.
    """

    method: Literal["qemu"] = "qemu"
    pid: Annotated[int, Field(gt=1)]
    identity: str
    emulator: str
    machine: str


class CheckedIdentity(Part):
    """What the board said of itself after it was flashed; ``model_sha256`` are the first digits."""

    board: str
    engine: str
    kernels: str
    plan: str
    build: str
    model_sha256: str

    @classmethod
    def of(cls, identity: Identity) -> CheckedIdentity:
        """Return what is kept of ``identity``."""
        return cls(
            board=identity.board,
            engine=identity.engine,
            kernels=identity.kernels,
            plan=identity.plan,
            build=identity.build,
            model_sha256=identity.model_sha256.hex(),
        )


class DeviceRecord(FlashRecord):
    """A board of silicon that an image was put onto.

    Attributes
    ----------
    method:
        By which tool.
    usb_id, serial_number:
        Of the USB device behind ``port``, by which it is found when it has another name; ``None`` where it has none.
    commands:
        What was done, each a line for a shell.
    identity:
        What it said afterwards.
    """

    method: Literal[DeviceMethod, "platformio"]
    usb_id: str | None
    serial_number: str | None
    commands: tuple[str, ...]
    identity: CheckedIdentity


class AgentRecord(FlashRecord):
    """A Linux board on which an agent was installed and started.

    Attributes
    ----------
    target:
        How ssh reaches it; ``port`` is the way through ssh to the agent.
    agent_port:
        Where the agent listens on the board's loopback.
    engine, kernels, plan:
        What it said of itself: interpreter, kernels, machine and threads.
    """

    method: Literal["ssh"] = "ssh"
    target: str
    agent_port: Annotated[int, Field(gt=0, lt=65_536)]
    engine: str
    kernels: str
    plan: str


AnyRecord = Annotated[EmulatorRecord | DeviceRecord | AgentRecord, Field(discriminator="method")]
"""One of the records, told apart by ``method``."""

_RECORD: Final[TypeAdapter[AnyRecord]] = TypeAdapter(AnyRecord)


def load_flash(folder: Path) -> AnyRecord | None:
    """Return the record in ``folder``, or ``None`` if there is none.

    Raises
    ------
    InputError
        If it is damaged.
    """
    path = folder / FLASH_FILE
    try:
        return _RECORD.validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise InputError(
            f"{path} is damaged, so it is not known which board it tells of.",
            f"If an emulator of it runs (`ps`), end it; then delete {path} and flash again.",
        ) from error
