"""What the doctor has found, for people: what is wrong with its fix first, and then what is in order."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from edgekit.doctor.examine import DoctorRecord
from edgekit.doctor.finding import Finding, Level

_ORDER: tuple[Level, ...] = ("ok", "note", "warning", "problem")
_STYLE: dict[Level, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "note": ("note", "cyan"),
    "warning": ("warning", "yellow"),
    "problem": ("problem", "red"),
}


def print_doctor(record: DoctorRecord, console: Console) -> None:
    """Print ``record``, the problems last, where they are seen."""
    for level in _ORDER:
        for finding in record.findings:
            if finding.level == level:
                _print(finding, console)
    counts = {level: sum(finding.level == level for finding in record.findings) for level in _ORDER}
    console.print(
        Text(f"Problems: {counts['problem']}, warnings: {counts['warning']}, in order: {counts['ok']}.")
    )


def _print(finding: Finding, console: Console) -> None:
    word, style = _STYLE[finding.level]
    line = Text(f"{word:>8}  ", style=style)
    line.append(finding.what, style="default")
    console.print(line)
    if finding.evidence:
        console.print(Text(f"{'':10}{finding.evidence}", style="dim"))
    if finding.fix and finding.level != "ok":
        console.print(Text(f"{'':10}Fix: {finding.fix}"))
