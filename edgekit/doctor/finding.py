"""What a check finds: what it is, where that was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from edgekit.documents import Part

Level = Literal["ok", "warning", "problem"]
"""``problem``: it does not work like that. ``warning``: it may work, and may be the reason when it does not."""


class Finding(Part):
    """One thing that was looked at.

    Attributes
    ----------
    check:
        Which check it was: ``"port.busy"``.
    level:
        Whether something is wrong.
    what:
        A sentence on what is so.
    evidence:
        Where that was seen: a file, a process, a line of text.
    fix:
        A sentence on what to do, with the commands; empty when nothing is wrong.
    """

    check: str
    level: Level
    what: str
    evidence: str = ""
    fix: str = ""


def ok(check: str, what: str, evidence: str = "") -> Finding:
    """Return a finding that nothing is wrong."""
    return Finding(check=check, level="ok", what=what, evidence=evidence)


def warning(check: str, what: str, evidence: str, fix: str) -> Finding:
    """Return a finding that something may be wrong."""
    return Finding(check=check, level="warning", what=what, evidence=evidence, fix=fix)


def problem(check: str, what: str, evidence: str, fix: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(check=check, level="problem", what=what, evidence=evidence, fix=fix)


def wrong(findings: Iterable[Finding]) -> list[Finding]:
    """Return those that are not in order, problems first."""
    return sorted((f for f in findings if f.level != "ok"), key=lambda f: f.level != "problem")
