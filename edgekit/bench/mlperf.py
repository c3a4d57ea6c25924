"""The host's side of the text commands, as the MLPerf Tiny runner uses them."""

from __future__ import annotations

import contextlib
import re
from decimal import Decimal
from typing import Final

from edgekit.bench.line import Line
from edgekit.errors import TaskError
from edgekit.wire.declaration import INFERENCE_TIMEOUT_MS, READY, TEXT_TIMEOUT_MS, Text

_BYTES_A_COMMAND: Final = 31
_BOOT_S: Final = 10.0
_QUIET_S: Final = 0.3
_TRIES: Final = 3
"""The name is asked for so often: the command may be lost in what was on the line before, or before the boot lines."""
_LINES: Final = 10
"""No answer that is waited for has more lines: a device that talks without end is given up."""
_LAP: Final = re.compile(r"m-lap-us-(\d+)")
_RESULTS: Final = re.compile(r"m-results-\[([-+0-9., ]*)\]")
_NAME: Final = re.compile(r"m-name-dut-\[([^\]]*)\]")
_PROFILE: Final = re.compile(r"m-(profile|model)-\[([^\]]*)\]")


class TextClient:
    """Speaks the text commands over an open line."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def connect(self) -> str:
        """Absorb boot lines, and return the device's name.

        Raises
        ------
        TaskError
            If nothing answers, or something that is no MLPerf Tiny device.
        """
        end = self._line.clock() + _BOOT_S
        while (
            line := self._line.receive(min(end, self._line.clock() + _QUIET_S))
        ) is not None and line != READY:
            pass
        lines: list[str] = []
        for _ in range(_TRIES):
            with contextlib.suppress(_NoAnswer):
                lines = self._command(Text.NAME)
            for line in lines:
                if match := _NAME.fullmatch(line):
                    return match[1]
        if not lines:
            raise TaskError(
                f"Nothing that speaks MLPerf Tiny answers at {self._line.name}.",
                "Check that the firmware is flashed and running, and that --baud is right.",
            )
        raise TaskError(
            f"What answers at {self._line.name} is no MLPerf Tiny device.",
            "Check that it is the right port and the right --baud.",
            [line[:80] for line in lines[:3]],
        )

    def profile(self) -> tuple[str, str]:
        """Return what the device says about its profile and its model; empty what it does not say.

        Raises
        ------
        TaskError
            If the device does not answer.
        """
        matches = [_PROFILE.fullmatch(line) for line in self._command(Text.PROFILE)]
        said: dict[str, str] = {match[1]: match[2] for match in matches if match}
        return said.get("profile", ""), said.get("model", "")

    def load(self, data: bytes) -> None:
        """Put ``data`` into the device's input, 31 bytes a command.

        Raises
        ------
        TaskError
            If the device does not take it.
        """
        self._command(f"{Text.DB} load {len(data)}")
        lines: list[str] = []
        for start in range(0, len(data), _BYTES_A_COMMAND):
            lines = self._command(f"{Text.DB} {data[start : start + _BYTES_A_COMMAND].hex()}")
        if "m-load-done" not in lines:
            raise TaskError(
                "The device did not confirm that the whole input has come.",
                "Bytes were lost on the line; without --mlperf they are sent again by themselves.",
            )

    def infer(self, runs: int, warmup: int) -> tuple[float, list[int]]:
        """Run, and return the mean latency in ms and the results in thousandths.

        Raises
        ------
        TaskError
            If the device fails or answers something else.
        """
        lines = self._command(f"{Text.INFER} {runs} {warmup}", INFERENCE_TIMEOUT_MS / 1000)
        laps = [int(match[1]) for line in lines if (match := _LAP.fullmatch(line))]
        results = [match[1] for line in lines if (match := _RESULTS.fullmatch(line))]
        if len(laps) != 2 or laps[1] < laps[0] or len(results) != 1:
            raise TaskError(
                "The device's answer to infer is incomplete.", "Bytes were lost on the line; repeat.", lines
            )
        try:
            milli = [round(Decimal(text.strip()) * 1000) for text in results[0].split(",")]
        except ArithmeticError as error:
            raise TaskError(f"The device's results are no numbers: {results[0][:60]}.", "Repeat.") from error
        return (laps[1] - laps[0]) / 1000 / runs, milli

    def _command(self, command: str, patience: float = TEXT_TIMEOUT_MS / 1000) -> list[str]:
        """Send a command and return the lines before ``m-ready``."""
        self._line.send_text(command)
        lines: list[str] = []
        end = self._line.clock() + _LINES * patience
        while (line := self._line.receive(min(end, self._line.clock() + patience))) is not None:
            if line == READY:
                break
            if isinstance(line, str):
                lines.append(line)
        else:
            raise _NoAnswer(
                f"{self._line.name} did not answer `{command.split(' ')[0]}` within {patience:.0f} s.",
                "Reset the board and repeat; check the cable, and that no other program uses the port.",
            )
        refusals = [line for line in lines if line.startswith("e-")]
        if refusals and command != Text.NAME:
            raise TaskError(
                f"The device refused `{command[:40]}`: {refusals[0]}.", "Check model and firmware."
            )
        return lines


class _NoAnswer(TaskError):
    """No line came in time."""
