"""Why a port could not be opened."""

from __future__ import annotations

from edgekit.doctor.finding import Finding, wrong
from edgekit.doctor.meddlers import check_bridges, check_brltty, check_modem_manager
from edgekit.doctor.ports import check_busy, check_permission, check_there, is_device
from edgekit.doctor.system import System


def explain_port(port: str, system: System | None = None) -> list[Finding]:
    """Return what may be the reason that ``port`` cannot be opened or does not answer, the likeliest first.

    Nothing is opened: a board would notice. A port that is no device of this computer, such as a URL, is not looked at.

    Parameters
    ----------
    port:
        As ``--port`` has it.
    system:
        The computer; this one unless given.
    """
    return wrong(examine_port(system or System(), port)) if is_device(port) else []


def examine_port(system: System, port: str) -> list[Finding]:
    """Return all findings on a serial port of this computer, also what is in order."""
    there = check_there(system, port)
    findings = [there, check_permission(system, port), check_busy(system, port)]
    if there.level == "problem":
        findings += [*check_bridges(system), check_brltty(system)]
    return [finding for finding in (*findings, check_modem_manager(system, port)) if finding is not None]


def as_details(findings: list[Finding]) -> list[str]:
    """Return findings as lines for an error's details."""
    return [line for f in findings for line in (f.what, *([f"  {f.fix}"] if f.fix else []))]
