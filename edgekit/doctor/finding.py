"""What a check finds: what it is, where that was seen, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from edgekit.documents import Part

Level = Literal["ok", "note", "warning", "problem"]
"""``problem``: it does not work like that, or not as it should. ``warning``: it may be the reason when it does not.
``note``: neither right nor wrong, such as what could not be found out."""


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


def note(check: str, what: str, evidence: str = "", fix: str = "") -> Finding:
    """Return a finding that is neither right nor wrong; ``fix`` is what to do if it matters."""
    return Finding(check=check, level="note", what=what, evidence=evidence, fix=fix)


def warning(check: str, what: str, evidence: str, fix: str) -> Finding:
    """Return a finding that something may be wrong."""
    return Finding(check=check, level="warning", what=what, evidence=evidence, fix=fix)


def problem(check: str, what: str, evidence: str, fix: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(check=check, level="problem", what=what, evidence=evidence, fix=fix)


def wrong(findings: Iterable[Finding]) -> list[Finding]:
    """Return the problems, and after them the warnings."""
    found = list(findings)
    return [f for level in ("problem", "warning") for f in found if f.level == level]
