"""Everything that is looked at for a board, a build folder and a port."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

import serial
from pydantic import Field

from edgekit import __version__
from edgekit.boards.profile import BoardProfile
from edgekit.build.drivers import Request, driver_of
from edgekit.build.record import last_build, load_build
from edgekit.codegen.record import load_project
from edgekit.doctor.boot import check_boot_loaders, check_rom_loader
from edgekit.doctor.explain import examine_port
from edgekit.doctor.finding import Finding, note, problem
from edgekit.doctor.firmware import check_firmware, load_image
from edgekit.doctor.meddlers import BRIDGES, check_bridges, check_brltty, check_modem_manager
from edgekit.doctor.ports import is_device
from edgekit.doctor.system import System, usb_device_of, usb_devices
from edgekit.doctor.toolchains import check_toolchains
from edgekit.doctor.udev import check_raw_usb
from edgekit.documents import Document
from edgekit.errors import EdgekitError, InputError

_BAUD = 115_200
_ESPRESSIF = "303A:"
"""Vendor of ESP32s with USB on the chip."""


class DoctorRecord(Document):
    """What was found.

    Attributes
    ----------
    board, build, port:
        What was looked at; ``None`` where nothing was named.
    findings:
        In the order of the checks.
    ok:
        Whether there is no problem; warnings are none.
    """

    schema_: Literal["edgekit.doctor/1"] = Field("edgekit.doctor/1", alias="schema")
    board: str | None
    build: str | None
    port: str | None
    findings: tuple[Finding, ...]
    ok: bool
    edgekit_version: str


def examine(
    board: BoardProfile | None, folder: Path | None, port: str | None, system: System | None = None
) -> DoctorRecord:
    """Return what is found on this computer for a board, a build folder and a port.

    Parameters
    ----------
    board:
        The board; what it needs is looked for, or of everything what is there.
    folder:
        A build folder whose image is looked at.
    port:
        A port that is looked at, and asked what is at it.
    system:
        The computer; this one unless given.

    Raises
    ------
    InputError
        If ``folder`` is no build folder.
    """
    computer = system or System()
    request = Request(folder, load_project(folder)) if folder is not None else None
    findings = check_toolchains(board, request)
    findings += check_raw_usb(computer, board)
    findings += _ports(computer, port)
    findings += check_boot_loaders(computer, board)
    if (
        port is not None
        and is_device(port)
        and not any(f.level == "problem" for f in findings if _of_port(f))
    ):
        findings += _asked(computer, port, board)
    if request is not None and request.project.framework != "linux":
        if not any(finding.level == "problem" for finding in findings if finding.check.startswith("tool.")):
            findings += check_ready(request)
        findings += examine_build(request.folder)
    return DoctorRecord(
        board=board.name if board else None,
        build=str(folder) if folder else None,
        port=port,
        findings=tuple(findings),
        ok=not any(finding.level == "problem" for finding in findings),
        edgekit_version=__version__,
    )


def _of_port(finding: Finding) -> bool:
    return finding.check.startswith("port.")


def _ports(system: System, port: str | None) -> list[Finding]:
    """Return the findings on a port, or on all that are at the USB."""
    if port is not None:
        if is_device(port):
            return examine_port(system, port)
        what = f"{port or 'The port that is named'} is no device below /dev, so nothing of it was looked at."
        return [note("port.there", what)]
    findings = [*check_bridges(system), check_brltty(system), check_modem_manager(system, None)]
    ports = [f"/dev/{name}" for device in usb_devices(system) for name in device.ttys]
    for name in ports:
        findings += [
            finding for finding in examine_port(system, name) if finding.check != "port.modemmanager"
        ]
    if not ports:
        findings.append(note("port.there", "No serial port is connected to the USB."))
    return findings


def _asked(system: System, port: str, board: BoardProfile | None) -> list[Finding]:
    """Return what a chip at the port says of its boot mode; only ESP32s can be asked, and nothing else is opened."""
    device = usb_device_of(system, port)
    may_be_one = device is not None and (device.usb_id in BRIDGES or device.usb_id.startswith(_ESPRESSIF))
    is_one = board.flash_method == "esptool" if board is not None else may_be_one
    if not is_one:
        return []
    try:
        with serial.Serial(timeout=0.05, baudrate=_BAUD) as line:
            line.port = port
            # As the kernel sets them anyway. On most boards they are wired to the chip's reset and boot pin by two
            # transistors, and equal levels leave it alone; to lower one after the other would reset it.
            line.dtr = line.rts = True
            line.open()
            return [check_rom_loader(line, port)]
    except (OSError, serial.SerialException) as error:
        return [problem("port.open", f"{port} cannot be opened.", str(error), "See the other findings.")]


def check_ready(request: Request) -> list[Finding]:
    """Return what `edgekit build` would say of a folder that is not built, such as a library that nobody has named."""
    folder = request.folder
    if load_build(folder) is not None:
        return []
    try:
        driver_of(request.project).plan(request)
    except EdgekitError as error:
        return [problem("build.ready", error.message, str(folder), error.hint)]
    except OSError as error:
        return [problem("build.ready", f"{folder} cannot be read.", str(error), "Check its permissions.")]
    return []


def examine_build(folder: Path) -> list[Finding]:
    """Return the findings on what was built in ``folder``.

    Raises
    ------
    InputError
        If it is no build folder.
    """
    project = load_project(folder)
    record = last_build(folder)
    build = shlex.join(["edgekit", "build", "--build", str(folder)])
    if record is None:
        return [note("build.there", f"Nothing was built in {folder} yet.", fix=f"`{build}`.")]
    try:
        findings = check_firmware(load_image(folder, record.image.file, project))
    except (OSError, InputError) as error:
        what = f"The image {folder / record.image.file} cannot be read."
        return [problem("build.image", what, str(error), f"`{build}` makes it anew.")]
    if load_build(folder) is None:
        findings.append(
            note(
                "build.current",
                "Sources or image are not what they were when the image was built.",
                str(folder),
                f"`{build}`; `edgekit flash` does that by itself.",
            )
        )
    return findings
