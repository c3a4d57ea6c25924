"""Boards on a desk: which port is taken, what is asked, the port that comes back, and the record that is left."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial
from command_line import refused
from desk import Desk, boot_drive
from fake_lines import ToyEngine
from flash_tools import FakeTools, tools
from rfc2217_board import FirmwareBoard
from silicon import Images, engine_with, identity_in, silicon_folder
from test_flash_commands import PICO, PICO2, ZEPHYR, uf2_file

from edgekit.bench.identify import ask_identity
from edgekit.cli.main import run
from edgekit.device.host import HostEngine
from edgekit.doctor.system import System, usb_devices
from edgekit.errors import InputError
from edgekit.flash import comeback, find, survey, uf2
from edgekit.flash.board import port_of
from edgekit.flash.methods import nano
from edgekit.flash.methods import uf2 as uf2_method
from edgekit.flash.record import FLASH_FILE

pytestmark = pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs pseudo-terminals")
__all__ = ["tools"]

STLINK, PICO_ID, PICO2_ID, NANO_ID = "0483:374B", "2E8A:000A", "2E8A:0009", "2341:805A"
NANO: Images = {"firmware.bin": (b"x", None), "firmware.hex": (b":00000001FF\n", None)}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(find, "_ASK_S", 0.5)
    monkeypatch.setattr(nano, "_GONE_S", 0.5)
    monkeypatch.setattr(uf2, "usb_devices", lambda system: [])
    monkeypatch.setattr(survey, "usb_devices", lambda system: [])
    monkeypatch.setattr(survey, "_ASK_S", 0.5)
    desk = Desk(tmp_path, monkeypatch)
    yield desk
    desk.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boards that do not come back are given up soon."""
    real = comeback.wait_for_board

    def soon(*args: object) -> object:
        return real(*args, patience_s=1.0)  # type: ignore[arg-type]

    monkeypatch.setattr("edgekit.flash.device.wait_for_board", soon)
    monkeypatch.setattr(uf2_method, "_TOUCHED_S", 0.5)
    monkeypatch.setattr(uf2_method, "PATIENCE_S", 0.5)


@pytest.fixture
def nucleo(tiny_model: bytes, tmp_path: Path, tools: FakeTools, monkeypatch: pytest.MonkeyPatch) -> Path:
    tools.add("west", "openocd")
    monkeypatch.setenv("ZEPHYR_BASE", str(tools.add_zephyr()))
    return silicon_folder(tiny_model, tmp_path / "build", "nucleo-h743zi", lambda _: ZEPHYR, "zephyr")


@pytest.fixture
def unbuilt(tiny_model: bytes, tmp_path: Path, tools: FakeTools) -> Path:
    """A folder for an ESP32-C3 in which nothing has been built yet."""
    tools.add("esptool")
    folder = silicon_folder(tiny_model, tmp_path / "build", "esp32c3", lambda _: {"app.bin": (b"a", 0)})
    (folder / "build.json").unlink()
    return folder


@pytest.fixture
def pico(tiny_model: bytes, tmp_path: Path) -> Path:
    return silicon_folder(tiny_model, tmp_path / "build", "rp2040", lambda _: PICO, "pico_sdk")


def flash(folder: Path, *options: str) -> int:
    return run(["flash", "--build", str(folder), *options])


