"""The budget: what a candidate may use of a board."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.boards.profile import BoardProfile


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits that a candidate has to stay within.

    Attributes
    ----------
    ram_bytes:
        For the tensor arena, in the board's arena region.
    flash_bytes:
        For the whole image: model and code.
    latency_ms:
        For one inference.
    strict:
        Whether the upper bound of the latency is held to its limit, instead of the estimate.
    """

    ram_bytes: int
    flash_bytes: int
    latency_ms: float
    strict: bool = False

    @classmethod
    def of_board(
        cls,
        board: BoardProfile,
        ram_bytes: int | None = None,
        flash_bytes: int | None = None,
        latency_ms: float | None = None,
        strict: bool = False,
    ) -> Budget:
        """Return the board's own limits, each replaced by the given one where there is one."""
        return cls(
            board.ram_bytes if ram_bytes is None else ram_bytes,
            board.flash_bytes if flash_bytes is None else flash_bytes,
            board.limits.latency_ms if latency_ms is None else latency_ms,
            strict,
        )
