"""The bare-metal ports in ``firmware/ports/``: which sources and which linker script a machine takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edgekit.errors import InputError
from edgekit.resources import resource_dir


@dataclass(frozen=True, slots=True)
class Port:
    """The port to one machine.

    Attributes
    ----------
    machine:
        Its name; that of the board profile where there is one.
    core:
        Name in :data:`edgekit.boards.cores.CORES`.
    folder:
        Below ``firmware/ports/``.
    script:
        The linker script in that folder.
    defines:
        Preprocessor definitions that tell its machines apart.
    """

    machine: str
    core: str
    folder: str
    script: str
    defines: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The port's folder."""
        return resource_dir("firmware") / "ports" / self.folder

    @property
    def sources(self) -> tuple[Path, ...]:
        """The port's C sources, sorted by name."""
        return tuple(sorted(self.path.glob("*.c")))


PORTS: Final[Mapping[str, Port]] = {
    port.machine: port
    for port in (
        Port("mps2-an385", "cortex-m3", "mps2", "mps2.ld"),
        Port("mps2-an386", "cortex-m4f", "mps2", "mps2.ld"),
        Port("mps2-an500", "cortex-m7", "mps2", "mps2.ld"),
        Port("mps2-an505", "cortex-m33", "mps2", "an505.ld", ("EK_MPS2_AN505",)),
        Port("mps3-an547", "cortex-m55", "mps2", "an547.ld", ("EK_MPS3_AN547",)),
        Port("rv32-virt", "rv32imac", "rv32_virt", "virt.ld"),
    )
}


def get_port(machine: str) -> Port:
    """Return the port to ``machine``.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return PORTS[machine]
    except KeyError:
        raise InputError(
            f"edgekit has no bare-metal port for {machine}.", f"There are {', '.join(PORTS)}."
        ) from None