def test_the_only_port_with_the_boards_ids_is_taken_and_the_tool_runs_once(
    nucleo: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.plug("ttyUSB0", "10C4:EA60", "other", ToyEngine())
    port = desk.plug("ttyACM0", STLINK, "0670FF", engine_with(identity_in(nucleo)))
    assert flash(nucleo) == 0
    assert tools.calls == [
        ["west", "flash", "--build-dir", str(nucleo / "out"), "--skip-rebuild", "--runner", "openocd"]
    ]
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == port
    record = json.loads((nucleo / FLASH_FILE).read_text())
    assert record["method"] == "west" and record["port"] == port
    assert (record["usb_id"], record["serial_number"]) == (STLINK, "0670FF")
    assert record["identity"] == {
        **{key: value for key, value in identity_in(nucleo).items() if key != "model"},
        "model_sha256": identity_in(nucleo)["model"],
    }
    assert port_of(nucleo) == port
    desk.unplug("ttyACM0")
    with pytest.raises(InputError, match="no port is given"):
        port_of(nucleo)
    again = desk.plug("ttyACM9", STLINK, "0670FF", engine_with(identity_in(nucleo)))
    assert port_of(nucleo) == again
    assert flash(nucleo, "--stop") == 0


def test_bench_and_monitor_find_the_board_that_was_flashed(
    nucleo: Path, desk: Desk, tiny_model: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """The device computes the model, so its outputs can be compared, and says it is the board."""
    engine = HostEngine(tiny_model)
    engine.identity = dataclasses.replace(
        engine.identity,
        **{key: value for key, value in identity_in(nucleo).items() if key != "model"},
    )
    port = desk.plug("ttyACM0", STLINK, "1", engine)
    assert flash(nucleo) == 0
    assert run(["bench", "--build", str(nucleo), "--runs", "5"]) == 0
    record = json.loads((nucleo / "bench.json").read_text())
    assert record["port"] == port and record["board"] == "nucleo-h743zi"
    assert record["outputs"] == {"compared": 5, "mismatched": 0}
    capsys.readouterr()
    assert run(["monitor", "--build", str(nucleo), "--send", "name", "--for", "1s"]) == 0
    assert "m-name-dut-" in capsys.readouterr().out
    engine.identity = dataclasses.replace(engine.identity, build="other")
    refused(capsys, "bench", "--build", nucleo, status=1, words="The device's build is 'other'")


def test_of_several_that_match_the_one_that_says_it_is_the_board_is_taken(
    nucleo: Path, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.plug("ttyACM0", STLINK, "1", engine_with({**identity_in(nucleo), "board": "nucleo-l4r5zi"}))
    desk.plug("ttyACM1", STLINK, "2")
    port = desk.plug("ttyACM2", STLINK, "3", engine_with(identity_in(nucleo)))
    assert flash(nucleo) == 0
    assert capsys.readouterr().out.splitlines()[-1] == port


def test_of_several_that_match_the_only_one_without_firmware_is_taken(
    nucleo: Path, desk: Desk, tools: FakeTools
) -> None:
    desk.plug("ttyACM0", STLINK, "1", engine_with({**identity_in(nucleo), "board": "nucleo-l4r5zi"}))
    desk.plug("ttyACM1", STLINK, "2")

    def flashed() -> None:
        if tools.calls:
            desk.unplug("ttyACM1")
            desk.plug("ttyACM1", STLINK, "2", engine_with(identity_in(nucleo)))
        else:
            desk.later(flashed)

    desk.later(flashed)
    assert flash(nucleo) == 0
    assert json.loads((nucleo / FLASH_FILE).read_text())["serial_number"] == "2"


def test_of_several_that_cannot_be_told_apart_none_is_taken_unless_one_is_named(
    nucleo: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    first = desk.plug("ttyACM0", STLINK, "1", engine_with(identity_in(nucleo)))
    second = desk.plug("ttyACM1", STLINK, "2", engine_with({**identity_in(nucleo), "build": "older"}))
    said = refused(capsys, "flash", "--build", nucleo, words="2 ports may be nucleo-h743zi")
    assert f"{first}: nucleo-h743zi" in said and f"{second}: nucleo-h743zi, build older" in said
    assert not tools.calls
    said = refused(capsys, "flash", "--build", nucleo, "--port", second, status=1, words="another image")
    assert len(tools.calls) == 1 and "'older'" in said
    assert flash(nucleo, "--port", first) == 0


def test_without_a_board_a_tool_that_needs_no_port_runs_and_the_board_is_waited_for(
    nucleo: Path, desk: Desk, tools: FakeTools, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "flash", "--build", nucleo, status=1, words="its port has not come back")
    assert len(tools.calls) == 1 and not (nucleo / FLASH_FILE).exists()


def test_without_a_board_a_tool_that_needs_a_port_does_not_even_build(
    unbuilt: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    other = desk.plug("ttyACM0", STLINK, "1")
    said = refused(capsys, "flash", "--build", unbuilt, words="No port of esp32c3 is here")
    assert "303A:1001" in said and other in said and "hold BOOT" in said
    assert not tools.calls and not (unbuilt / "build.log").exists()


@pytest.mark.parametrize(
    ("framework", "installed"),
    [("zephyr", ("west", "bossac")), ("arduino", ("bossac",)), ("arduino", ("adafruit-nrfutil",))],
)
def test_no_tool_is_told_a_word_in_place_of_a_port_that_is_not_there(
    framework: str,
    installed: tuple[str, ...],
    tiny_model: bytes,
    tmp_path: Path,
    desk: Desk,
    tools: FakeTools,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tools.add(*installed)
    tools.add_zephyr()
    folder = silicon_folder(
        tiny_model, tmp_path / "build", "nano33ble", lambda _: {**ZEPHYR, **NANO}, framework
    )
    arguments = ["flash", "--build", folder, *(["--method", "nrfutil"] if "bossac" not in installed else [])]
    said = refused(capsys, *arguments, words="No port of nano33ble is here")
    assert "--port" in said and not tools.calls
    # One that goes away before the tool is run, as during a build.
    desk.plug("ttyACM0", NANO_ID, "1")
    desk.later(lambda: None, lambda: desk.unplug("ttyACM0"))
    refused(capsys, *arguments, words="No port of nano33ble is here")
    assert not tools.calls


def test_a_port_that_is_not_there_is_told_before_anything_is_built(
    unbuilt: Path, tmp_path: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    other = desk.plug("ttyACM0", STLINK, "1")
    gone = tmp_path / "dev/ttyUSB9"
    said = refused(capsys, "flash", "--build", unbuilt, "--port", gone, words=f"There is no port {gone}")
    assert other in said and not tools.calls and not (unbuilt / "build.log").exists()
    for more in ([], ["--dry-run"]):
        refused(capsys, "flash", "--build", unbuilt, "--port", "", *more, words="--port names no port")


def test_a_port_that_is_named_by_a_link_is_the_one_that_the_link_leads_to(
    pico: Path, desk: Desk, tools: FakeTools, tmp_path: Path
) -> None:
    """As /dev/serial/by-id has them: of two boards the right one is picked, and found again by its serial number."""
    tools.add("picotool")
    desk.plug("ttyACM0", PICO_ID, "OTHER", ToyEngine())
    port = desk.plug("ttyACM1", PICO_ID, "E660", engine_with(identity_in(pico)))
    link = tmp_path / "usb-Raspberry_Pi_Pico_E660-if00"
    link.symlink_to(port)
    assert flash(pico, "--port", str(link)) == 0
    assert tools.calls[0][-2:] == ["--ser", "E660"]
    record = json.loads((pico / FLASH_FILE).read_text())
    assert (record["port"], record["serial_number"], record["usb_id"]) == (port, "E660", PICO_ID)


def test_the_port_that_a_board_will_have_may_be_named_where_the_tool_needs_none(
    pico: Path, desk: Desk, tools: FakeTools, tmp_path: Path
) -> None:
    tools.add("picotool")

    def flashed() -> None:
        if tools.calls:
            desk.plug("ttyACM0", PICO_ID, "1", engine_with(identity_in(pico)))
        else:
            desk.later(flashed)

    desk.later(flashed)
    assert flash(pico, "--port", str(tmp_path / "dev/ttyACM0")) == 0


@pytest.mark.parametrize("runner", ["pyocd", "bossac"])
def test_wests_runner_for_a_probe_needs_no_port_and_bossac_takes_the_one_that_is_there(
    runner: str, tiny_model: bytes, tmp_path: Path, desk: Desk, tools: FakeTools
) -> None:
    tools.add("west", runner)
    tools.add_zephyr()
    folder = silicon_folder(tiny_model, tmp_path / "build", "nano33ble", lambda _: ZEPHYR, "zephyr")

    def flashed() -> None:
        if tools.calls:
            desk.plug("ttyACM5", NANO_ID, "1", engine_with(identity_in(folder)))
        else:
            desk.later(flashed)

    if runner == "bossac":
        port = desk.plug("ttyACM0", NANO_ID, "1", engine_with(identity_in(folder)))
    else:
        desk.later(flashed)
    assert flash(folder) == 0
    (call,) = tools.calls
    assert call[5:] == ["--runner", runner, *(["--bossac-port", port] if runner == "bossac" else [])]


def test_a_tool_that_fails_is_quoted_and_the_old_record_is_gone(
    nucleo: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.plug("ttyACM0", STLINK, "1", engine_with(identity_in(nucleo)))
    assert flash(nucleo) == 0 and (nucleo / FLASH_FILE).exists()
    tools.add("west", says="FATAL ERROR: the probe is on fire", status=3)
    said = refused(capsys, "flash", "--build", nucleo, status=1, words="FATAL ERROR: the probe is on fire")
    assert "could not put the image onto nucleo-h743zi" in said
    assert not (nucleo / FLASH_FILE).exists()


def test_a_board_that_was_unplugged_and_comes_back_under_another_name_is_found(
    pico: Path, desk: Desk, tools: FakeTools, tmp_path: Path
) -> None:
    tools.add("picotool")
    desk.plug("ttyACM0", PICO_ID, "E660", ToyEngine())
    desk.plug("ttyACM1", PICO_ID, "OTHER", ToyEngine())

    def gone() -> None:
        if tools.calls:
            desk.unplug("ttyACM0")
            nothing = lambda: None  # noqa: E731
            desk.later(nothing, nothing, back)
        else:
            desk.later(gone)

    def back() -> None:
        desk.plug("ttyACM5", PICO_ID, "E660", engine_with(identity_in(pico)))

    desk.later(gone)
    port = str(tmp_path / "dev" / "ttyACM0")
    assert flash(pico, "--port", port) == 0
    record = json.loads((pico / FLASH_FILE).read_text())
    assert Path(record["port"]).name == "ttyACM5" and record["serial_number"] == "E660"
    assert tools.calls[0][-3:] == ["-f", "--ser", "E660"]


def test_a_board_that_comes_back_silent_is_told(
    nucleo: Path, desk: Desk, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.plug("ttyACM0", STLINK, "1")
    said = refused(capsys, "flash", "--build", nucleo, status=1, words="no answer")
    assert "reset button" in said and not (nucleo / FLASH_FILE).exists()


def test_a_port_that_may_not_be_opened_is_told_with_its_fix(
    nucleo: Path,
    desk: Desk,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def denied(port: str, baud: int, patience: float) -> object:
        raise InputError(f"You may not open {port}: permission denied.", "Add yourself to the group.")

    desk.plug("ttyACM0", STLINK, "1")
    monkeypatch.setattr("edgekit.bench.identify.ask_identity", denied)
    said = refused(capsys, "flash", "--build", nucleo, status=1, words="permission denied")
    assert "Add yourself" in said


@pytest.mark.parametrize("mounted", [True, False])
def test_a_uf2_file_is_copied_onto_the_boot_loaders_drive(
    mounted: bool,
    pico: Path,
    desk: Desk,
    tmp_path: Path,
    tools: FakeTools,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without picotool; the board is in its boot loader, or is restarted into it by the touch of its port."""
    drive = tmp_path / "media" / "RPI-RP2"
    copied = drive / "firmware.uf2"

    def touched() -> None:
        if desk.baud("ttyACM0") == termios.B1200:
            desk.unplug("ttyACM0")
            mount()
        else:
            desk.later(touched)

    def mount() -> None:
        desk.drives.append(boot_drive(drive))
        desk.later(restart)

    def restart() -> None:
        if copied.exists():
            desk.plug("ttyACM0", PICO_ID, "E660", engine_with(identity_in(pico)))
        else:
            desk.later(restart)

    if mounted:
        desk.later(mount)
    else:
        desk.plug("ttyACM0", PICO_ID, "E660", ToyEngine())
        desk.later(touched)
    assert flash(pico) == 0
    assert parse_uf2(copied.read_bytes()) == {0x1000_0000 + 256 * i: b"x" * 256 for i in range(3)} | {
        0x1000_0300: b"x" * 232
    }
    record = json.loads((pico / FLASH_FILE).read_text())
    assert record["method"] == "picotool"
    lines = record["commands"]
    assert lines[-1].startswith("cp ") and (len(lines) == 1) is mounted
    if not mounted:
        assert lines[0].startswith("stty -F ") and lines[0].endswith(" 1200 hupcl")


def parse_uf2(content: bytes) -> dict[int, bytes]:
    """Return address to payload of a UF2 file, read by its specification and not by edgekit."""
    assert len(content) % 512 == 0
    found = {}
    count = len(content) // 512
    for number in range(count):
        block = content[512 * number : 512 * (number + 1)]
        words = [int.from_bytes(block[at : at + 4], "little") for at in range(0, 32, 4)]
        assert words[0] == 0x0A324655 and words[1] == 0x9E5D5157 and block[508:] == b"\x30\x6f\xb1\x0a"
        assert words[2] & 0x2000 and words[7] == 0xE48BFF56, "for another chip"
        assert words[5] == number and words[6] == count
        found[words[3]] = block[32 : 32 + words[4]]
    return found


def test_a_pico_that_is_not_in_its_boot_loader_is_told_what_to_press(
    pico: Path, desk: Desk, tools: FakeTools, impatient: None, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, "flash", "--build", pico, status=1, words="No drive of an RP2040")
    assert said.count("Hold the BOOTSEL button") == 2 and not (pico / FLASH_FILE).exists()


def test_a_boot_loader_whose_drive_nobody_mounts_is_told(
    pico: Path,
    desk: Desk,
    tools: FakeTools,
    impatient: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    device = tmp_path / "sys" / "bus" / "usb" / "devices" / "1-2"
    device.mkdir(parents=True)
    (device / "idVendor").write_text("2e8a\n")
    (device / "idProduct").write_text("0003\n")
    for module in (uf2, survey):
        monkeypatch.setattr(module, "usb_devices", lambda _: usb_devices(System(tmp_path)))
    said = refused(capsys, "flash", "--build", pico, status=1, words="is not mounted")
    assert "udisksctl" in said and "picotool" in said
    assert run(["ports", "--json"]) == 0
    (loader,) = json.loads(capsys.readouterr().out)["boot_loaders"]
    assert loader["usb_id"] == "2E8A:0003" and loader["boards"] == ["rp2040"]


@pytest.mark.parametrize("boot_loader", ["2341:005A", None])
def test_a_nano_is_flashed_at_the_port_that_its_boot_loader_has(
    boot_loader: str | None,
    tiny_model: bytes,
    tmp_path: Path,
    desk: Desk,
    tools: FakeTools,
) -> None:
    """It is touched at 1200 baud and comes back as another device; or it is in its boot loader already and stays."""
    tools.add("bossac")
    images = {"firmware.bin": (b"x", None)}
    folder = silicon_folder(tiny_model, tmp_path / "build", "nano33ble", lambda _: images, "arduino")
    new = engine_with(identity_in(folder))
    port = desk.plug("ttyACM0", "2341:005A" if boot_loader is None else "2341:805A", "N33", ToyEngine())

    def touched() -> None:
        if desk.baud("ttyACM0") != termios.B1200:
            desk.later(touched)
        elif boot_loader is None:
            desk.later(flashed)
        else:
            desk.unplug("ttyACM0")
            desk.later(lambda: None, lambda: desk.plug("ttyACM3", boot_loader, "N33b"), flashed)

    def flashed() -> None:
        if not tools.calls:
            desk.later(flashed)
            return
        desk.unplug("ttyACM3" if boot_loader else "ttyACM0")
        desk.plug("ttyACM1", "2341:805A", "N33", new)

    desk.later(touched)
    assert flash(folder) == 0
    ((_, where, *rest),) = tools.calls
    assert where == (f"--port={tmp_path / 'dev' / 'ttyACM3'}" if boot_loader else f"--port={port}")
    assert rest == ["-U", "-i", "-e", "-w", str(folder / "out" / "firmware.bin"), "-R"]
    assert Path(json.loads((folder / FLASH_FILE).read_text())["port"]).name == "ttyACM1"


@pytest.mark.parametrize(
    ("board", "method", "tool", "says", "words", "hint"),
    [
        ("nucleo-u575zi", "pyocd", "pyocd", "Target type x not recognized.", "does not know", "pack install"),
        ("nucleo-h743zi", "pyocd", "pyocd", "No connected debug probes", "no debug probe", "udev"),
        ("nucleo-l4r5zi", "openocd", "openocd", "open failed", "no debug probe", "udev"),
        ("ek-ra8d1", "jlink", "JLinkExe", "Cannot connect to J-Link.", "no J-Link", "udev"),
        ("rp2040", "picotool", "picotool", "No accessible RP-series devices", "no board", "BOOTSEL"),
        ("rp2040", "picotool", "picotool", "compiled without USB support.", "without libusb", "uf2"),
        ("rp2040", "picotool", "picotool", "picotool was unable\nto connect.", "may not open", "udev"),
        ("teensy41", "teensy_loader", "teensy_loader_cli", "permission", "may not open", "udev"),
        ("nano33ble", "bossac", "bossac", "Device unsupported", "does not know the chip", "arduino-cli"),
        ("nrf5340dk", "west", "west", "ERROR: no probe", "ERROR: no probe", "flash it again"),
        ("esp32c3", "platformio", "pio", "*** [upload] Error 2", "Error 2", "flash it again"),
    ],
)
def test_what_tools_say_is_told_with_what_to_do(
    board: str,
    method: str,
    tool: str,
    says: str,
    words: str,
    hint: str,
    tiny_model: bytes,
    tmp_path: Path,
    desk: Desk,
    tools: FakeTools,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tools.add("west", "JLinkExe")
    tools.add(tool, says=f"begin\n{says}", status=1)
    tools.add_zephyr()
    images = {**PICO, "firmware.hex": (b"x", None), "firmware.bin": (b"x", None)}
    frameworks = {"platformio": "platformio", "bossac": "arduino", "teensy_loader": "arduino"}
    framework = frameworks.get(method, "zephyr")
    folder = silicon_folder(tiny_model, tmp_path / "build", board, lambda _: images, framework)
    if board == "nano33ble":
        desk.plug("ttyACM0", "2341:005A", "1")
    said = refused(capsys, "flash", "--build", folder, "--method", method, status=1, words=words)
    assert hint in said and says.splitlines()[-1] in said
    assert not (folder / FLASH_FILE).exists()


def test_an_image_for_another_chip_is_not_copied(
    tiny_model: bytes, tmp_path: Path, desk: Desk, tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = silicon_folder(tiny_model, tmp_path / "build", "rp2040", lambda _: PICO2, "pico_sdk")
    desk.drives.append(boot_drive(tmp_path / "media"))
    refused(capsys, "flash", "--build", folder, status=1, words="is for an RP2350")
    assert [path.name for path in desk.drives[0].iterdir()] == [uf2.INFO_FILE]


def test_a_full_or_vanished_drive_is_told(
    pico: Path, desk: Desk, tools: FakeTools, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drive = boot_drive(tmp_path / "media")
    (drive / "firmware.uf2").mkdir()
    desk.drives.append(drive)
    said = refused(capsys, "flash", "--build", pico, status=1, words="could not be copied")
    assert "BOOTSEL" in said


@pytest.mark.parametrize("spoil", ["short", "magic", "end", "family", "empty"])
def test_damaged_uf2_files_are_refused(spoil: str, tmp_path: Path) -> None:
    content = bytearray(uf2_file(b"x" * 600, 0xE48BFF56))
    if spoil == "short":
        content = content[:-1]
    elif spoil == "magic":
        content[512] ^= 1
    elif spoil == "end":
        content[1023] ^= 1
    elif spoil == "family":
        content += uf2_file(b"y", 0xE48BFF59)
    else:
        content.clear()
    path = tmp_path / "x.uf2"
    path.write_bytes(content)
    with pytest.raises(InputError):
        uf2.chip_of(path)
    path.write_bytes(uf2_file(b"x" * 600, 0xE48BFF57) + uf2_file(b"x" * 600, 0xE48BFF59))
    assert uf2.chip_of(path) == "RP2350"


SLOW = """#!/bin/sh
echo started > {mark}
exec sleep 60
"""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_ends_the_tool_and_says_what_the_board_may_hold(
    number: int, status: int, nucleo: Path, tools: FakeTools, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    program = tmp_path / "bin" / "west"
    program.write_text(SLOW.format(mark=mark))
    version = '#!/bin/sh\n[ "$1" = --version ] && echo west 1.5.0 && exit 0\n'
    program.write_text(version + SLOW.format(mark=mark).partition("\n")[2])
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/bin:/usr/bin"}
    command = [sys.executable, "-m", "edgekit", "flash", "--build", str(nucleo)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        end = time.monotonic() + 30
        while not mark.exists():
            assert time.monotonic() < end and process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == status
    assert "may hold a part of the image" in said and "nothing half-written" not in said
    assert not (nucleo / FLASH_FILE).exists()
    children = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=False)
    assert f"{nucleo}" not in children.stdout


def test_a_board_that_restarts_when_opened_and_needs_dtr_is_identified() -> None:
    with FirmwareBoard(ToyEngine) as board:
        answer = ask_identity(board.url, 115_200, 3.0)
        assert answer.identity is not None and answer.identity.board == "toy"
        assert board.starts >= 2
        port = serial.serial_for_url(board.url, timeout=0.2, do_not_open=True)
        port.dtr = False
        port.open()
        port.write(b"name%")
        assert port.read(100) == b"", "the board should say nothing as long as DTR is low"
        port.close()


def test_what_is_connected_is_listed_and_asked_only_when_that_is_wished_for(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = desk.plug("ttyACM0", PICO_ID, "E660", ToyEngine())
    silent = desk.plug("ttyUSB0", "10C4:EA60", "0001")
    desk.drives.append(boot_drive(tmp_path / "RP2350", "RP2350"))
    capsys.readouterr()
    assert run(["ports", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.ports/1"
    found = {entry["port"]: entry for entry in document["ports"]}
    assert found[port]["boards"] == ["rp2040"] and found[port]["answer"] is None
    assert set(found[silent]["boards"]) == {"esp32", "esp32c3", "esp32p4", "esp32s3"}
    (loader,) = document["boot_loaders"]
    assert loader["drive"] == str(desk.drives[0]) and loader["boards"] == ["rp2350"]
    assert run(["ports", "--identify", "--json"]) == 0
    found = {entry["port"]: entry for entry in json.loads(capsys.readouterr().out)["ports"]}
    assert found[port]["identity"]["board"] == "toy" and found[port]["answer"] == "toy, build test"
    assert found[silent]["identity"] is None and found[silent]["answer"] == "no answer"
    assert run(["ports"]) == 0
    printed = capsys.readouterr().out
    assert "rp2040" in printed and "an RP2350's boot loader, which waits for a UF2 file: rp2350" in printed
