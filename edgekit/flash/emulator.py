"""QEMU's machines: a program and its data go in, what it writes to its serial line comes out."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from edgekit.errors import InputError, TaskError

if TYPE_CHECKING:
    from edgekit.build.elf import Elf


@dataclass(frozen=True, slots=True)
class Machine:
    """One of QEMU's machines.

    Attributes
    ----------
    name:
        As the port has it (:data:`edgekit.boards.ports.PORTS`).
    program:
        The emulator's program.
    model:
        What it calls the machine.
    options:
        What this machine needs besides.
    icount:
        With ``-icount shift=N`` an instruction takes 2^N ns of virtual time, so that counters count instructions.
    instructions_per_tick:
        Of the counter that the port reads.
    """

    name: str
    program: str
    model: str
    options: tuple[str, ...]
    icount: int
    instructions_per_tick: Fraction

    @property
    def package(self) -> str:
        """Debian's package with the emulator."""
        return "qemu-system-arm" if self.program == "qemu-system-arm" else "qemu-system-misc"


# 64 ns an instruction: 1.6 ticks of a timer at 25 MHz, 1.28 at 20 MHz, 2.048 of a counter at 32 MHz.
_CMSDK: Final = Fraction(5, 8)
_IOTKIT: Final = Fraction(25, 32)
_SSE300: Final = Fraction(125, 256)

MACHINES: Final[Mapping[str, Machine]] = {
    machine.name: machine
    for machine in (
        Machine("mps2-an385", "qemu-system-arm", "mps2-an385", (), 6, _CMSDK),
        Machine("mps2-an386", "qemu-system-arm", "mps2-an386", (), 6, _CMSDK),
        Machine("mps2-an500", "qemu-system-arm", "mps2-an500", (), 6, _CMSDK),
        Machine("mps2-an505", "qemu-system-arm", "mps2-an505", (), 6, _IOTKIT),
        Machine("mps3-an547", "qemu-system-arm", "mps3-an547", (), 6, _SSE300),
        Machine("rv32-virt", "qemu-system-riscv32", "virt", ("-bios", "none"), 0, Fraction(1)),
    )
}


def get_machine(name: str) -> Machine:
    """Return the machine ``name``.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return MACHINES[name]
    except KeyError:
        raise InputError(
            f"edgekit knows no emulated machine {name}.", f"There are {', '.join(MACHINES)}."
        ) from None


def find_emulator(machine: Machine) -> Path:
    """Return the emulator's program.

    Raises
    ------
    TaskError
        If it is not installed; the hint names the package.
    """
    found = shutil.which(machine.program)
    if found is None:
        raise TaskError(
            f"The emulator for {machine.name}, {machine.program}, is not installed.",
            f"Install it: `apt-get install {machine.package}`, or on macOS `brew install qemu`.",
        )
    return Path(found)


def emulator_command(
    machine: Machine, image: Path, serial: str = "stdio", *, reboot: bool = False
) -> list[str]:
    """Return the command that runs ``image``.

    Parameters
    ----------
    machine, image:
        What runs where.
    serial:
        Where its first serial line is: one of QEMU's devices.
    reboot:
        A reset starts the program anew, as on a board; otherwise it ends the emulator.
    """
    return [
        str(find_emulator(machine)),
        "-M",
        machine.model,
        *machine.options,
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        serial,
        "-icount",
        f"shift={machine.icount}",
        # A reset is how a program without an exit ends.
        *(() if reboot else ("-no-reboot",)),
        "-kernel",
        str(image),
    ]


def run_program(
    machine: Machine, program: Elf, data: Mapping[int, bytes] | None = None, timeout: float = 120.0
) -> bytes:
    """Run ``program`` until it ends and return what it wrote to its serial line.

    Parameters
    ----------
    machine:
        Where it runs.
    program:
        The linked program.
    data:
        Address to bytes that are in memory when it starts.
    timeout:
        Seconds after which it is ended.

    Raises
    ------
    TaskError
        If the emulator is missing or fails, or the program does not end in time.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-run-") as name:
        image = Path(name, "program.elf")
        image.write_bytes(program.content)
        command = emulator_command(machine, image)
        for address, content in (data or {}).items():
            file = Path(name, f"{address:08x}.bin")
            file.write_bytes(content)
            command += ["-device", f"loader,file={file},addr={address:#x},force-raw=on"]
        try:
            # subprocess.run() kills the emulator and waits for it in all cases: timeouts, Ctrl-C.
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
        except subprocess.TimeoutExpired as error:
            said = (error.stdout or b"").decode(errors="replace").splitlines()
            raise TaskError(
                f"The program did not end within {timeout:g} s on {machine.name}.",
                "It hangs, or the emulator is slow here: give it more time.",
                said[-10:],
            ) from error
    if done.returncode and not done.stdout:
        raise TaskError(
            f"{machine.program} ended with {done.returncode}.",
            "What it says is below.",
            done.stderr.decode(errors="replace").strip().splitlines()[-10:],
        )
    return done.stdout
