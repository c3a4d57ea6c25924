"""Programs that take serial ports away: ModemManager looks for modems, brltty for braille displays."""

from __future__ import annotations

import re
from typing import Final

from edgekit.doctor.finding import Finding, ok, problem, warning
from edgekit.doctor.system import System, UsbDevice, read_text, usb_device_of, usb_devices

BRIDGES: Final = {
    "0403:6001": "ftdi_sio",
    "0403:6010": "ftdi_sio",
    "0403:6015": "ftdi_sio",
    "067B:2303": "pl2303",
    "10C4:EA60": "cp210x",
    "1A86:5523": "ch341",
    "1A86:7523": "ch341",
    "1A86:55D4": "cdc_acm",
}
"""Chips between USB and a serial line that boards carry, by USB id, with the driver that Linux has for each."""

_BRAILLE_FIX: Final = (
    "If no braille display is used here: `sudo apt-get remove brltty`, or `sudo systemctl mask brltty-udev brltty`;"
    " then plug the board in again."
)
_CONDITION: Final = re.compile(r'(\w+(?:\{\w+\})?)=="([^"]*)"')
_IGNORED: Final = "ID_MM_DEVICE_IGNORE=1"


def check_bridges(system: System) -> list[Finding]:
    """Look for USB to serial bridges that are connected and have no port."""
    return [
        _without_port(system, device)
        for device in usb_devices(system)
        if device.usb_id in BRIDGES and not device.ttys
    ]


def _without_port(system: System, device: UsbDevice) -> Finding:
    check = "port.bridge"
    what = f"The USB to serial bridge {device.title} is connected, but has no port"
    evidence = f"{device.path.name}: driver {' '.join(device.drivers) or 'none'}"
    brltty = system.running("brltty")
    # A program that drives a device itself, as brltty does, takes it by usbfs.
    if "usbfs" in device.drivers or brltty is not None:
        who = f"; brltty runs, process {brltty}" if brltty is not None else ""
        return problem(
            check, f"{what}: a program has taken it from the kernel.", evidence + who, _BRAILLE_FIX
        )
    driver = BRIDGES[device.usb_id]
    return problem(
        check,
        f"{what}: the kernel has no driver for it.",
        evidence,
        f"`sudo modprobe {driver}`; where there is no such module, install the kernel's extra modules"
        " (`apt-get install linux-modules-extra-$(uname -r)` on Ubuntu).",
    )


def check_brltty(system: System) -> Finding:
    """Look whether brltty's rules would take a bridge that boards carry."""
    check = "port.brltty"
    taken = {
        usb_id: name
        for name, text in system.rules().items()
        if "brltty" in name
        for usb_id in BRIDGES
        for line in text.splitlines()
        if not line.lstrip().startswith("#") and _names(line, usb_id)
    }
    if not taken:
        return ok(check, "brltty takes no USB to serial bridge.")
    return warning(
        check,
        f"brltty takes {', '.join(sorted(taken))} for braille displays: boards with these bridges lose their port.",
        ", ".join(sorted(set(taken.values()))),
        _BRAILLE_FIX,
    )


def _names(line: str, usb_id: str) -> bool:
    """Return whether a rule is for every device with an id, by ``PRODUCT`` (without leading zeros) or by attributes.

    Most of brltty's ask for a maker's name or for a hub as well, because displays have such bridges too.
    """
    vendor, product = usb_id.lower().split(":")
    conditions = {(key, value.lower()) for key, value in _CONDITION.findall(line)}
    attributes = {condition for condition in conditions if condition[0].startswith("ATTR")}
    if ("ENV{PRODUCT}", f"{vendor.lstrip('0')}/{product.lstrip('0')}/*") in conditions:
        return not attributes
    return {value for _, value in attributes} == {vendor, product} and len(attributes) == 2


def check_modem_manager(system: System, port: str | None) -> Finding:
    """Look whether ModemManager runs and may ask a serial port whether it is a modem.

    It asks CDC ACM ports that look like a modem's, older releases any; the port is busy then for seconds, and the
    board hears ``AT``. See its manual on filter policies.
    """
    check = "port.modemmanager"
    pid = system.running("ModemManager")
    if pid is None:
        return ok(check, "ModemManager does not run.")
    devices = [device for device in usb_devices(system) if device.ttys]
    if port is not None:
        own = usb_device_of(system, port)
        devices = [own] if own is not None else []
    asked = [device for device in devices if not _ignored(system, device)]
    if not asked:
        return ok(check, "ModemManager leaves the serial ports here alone.", f"process {pid}")
    vendors = sorted({device.usb_id.partition(":")[0].lower() for device in asked})
    rules = "\\n".join(f'ATTRS{{idVendor}}=="{vendor}", ENV{{ID_MM_DEVICE_IGNORE}}="1"' for vendor in vendors)
    return warning(
        check,
        f"ModemManager may take {', '.join(device.title for device in asked)} for a modem and keep its port busy.",
        f"process {pid}; {_IGNORED} is not set",
        f"`printf '{rules}\\n' | sudo tee /etc/udev/rules.d/77-edgekit-no-modem.rules`,"
        " `sudo udevadm control --reload`, then plug the board in again; or `sudo systemctl stop ModemManager`.",
    )


def _ignored(system: System, device: UsbDevice) -> bool:
    """Return whether udev has marked a device, or all of its ports, as none of ModemManager's business."""
    numbers = [read_text(system.path(f"/sys/class/tty/{name}/dev")).strip() for name in device.ttys]
    number = read_text(device.path / "dev").strip()
    return _marked(system, number) or all(_marked(system, tty) for tty in numbers)


def _marked(system: System, number: str) -> bool:
    return bool(number) and f"E:{_IGNORED}" in system.text(f"/run/udev/data/c{number}").splitlines()
