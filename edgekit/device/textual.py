"""The text commands: MLPerf Tiny's, so that the industry's own runner works with the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.device.engine import Engine
from edgekit.device.jobs import Runs, Work
from edgekit.wire.declaration import DEFAULT_WARMUP, INFER_MAX, READY, Text
from edgekit.wire.text import bracketed, buffer_lines, result_thousandths, results_line

if TYPE_CHECKING:
    from edgekit.device.machine import Device

_HELP = (
    "name                  who the device is",
    "profile               what it measures, and the model",
    "timestamp             microseconds since the start",
    "db load N             expect N bytes of input",
    "db HH...              bytes of input in hexadecimal",
    "db print [N] [offset] show the input",
    "infer N [W]           run N times after W for warm-up",
    "results               show the last results",
    "Every command ends with a percent sign.",
)


class _Refused(Exception):
    """A command cannot be done; the text goes into ``e-[...]``."""


class TextCommands:
    """Answers text commands on behalf of a device."""

    def __init__(self, engine: Engine, device: Device) -> None:
        self._engine = engine
        self._device = device
        self._expected: int | None = None
        self._count = 0
        self._results: str | None = None
        self._commands = {
            Text.NAME: self._name,
            Text.PROFILE: self._profile,
            Text.TIMESTAMP: self._timestamp,
            Text.DB: self._db,
            Text.INFER: self._infer,
            Text.RESULTS: self._show_results,
            Text.HELP: self._help,
        }

    def receive(self, message: bytes, too_long: bool) -> None:
        """Answer one command."""
        text = message.decode("latin-1").replace("\r", "").replace("\n", "")
        words = text.split()
        command = self._commands.get(words[0]) if words and text.isascii() and text.isprintable() else None
        try:
            if too_long:
                raise _Refused("Command too long")
            if command is None:
                raise _Refused(f"Unknown command: {text}")
            finished = command(words[1:])
        except _Refused as refusal:
            self._device.say(f"e-{bracketed(str(refusal))}")
            finished = True
        if finished:
            self._device.say(READY)

    def forget(self) -> None:
        """Give up a load under way."""
        self._expected = None

    def forget_results(self) -> None:
        """Give up the results of the last ``infer``."""
        self._results = None

    def _name(self, _: list[str]) -> bool:
        self._device.say(f"m-name-dut-{bracketed(self._engine.settings.vendor)}")
        return True

    def _profile(self, _: list[str]) -> bool:
        self._device.say(f"m-profile-{bracketed(self._engine.settings.profile)}")
        self._device.say(f"m-model-{bracketed(self._engine.settings.model_id)}")
        return True

    def _timestamp(self, _: list[str]) -> bool:
        self._device.say(f"m-lap-us-{self._microseconds(self._engine.ticks())}")
        return True

    def _help(self, _: list[str]) -> bool:
        for line in _HELP:
            self._device.say(line)
        return True

    def _show_results(self, _: list[str]) -> bool:
        if self._results is None:
            raise _Refused("No results yet")
        self._device.say(self._results)
        return True

    def _db(self, words: list[str]) -> bool:
        if words[:1] == ["load"]:
            return self._db_load(words[1:])
        if words[:1] == ["print"]:
            return self._db_print(words[1:])
        if len(words) != 1:
            raise _Refused("db wants load, print or digits")
        try:
            data = bytes.fromhex(words[0])
        except ValueError:
            raise _Refused("Not pairs of hex digits") from None
        if self._expected is None:
            raise _Refused("db load comes first")
        if self._count == self._expected:
            return True
        data = data[: self._expected - self._count]
        offset = self._engine.tensors[0].pixel_offset
        stored = data if offset == 0 else bytes((value - offset) & 0xFF for value in data)
        self._engine.input[self._count : self._count + len(data)] = stored
        self._count += len(data)
        if self._count == self._expected:
            self._device.input_loaded = True
            self._device.say("m-load-done")
        return True

    def _db_load(self, words: list[str]) -> bool:
        size = len(self._engine.input)
        count = _number(words, 0, 0)
        if not 1 <= count <= size:
            raise _Refused(f"Expecting 1 to {size} bytes")
        self._device.forget_loads()
        self._engine.input[:] = bytes(size)
        self._expected, self._count = count, 0
        self._device.say(f"m-[Expecting {count} bytes]")
        return True

    def _db_print(self, words: list[str]) -> bool:
        loaded = len(self._engine.input) if self._expected is None else self._count
        count, start = _number(words, 0, loaded), _number(words, 1, 0)
        offset = self._engine.tensors[0].pixel_offset
        shown = bytes((value + offset) & 0xFF for value in self._engine.input[start : start + count])
        for line in buffer_lines(shown):
            self._device.say(line)
        return True

    def _infer(self, words: list[str]) -> bool:
        runs, warmup = _number(words, 0, 1), _number(words, 1, DEFAULT_WARMUP)
        if not (1 <= runs <= INFER_MAX and warmup <= INFER_MAX):
            raise _Refused(f"infer wants 1 to {INFER_MAX} runs")
        if not self._device.input_loaded:
            raise _Refused("Load the input first")
        job = Runs(self._engine, warmup, runs)
        self._device.use_output()
        self._device.use_input()
        self._device.say(f"m-warmup-start-{warmup}")

        def moved() -> None:
            if job.done == warmup:
                self._warmed_up(runs)

        def ended() -> None:
            # Both times are printed at the end, so that no printing lies within what is measured.
            self._device.say(f"m-lap-us-{self._microseconds(job.started)}")
            self._device.say(f"m-lap-us-{self._microseconds(job.finished)}")
            self._device.say("m-infer-done")
            self._keep_results(job)
            self._device.say(self._results or "e-[These results cannot be printed]")
            self._device.say(READY)

        def over(why: str) -> None:
            self._device.say(f"e-{bracketed(why)}")
            self._device.say(READY)

        if warmup == 0:
            self._warmed_up(runs)
        self._device.work = Work(
            job,
            0,
            moved=moved,
            ended=ended,
            failed=lambda: over("The inference failed"),
            stopped=lambda: over("Stopped"),
        )
        return False

    def _warmed_up(self, runs: int) -> None:
        self._device.say("m-warmup-done")
        self._device.say(f"m-infer-start-{runs}")

    def _keep_results(self, job: Runs) -> None:
        output = self._engine.tensors[self._engine.identity.inputs]
        try:
            self._results = results_line(result_thousandths(output, job.output[: output.bytes]))
        except ValueError:
            self._results = None

    def _microseconds(self, ticks: int) -> int:
        return ticks * 1_000_000 // self._engine.identity.ticks_per_second


def _number(words: list[str], index: int, default: int) -> int:
    """Return the decimal number at ``index``, bounded so that no counter overflows."""
    if index >= len(words):
        return default
    if not words[index].isdecimal() or len(words[index]) > 9:
        raise _Refused(f"Not a number: {words[index]}")
    return int(words[index])
