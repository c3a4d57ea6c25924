"""Whether debug probes and boot loaders may be used, which have no serial port but a raw USB device."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from edgekit.boards.profile import BoardProfile
from edgekit.doctor.finding import Finding, note, ok, problem
from edgekit.doctor.ports import rule_command, vendor_rule
from edgekit.doctor.system import System, usb_devices

_VENDORS: Final[Mapping[str, tuple[str, ...]]] = {
    "picotool": ("2E8A",),
    "uf2": (),
    "teensy_loader": ("16C0",),
    "pyocd": ("0D28", "0483", "1366"),
    "openocd": ("0483", "0D28", "1366"),
    "west": ("0483", "1366", "0D28"),
    "jlink": ("1366",),
}
"""Makers whose devices are opened raw: Raspberry Pi, PJRC; of probes Arm (DAPLink), ST (ST-Link), SEGGER (J-Link)."""


def check_raw_usb(system: System, board: BoardProfile | None) -> list[Finding]:
    """Look whether the devices that flashing takes may be opened: those that are connected, or else by udev's rules."""
    check = "usb.permission"
    if system.platform != "linux":
        return []
    vendors = {v for names in _VENDORS.values() for v in names} if board is None else set()
    if board is not None:
        vendors = set(_VENDORS.get(board.flash_method, ()))
        own = {usb_id.partition(":")[0] for usb_id in board.usb_ids}
        vendors = vendors & own or vendors
    findings = []
    for device in usb_devices(system):
        if device.usb_id.partition(":")[0] not in vendors or not device.node:
            continue
        node = system.path(device.node)
        if not os.path.exists(node):
            continue
        if system.may_use(node):
            findings.append(ok(check, f"You may use {device.title} as a USB device.", device.node))
        else:
            findings.append(
                problem(
                    check,
                    f"You may not use {device.title} as a USB device, which flashing takes.",
                    f"{device.node}: mode {node.stat().st_mode & 0o777:04o}",
                    f"`{rule_command(device)}`, then plug it in again.",
                )
            )
    if findings or board is None or not vendors:
        return findings
    text = "\n".join(system.rules().values()).lower()
    if any(f'"{vendor.lower()}"' in text for vendor in vendors):
        return [ok(check, "udev has rules for the USB devices that flashing takes.")]
    vendor = sorted(vendors)[0]
    return [
        note(
            check,
            "No such board or probe is connected, and udev has no rule that would let you use one.",
            f"no rule for the maker {' or '.join(sorted(vendors)).lower()}",
            f"`{vendor_rule(vendor.lower())}`.",
        )
    ]
