"""Why a serial port cannot be used: each reason in a folder that looks like a computer, and this computer itself."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_system import GROUP, USER, FakeSystem

from edgekit.doctor.explain import as_details, examine_port, explain_port
from edgekit.doctor.finding import Finding
from edgekit.doctor.meddlers import check_brltty
from edgekit.doctor.system import System, usb_devices

PORT = "/dev/ttyUSB0"


@pytest.fixture
def computer(tmp_path: Path) -> FakeSystem:
    """A computer with a board at a bridge whose port nothing is wrong with."""
    fake = FakeSystem(tmp_path, frozenset({USER, os.getgid()}))
    fake.write("/etc/group", f"root:x:0:\ndialout:x:{os.getgid()}:\n")
    fake.usb("1-1", "10c4:ea60", "CP2102N", "cp210x", "ttyUSB0")
    return fake


def found(fake: FakeSystem, port: str = PORT) -> dict[str, Finding]:
    """Return what is wrong with a port, by check; each finding says what to do."""
    findings = explain_port(port, fake.system)
    assert all(finding.fix and finding.evidence for finding in findings)
    return {finding.check: finding for finding in findings}


def test_a_port_that_can_be_used_has_nothing_to_explain(computer: FakeSystem) -> None:
    assert found(computer) == {}
    levels = {finding.check: finding.level for finding in examine_port(computer.system, PORT)}
    assert levels == dict.fromkeys(("port.there", "port.permission", "port.busy", "port.modemmanager"), "ok")


@pytest.mark.parametrize("port", ["socket://board:4747", "rfc2217://pi:4000", "host", "qemu", "COM5"])
def test_what_is_no_device_of_this_computer_is_not_looked_at(port: str, computer: FakeSystem) -> None:
    assert found(computer, port) == {}


def test_a_port_that_the_system_refuses_to_look_for_is_missing(computer: FakeSystem) -> None:
    port = f"/dev/{300 * 'x'}"
    levels = {finding.check: finding.level for finding in examine_port(computer.system, port)}
    assert levels["port.there"] == "problem" and "port.busy" not in levels


def test_a_missing_port_is_told_with_those_that_are_there(computer: FakeSystem) -> None:
    finding = found(computer, "/dev/ttyACM3")["port.there"]
    assert finding.level == "problem" and PORT in finding.evidence and "edgekit ports" in finding.fix


def test_one_who_is_not_in_the_ports_group_is_told_how_to_get_there(computer: FakeSystem) -> None:
    computer.groups = frozenset({USER})
    finding = found(computer)["port.permission"]
    assert finding.level == "problem" and "mode 0660" in finding.evidence
    group = "root" if os.getgid() == 0 else "dialout"
    # Where the tests' files belong to root's group, no group helps, and a rule is what it takes.
    wanted = "10c4" if group == "root" else "sudo usermod -aG dialout ann"
    assert wanted in finding.fix


def test_group_membership_and_rules_are_told_apart(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path, frozenset({USER}))
    fake.usb("1-1", "10c4:ea60", "CP2102N", "cp210x", "ttyUSB0")
    node = tmp_path / "dev/ttyUSB0"
    if os.getuid() != 0:
        pytest.skip("only root can give a file to another group")
    os.chown(node, 0, GROUP)
    assert "sudo usermod -aG dialout ann" in found(fake)["port.permission"].fix
    fake.write("/etc/group", f"dialout:x:{GROUP}:bob,ann\n")
    assert "Log out and in again" in found(fake)["port.permission"].fix
    fake.groups = frozenset({USER, GROUP})
    assert "port.permission" not in found(fake)
    node.chmod(0o600)
    assert 'ATTRS{idVendor}=="10c4"' in found(fake)["port.permission"].fix


def test_a_port_that_is_not_on_usb_has_no_rule_for_its_fix(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path, frozenset({USER}))
    fake.node("/dev/ttyS0", 0o600)
    finding = found(fake, "/dev/ttyS0")["port.permission"]
    assert "sudo chown ann /dev/ttyS0" in finding.fix and "VID" not in finding.fix


def test_who_keeps_the_port_is_named(computer: FakeSystem) -> None:
    computer.process(1234, "picocom", "/dev/pts/7", PORT)
    computer.process(1235, "bash", "/dev/ttyUSB1")
    finding = found(computer)["port.busy"]
    assert finding.what == f"{PORT} is in use by picocom (process 1234)." and "kill 1234" in finding.fix


def test_a_port_is_followed_from_its_other_name(computer: FakeSystem) -> None:
    link = computer.root / "dev/serial/by-id/usb-Silicon_Labs"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../ttyUSB0")
    computer.process(1234, "screen", PORT)
    assert "screen" in found(computer, "/dev/serial/by-id/usb-Silicon_Labs")["port.busy"].what


def test_one_does_not_stand_in_ones_own_way(computer: FakeSystem) -> None:
    computer.process(77, "edgekit", PORT)
    assert examine_port(replace(computer.system, pid=77), PORT)[2].level == "ok"
    assert "port.busy" in found(computer)


def test_modem_manager_is_a_suspect_until_udev_tells_it_to_leave_the_port_alone(computer: FakeSystem) -> None:
    computer.process(900, "ModemManager")
    finding = found(computer)["port.modemmanager"]
    assert finding.level == "warning" and "CP2102N" in finding.what
    assert 'ATTRS{idVendor}=="10c4", ENV{ID_MM_DEVICE_IGNORE}="1"' in finding.fix
    computer.write("/run/udev/data/c166:1", "I:1\nE:ID_MM_DEVICE_IGNORE=1\n")
    assert found(computer) == {}


def test_a_bridge_that_brltty_has_taken_is_told_apart_from_one_without_a_driver(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path)
    fake.usb("1-2", "1a86:7523", "USB Serial", "usbfs")
    fake.process(51, "brltty")
    finding = found(fake)["port.bridge"]
    assert "process 51" in finding.evidence and "brltty" in finding.fix
    other = FakeSystem(tmp_path / "other")
    other.usb("1-2", "1a86:7523", "USB Serial")
    assert "sudo modprobe ch341" in found(other)["port.bridge"].fix


@pytest.mark.parametrize(
    ("rule", "taken"),
    [
        ('ENV{PRODUCT}=="1a86/7523/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm", GOTO="brltty_usb_run"', True),
        ('#ENV{PRODUCT}=="1a86/7523/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm", GOTO="brltty_usb_run"', False),
        ('ENV{PRODUCT}=="1a86/7523/*", ATTRS{idVendor}=="1a40", ENV{BRLTTY_BRAILLE_DRIVER}="bm"', False),
        ('ENV{PRODUCT}=="403/6001/*", ATTRS{manufacturer}=="Hedo", ENV{BRLTTY_BRAILLE_DRIVER}="hd"', False),
        ('ATTRS{idVendor}=="10c4", ATTRS{idProduct}=="ea60", ENV{BRLTTY_BRAILLE_DRIVER}="sk"', True),
        ('ENV{PRODUCT}=="403/de58/*", ENV{BRLTTY_BRAILLE_DRIVER}="hd"', False),
    ],
)
def test_brlttys_rules_are_read(rule: str, taken: bool, tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path)
    fake.write("/usr/lib/udev/rules.d/85-brltty.rules", f"# Braille displays\n{rule}\n")
    assert (check_brltty(fake.system).level == "warning") is taken
    fake.write("/etc/udev/rules.d/85-brltty.rules", "")  # replaces it
    assert check_brltty(fake.system).level == "ok"


def test_usb_devices_have_their_ports_however_the_driver_places_them(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path)
    fake.usb("1-1", "2e8a:000a", "Pico", "cdc_acm", "ttyACM0")
    fake.usb("1-2", "10c4:ea60", "CP2102N", "cp210x", "ttyUSB0")
    assert [(d.usb_id, d.ttys, d.node) for d in usb_devices(fake.system)] == [
        ("2E8A:000A", ("ttyACM0",), "/dev/bus/usb/001/001"),
        ("10C4:EA60", ("ttyUSB0",), "/dev/bus/usb/001/002"),
    ]


def test_findings_become_lines_of_an_error(computer: FakeSystem) -> None:
    computer.process(1234, "picocom", PORT)
    lines = as_details(explain_port(PORT, computer.system))
    assert lines == [f"{PORT} is in use by picocom (process 1234).", "  Close it, or end it: `kill 1234`."]


@pytest.fixture
def terminal() -> Iterator[str]:
    """A pseudo-terminal of this computer that this process has open."""
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="only Linux shows who has a file open")
def test_this_computer_says_who_has_a_terminal_open(terminal: str) -> None:
    others = System(pid=0)  # somebody else asks
    busy = next(f for f in examine_port(others, terminal) if f.check == "port.busy")
    assert busy.level == "problem" and f"(process {os.getpid()})" in busy.what
    assert not [f for f in explain_port(terminal) if f.check == "port.busy"]
    assert explain_port("/dev/ttyNoSuchBoard")[0].check == "port.there"
