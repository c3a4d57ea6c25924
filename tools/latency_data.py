"""Published timings and counted instructions, read from ``tools/latency/*.csv`` as observations for the fit."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, cast

from latency_networks import MCUNET, Works, mult_adds, network

from edgekit.boards.catalog import get_board
from edgekit.errors import InputError
from edgekit.latency.work import OpClass, OpWork

FOLDER: Final = Path(__file__).with_name("latency")

MOBILENETS: Final = ("vww", "person_detect", "kws", "v1_", "v2_", "mcunet-")
"""Names of networks of depthwise separable convolutions begin so."""

Kind = Literal["network", "operator", "instructions"]

# Standard deviations of the logarithm of an observation about the model: what three costs for each class of operators
# cannot say. A single operator's shape matters more than a network's, in which such errors average out.
_NOISE: Final[Mapping[Kind, float]] = {"network": 0.10, "operator": 0.15, "instructions": 0.12}
_SMALL_OPERATOR: Final = 0.4
_STAND_IN: Final = 0.25
_TINY: Final = ("copy", "softmax", "pool")


@dataclass(frozen=True)
class Observation:
    """One measured or counted figure.

    Attributes
    ----------
    name:
        Row of the file, for people.
    kind:
        A whole network's cycles, a single operator's, or instructions counted in an emulator.
    board, core, library:
        Where; ``board`` is empty for an emulator.
    works:
        The operators.
    amount:
        Cycles of the wall clock, or instructions.
    noise:
        Standard deviation of its logarithm about the model.
    threads:
        Threads at work.
    checks:
        Whether the debug checks of the reference kernels were compiled in.
    cache:
        Bytes of the cache that weights are read through, 0 where they lie in memory.
    network:
        Name of the network; empty for operators.
    ms:
        Published time, for whole networks.
    clock_mhz:
        Clock that the time was turned into cycles with.
    use:
        ``fit``, or ``shape`` where only the proportions between rows of a board count.
    source, note:
        Where it is from, and what a reader has to know.
    """

    name: str
    kind: Kind
    board: str
    core: str
    library: str
    works: Works
    amount: float
    noise: float
    threads: int = 1
    checks: bool = False
    cache: int = 0
    network: str = ""
    ms: float = 0.0
    clock_mhz: float = 0.0
    use: str = "fit"
    source: str = ""
    note: str = ""

    @property
    def stands_in(self) -> bool:
        """Whether the operators are those of another network of the same size."""
        return self.network.startswith("mcunet-")

    @property
    def mobilenet(self) -> bool:
        """Whether it is a whole network of depthwise separable convolutions."""
        return self.kind == "network" and self.network.startswith(MOBILENETS)


def load_observations() -> tuple[Observation, ...]:
    """Return all observations but those that are known to be bad."""
    return (*_networks("fit", "shape"), *_operators(), *_instructions())


def bad_rows() -> tuple[Observation, ...]:
    """Return the rows that are left out, each with the reason as its note."""
    return tuple(_networks("bad"))


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (FOLDER / name).open(newline="") as file:
        yield from csv.DictReader(file)


def _networks(*uses: str) -> Iterator[Observation]:
    for row in _rows("networks.csv"):
        if row["use"] not in uses:
            continue
        clock, ms = float(row["clock_mhz"]), float(row["ms"])
        works = network(row["network"])
        stands_in = row["network"].startswith("mcunet-")
        if stands_in:
            wanted = MCUNET[row["network"].removeprefix("mcunet-")] * 1e6
            works = _scaled(works, wanted / mult_adds(works))
        yield Observation(
            name=row["id"],
            kind="network",
            board=row["board"],
            core=row["core"],
            library=row["library"],
            works=works,
            amount=ms * clock * 1000,
            noise=_STAND_IN if stands_in else _NOISE["network"],
            threads=int(row["threads"]),
            checks=row["checks"] == "yes",
            cache=weight_cache(row["board"]),
            network=row["network"],
            ms=ms,
            clock_mhz=clock,
            use=row["use"],
            source=row["source"],
            note=row["note"],
        )


def _operators() -> Iterator[Observation]:
    for number, row in enumerate(_rows("operators.csv"), 2):
        work = _work(row)
        yield Observation(
            name=f"operators.csv:{number}",
            kind="operator",
            board=row["board"],
            core=row["core"],
            library=row["library"],
            works=(work,),
            amount=float(row["cycles"]),
            noise=_SMALL_OPERATOR if work.op_class in _TINY else _NOISE["operator"],
            cache=weight_cache(row["board"]),
            source=row["source"],
        )


def _instructions() -> Iterator[Observation]:
    for row in _rows("instructions.csv"):
        work = _work(row)
        yield Observation(
            name=f"{row['model']}:{row['op']}",
            kind="instructions",
            board="",
            core=row["core"],
            library=row["kernels"],
            works=(work,),
            amount=float(row["instructions"]),
            noise=_SMALL_OPERATOR if work.op_class in _TINY else _NOISE["instructions"],
            source=row["model"],
        )
    for row in _rows("network_instructions.csv"):
        yield Observation(
            name=row["network"],
            kind="instructions",
            board="",
            core=row["core"],
            library=row["library"],
            works=network(row["network"]),
            amount=float(row["instructions"]),
            noise=0.03,
            checks=row["checks"] == "yes",
            network=row["network"],
            source=row["source"],
        )


def _work(row: Mapping[str, str]) -> OpWork:
    amounts = (int(row[key]) for key in ("steps", "outputs", "weights", "pixels"))
    return OpWork(cast(OpClass, row["op_class"]), *amounts)


def _scaled(works: Works, factor: float) -> Works:
    return tuple(
        replace(
            work,
            steps=round(work.steps * factor),
            outputs=round(work.outputs * factor),
            pixels=round(work.pixels * factor),
        )
        for work in works
    )


def weight_cache(board: str) -> int:
    """Return the cache that a board of the catalog reads its weights through, else 0."""
    try:
        return get_board(board).flash_region.cache
    except InputError:
        return 0
