"""A serial port that cannot be used: it is not there, it may not be opened, or somebody else has it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgekit.doctor.finding import Finding, ok, problem, warning
from edgekit.doctor.system import System, UsbDevice, usb_device_of, usb_devices


def is_device(port: str) -> bool:
    """Return whether ``port`` names a device of this computer, and no URL and no stand-in for a board."""
    return port.startswith("/dev/")


def check_there(system: System, port: str) -> Finding:
    """Look whether the port exists."""
    check = "port.there"
    path = system.device(port)
    try:
        mode = path.stat().st_mode
    except OSError:
        names = sorted(name for device in usb_devices(system) for name in device.ttys)
        return problem(
            check,
            f"There is no port {port}.",
            f"Serial ports at the USB: {', '.join(f'/dev/{name}' for name in names) or 'none'}.",
            "Plug the board in, with a cable that carries data and not only power. After a reset it may have another"
            " name: `edgekit ports` lists what is connected.",
        )
    if stat.S_ISDIR(mode):
        return problem(
            check, f"{port} is a folder.", str(path), "Give the path of a serial port with --port."
        )
    if system.platform == "darwin" and path.name.startswith("tty."):
        other = f"/dev/cu.{path.name.removeprefix('tty.')}"
        return warning(
            check, f"{port} waits for a carrier that boards do not give.", port, f"Use {other} instead."
        )
    device = usb_device_of(system, port)
    return ok(check, f"{port} is there.", device.title if device else "")


def check_permission(system: System, port: str) -> Finding | None:
    """Look whether the one who asks may open the port; ``None`` if it does not exist."""
    check = "port.permission"
    path = system.device(port)
    try:
        status = path.stat()
    except OSError:
        return None
    if system.may_use(path):
        return ok(check, f"You may use {port}.")
    group, members = system.group(status.st_gid)
    user = system.user()
    evidence = f"{port}: mode {stat.S_IMODE(status.st_mode):04o}, group {group}; you are {user}"
    if not status.st_mode & stat.S_IWGRP or status.st_gid == 0:
        device = usb_device_of(system, port)
        return problem(
            check,
            f"You may not use {port}, and no group may but root's.",
            evidence,
            f"Let udev give it to you: `{rule_command(device)}`, then plug the board in again."
            if device is not None
            else f"`sudo chown {user} {port}`, which lasts until the computer is started again.",
        )
    if user in members:
        return problem(
            check,
            f"You are in the group {group}, which may use {port}, but not since you logged in.",
            evidence,
            f"Log out and in again, or run `newgrp {group}` in this shell.",
        )
    return problem(
        check,
        f"You may not use {port}: it belongs to the group {group}, and you are not in it.",
        evidence,
        f"`sudo usermod -aG {group} {user}`, then log out and in again.",
    )


def rule_command(device: UsbDevice) -> str:
    """Return the command that lets whoever sits at the computer use ``device``, by a rule of udev's."""
    return vendor_rule(device.usb_id.partition(":")[0].lower())


def vendor_rule(vendor: str) -> str:
    """Return the command that makes a rule of udev's for all devices of ``vendor``, in lower-case hexadecimal."""
    return (
        f'echo \'SUBSYSTEMS=="usb", ATTRS{{idVendor}}=="{vendor}", MODE="0660", GROUP="plugdev", TAG+="uaccess"\''
        f" | sudo tee /etc/udev/rules.d/60-edgekit-{vendor}.rules && sudo udevadm control --reload"
    )


def check_busy(system: System, port: str) -> Finding | None:
    """Look which process has the port open; ``None`` if it does not exist."""
    check = "port.busy"
    path = system.device(port)
    if not os.path.exists(path):
        return None
    holders, hidden = _holders(system, path)
    if holders:
        names = " and ".join(f"{name} (process {pid})" for pid, name in holders)
        return problem(
            check,
            f"{port} is in use by {names}.",
            ", ".join(f"/proc/{pid}/fd" for pid, _ in holders),
            f"Close it, or end it: `kill {' '.join(str(pid) for pid, _ in holders)}`.",
        )
    seen = (
        f"processes of others that could not be looked into: {hidden}; `sudo edgekit doctor` can"
        if hidden
        else ""
    )
    return ok(check, f"Nobody that can be seen has {port} open.", seen)


def _holders(system: System, path: Path) -> tuple[list[tuple[int, str]], int]:
    """Return number and name of the processes that have ``path`` open, and how many could not be looked into."""
    wanted = "/" + path.relative_to(system.root.resolve()).as_posix()
    holders, hidden = [], 0
    for pid, name in system.processes():
        if pid == system.pid:
            continue
        files = system.open_files(pid)
        if files is None:
            hidden += 1
        elif wanted in files:
            holders.append((pid, name))
    return holders, hidden
