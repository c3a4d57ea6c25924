"""The commands of each way onto a board, against the options that its tool documents."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import refused
from flash_tools import FakeTools, tools
from silicon import Images, silicon_folder

from edgekit.boards.catalog import load_catalog
from edgekit.boards.profile import FlashMethod
from edgekit.cli.main import run
from edgekit.flash import ports, uf2
from edgekit.flash.flashers import FLASHERS
from edgekit.flash.ports import PortInfo

__all__ = ["tools"]

# What each tool documents, from its own help or page: tool and subcommand, version, options with a value, flags.
DOCUMENTED: dict[str, tuple[str, frozenset[str], frozenset[str]]] = {
    "esptool": ("5.6.0", frozenset({"--chip", "--port", "--baud", "--before", "--after"}), frozenset()),
    "write-flash": ("5.6.0", frozenset({"--flash-mode", "--flash-freq", "--flash-size"}), frozenset()),
    "picotool load": ("2.3.0", frozenset({"--ser", "-t", "-o"}), frozenset({"-v", "-x", "-f", "-F", "-u"})),
    "pyocd load": ("0.46.0", frozenset({"--target", "--uid"}), frozenset({"--no-wait", "--no-reset"})),
    "openocd": ("0.12.0", frozenset({"-f", "-c", "-s"}), frozenset()),
    "JLinkExe": (
        "Zephyr 4.2's runner",
        frozenset({"-nogui", "-if", "-speed", "-device", "-AutoConnect", "-ExitOnError", "-CommanderScript"}),
        frozenset(),
    ),
    "west flash": (
        "Zephyr 4.2",
        frozenset({"--build-dir", "--runner", "--bossac-port"}),
        frozenset({"--skip-rebuild"}),
    ),
    "pio run": ("6.2.0", frozenset({"--project-dir", "--target", "--upload-port"}), frozenset()),
    "bossac": ("1.9.1-arduino2", frozenset({"--port"}), frozenset({"-U", "-i", "-e", "-w", "-R", "-v"})),
    "adafruit-nrfutil dfu genpkg": ("0.5.3", frozenset({"--dev-type", "--application"}), frozenset()),
    "adafruit-nrfutil dfu serial": (
        "0.5.3",
        frozenset({"--package", "--port", "--baudrate", "--touch"}),
        frozenset({"--singlebank"}),
    ),
    "teensy_loader_cli": ("2.3", frozenset({"--mcu"}), frozenset({"-v", "-w", "-s", "-n", "-r"})),
    "stty": ("coreutils", frozenset({"-F", "-f"}), frozenset()),
}


def check_options(command: list[str]) -> None:
    """Check that a command has no option that its tool does not document, and a value where one is needed."""
    names = [name for name in DOCUMENTED if command[: len(name.split())] == name.split()]
    assert names, f"nothing is known of {command}"
    _, valued, flags = DOCUMENTED[names[-1]]
    words = command[len(names[-1].split()) :]
    while words:
        word = words.pop(0)
        name, equals, _ = word.partition("=")
        if word == "write-flash":
            _, valued, flags = DOCUMENTED["write-flash"]
        elif name in valued:
            assert equals or words.pop(0)
        elif word.startswith("-"):
            assert word in flags, f"{word} is no option of {names[-1]}"


def uf2_file(content: bytes, family: int, address: int = 0x1000_0000) -> bytes:
    """Return ``content`` as a UF2 file."""
    parts = [content[at : at + 256] for at in range(0, len(content), 256)]
    blocks = []
    for number, part in enumerate(parts):
        head = (0x0A324655, 0x9E5D5157, 0x2000, address + 256 * number, len(part), number, len(parts), family)
        block = b"".join(value.to_bytes(4, "little") for value in head) + part.ljust(476, b"\0")
        blocks.append(block + (0x0AB16F30).to_bytes(4, "little"))
    return b"".join(blocks)


ESP: Images = {"bootloader.bin": (b"b", 0), "partition-table.bin": (b"p", 0x8000), "app.bin": (b"a", 0x10000)}
ESP32: Images = {**ESP, "bootloader.bin": (b"b", 0x1000)}
S3 = {"chip": "esp32s3", "mode": "dio", "freq": "80m", "size": "8MB"}
PICO: Images = {"firmware.uf2": (uf2_file(b"x" * 1000, 0xE48BFF56), None)}
PICO2: Images = {"firmware.uf2": (uf2_file(b"x" * 1000, 0xE48BFF59), None)}
ZEPHYR: Images = {"zephyr/zephyr.hex": (b":00000001FF\n", None)}
HEX: Images = {"firmware.hex": (b":00000001FF\n", None)}
BIN: Images = {"firmware.bin": (b"x", None)}

# Board, framework and method (None: the board's own), images, settings, tools that are there, and the commands, with
# OUT, DIR and P for the folders and the port.
Case = tuple[str, str | None, str | None, Images, dict[str, str], tuple[str, ...], list[str]]
CASES: dict[str, Case] = {
    "esp32s3": (
        "esp32s3",
        None,
        None,
        ESP,
        S3,
        ("esptool",),
        [
            "esptool --chip esp32s3 --port P --baud 460800 --before default-reset --after hard-reset write-flash "
            "--flash-mode dio --flash-freq 80m --flash-size 8MB "
            "0x0 OUT/bootloader.bin 0x8000 OUT/partition-table.bin 0x10000 OUT/app.bin"
        ],
    ),
    "esp32": (
        "esp32",
        None,
        None,
        ESP32,
        {},
        ("esptool",),
        [
            "esptool --chip esp32 --port P --baud 460800 --before default-reset --after hard-reset write-flash "
            "0x1000 OUT/bootloader.bin 0x8000 OUT/partition-table.bin 0x10000 OUT/app.bin"
        ],
    ),
    "picotool": (
        "rp2040",
        "pico_sdk",
        None,
        PICO,
        {},
        ("picotool",),
        ["picotool load -v -x OUT/firmware.uf2 -f"],
    ),
    "pico2": (
        "rp2350",
        "pico_sdk",
        None,
        PICO2,
        {},
        (),
        ["stty -F P 1200 hupcl", "cp OUT/firmware.uf2 DRIVE"],
    ),
    "pico-by-probe": (
        "rp2040",
        "pico_sdk",
        "openocd",
        PICO,
        {},
        ("openocd",),
        [
            "openocd -f interface/cmsis-dap.cfg -f target/rp2040.cfg -c 'adapter speed 5000' "
            "-c 'program {OUT/firmware.elf} verify reset exit'"
        ],
    ),
    "disco": (
        "stm32f746g-disco",
        "zephyr",
        None,
        ZEPHYR,
        {},
        ("west", "openocd"),
        ["west flash --build-dir OUT --skip-rebuild --runner openocd"],
    ),
    "nucleo-h7-cube": (
        "nucleo-h743zi",
        "zephyr",
        None,
        ZEPHYR,
        {},
        ("west", "openocd", "STM32_Programmer_CLI"),
        ["west flash --build-dir OUT --skip-rebuild --runner stm32cubeprogrammer"],
    ),
    "nucleo-h7-pyocd": (
        "nucleo-h743zi",
        "zephyr",
        "pyocd",
        ZEPHYR,
        {},
        ("pyocd",),
        ["pyocd load --no-wait --target stm32h743xx OUT/zephyr/zephyr.hex"],
    ),
    "nucleo-u5-openocd": (
        "nucleo-u575zi",
        "zephyr",
        "openocd",
        ZEPHYR,
        {},
        ("openocd",),
        [
            "openocd -f interface/stlink.cfg -f target/stm32u5x.cfg "
            "-c 'program {OUT/zephyr/zephyr.hex} verify reset exit'"
        ],
    ),
    "nrf-dk": (
        "nrf5340dk",
        "zephyr",
        None,
        ZEPHYR,
        {},
        ("west", "JLinkExe"),
        ["west flash --build-dir OUT --skip-rebuild --runner jlink"],
    ),
    "ra8-jlink": (
        "ek-ra8d1",
        "zephyr",
        "jlink",
        ZEPHYR,
        {},
        ("JLinkExe",),
        [
            "printf '%s\\n' 'loadfile \"OUT/zephyr/zephyr.hex\"' r g exit > OUT/flash.jlink",
            "JLinkExe -nogui 1 -if swd -speed 4000 -device R7FA8D1BH -AutoConnect 1 -ExitOnError 1 "
            "-CommanderScript OUT/flash.jlink",
        ],
    ),
    "nano-zephyr": (
        "nano33ble",
        "zephyr",
        None,
        ZEPHYR,
        {},
        ("west", "bossac"),
        ["west flash --build-dir OUT --skip-rebuild --runner bossac --bossac-port P"],
    ),
    "nano-arduino": (
        "nano33ble",
        "arduino",
        None,
        BIN,
        {},
        ("bossac",),
        ["stty -F P 1200 hupcl", "bossac --port=P -U -i -e -w OUT/firmware.bin -R"],
    ),
    "nano-adafruit": (
        "nano33ble",
        "arduino",
        "nrfutil",
        HEX,
        {},
        ("adafruit-nrfutil",),
        [
            "adafruit-nrfutil dfu genpkg --dev-type 0x0052 --application OUT/firmware.hex OUT/firmware.zip",
            "adafruit-nrfutil dfu serial --package OUT/firmware.zip --port P --baudrate 115200 --singlebank "
            "--touch 1200",
        ],
    ),
    "teensy": (
        "teensy41",
        "arduino",
        None,
        HEX,
        {},
        ("teensy_loader_cli",),
        ["teensy_loader_cli --mcu=TEENSY41 -v -w -s OUT/firmware.hex"],
    ),
    "platformio-serial": (
        "esp32s3",
        "platformio",
        None,
        BIN,
        {},
        ("pio",),
        ["pio run --project-dir DIR --target nobuild --target upload --upload-port P"],
    ),
    "platformio-probe": (
        "nucleo-l4r5zi",
        "platformio",
        None,
        BIN,
        {},
        ("pio",),
        ["pio run --project-dir DIR --target nobuild --target upload"],
    ),
}


@pytest.fixture
def make(tiny_model: bytes, tmp_path: Path) -> Callable[..., Path]:
    def folder(board: str, images: Images, framework: str | None = None, **settings: str) -> Path:
        path = tmp_path / "a folder" / "build"
        path.parent.mkdir()
        return silicon_folder(tiny_model, path, board, lambda _: images, framework, **settings)

    return folder


@pytest.mark.parametrize("name", CASES)
def test_a_dry_run_prints_the_documented_commands_and_runs_nothing(
    name: str,
    make: Callable[..., Path],
    tools: FakeTools,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    board, framework, method, images, settings, installed, expected = CASES[name]
    tools.add(*installed)
    monkeypatch.setenv("ZEPHYR_BASE", str(tools.add_zephyr()))
    folder = make(board, images, framework, **settings)
    monkeypatch.setattr(ports, "list_ports", lambda: (PortInfo("/dev/ttyACM7", load(board), "5"),))
    monkeypatch.setattr(uf2, "mount_points", lambda: iter(()))
    capsys.readouterr()
    extra = ["--method", method] if method else []
    assert run(["flash", "--build", str(folder), "--dry-run", *extra]) == 0
    printed = capsys.readouterr()
    lines = [shlex.split(line) for line in printed.out.splitlines()]
    assert lines == [[place(word, folder) for word in shlex.split(line)] for line in expected], printed.out
    for line in lines:
        if line[0] not in ("cp", "printf"):
            check_options(line)
    assert not tools.calls and not (folder / "flash.json").exists() and not (folder / "flash.log").exists()


def load(board: str) -> str:
    """Return a USB id of a board."""
    (first, *_) = load_catalog()[board].usb_ids
    return first.replace("*", "0105")


def place(word: str, folder: Path) -> str:
    return re.sub(r"\bOUT\b", str(folder / "out"), re.sub(r"(?<![A-Z])P\b", "/dev/ttyACM7", word)).replace(
        "DIR", str(folder)
    )


def test_every_method_of_a_board_and_every_documented_one_has_a_flasher() -> None:
    from typing import get_args

    assert set(get_args(FlashMethod)) - {"ssh"} <= set(FLASHERS)
    covered = {CASES[name][2] or load_catalog()[CASES[name][0]].flash_method for name in CASES}
    assert set(FLASHERS) - covered <= {"qemu", "platformio", "uf2", "ssh", "bossac", "pyocd"}


def test_the_check_of_options_can_fail() -> None:
    with pytest.raises(AssertionError):
        check_options(["pyocd", "load", "--no-such-option", "x.hex"])
    with pytest.raises(AssertionError):
        check_options(["no-such-tool"])


def test_platformios_own_parser_takes_its_command(
    make: Callable[..., Path], tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = pytest.importorskip("platformio.run.cli", reason="PlatformIO is not installed").cli
    tools.add("pio")
    folder = make("esp32s3", BIN, "platformio")
    (folder / "platformio.ini").touch()
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run", "--port", "/dev/ttyACM7"]) == 0
    words = shlex.split(capsys.readouterr().out)
    assert words[:2] == ["pio", "run"]
    with parser.make_context("run", words[2:]) as context:
        assert context.params["target"] == ("nobuild", "upload")
        assert context.params["upload_port"] == "/dev/ttyACM7"
        assert Path(context.params["project_dir"]) == folder


@pytest.mark.parametrize(("version", "dash"), [("esptool.py v4.8.1", "_"), ("esptool v5.6.0", "-")])
def test_esptool_4_is_told_its_own_words(
    version: str, dash: str, make: Callable[..., Path], tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.add("esptool", version=version)
    folder = make("esp32c3", ESP, None, mode="dio", before="default_reset", after="hard_reset")
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run", "--port", "/dev/x", "--baud", "115200"]) == 0
    words = shlex.split(capsys.readouterr().out)
    for word in ("default-reset", "hard-reset", "write-flash"):
        assert word.replace("-", dash) in words
    assert f"--flash{dash}mode" in words and words[words.index("--baud") + 1] == "115200"


def test_west_is_told_where_zephyr_is_when_the_environment_does_not_say(
    make: Callable[..., Path], tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.add("west", "openocd")
    base = tools.add_zephyr()
    folder = make("nucleo-l4r5zi", ZEPHYR, "zephyr")
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run"]) == 0
    assert shlex.split(capsys.readouterr().out)[:3] == [f"ZEPHYR_BASE={base}", "west", "flash"]


def test_west_is_told_of_a_linked_zephyr_by_its_link_as_for_the_build(
    make: Callable[..., Path],
    tools: FakeTools,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """West looks for the workspace in the folders that Zephyr is said to lie in; a link may be the only way there."""
    tools.add("west", "openocd")
    base = tools.add_zephyr()
    (tmp_path / "workspace").mkdir()
    link = tmp_path / "workspace" / "zephyr"
    link.symlink_to(base)
    folder = make("nucleo-l4r5zi", ZEPHYR, "zephyr")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZEPHYR_BASE", "workspace/zephyr")
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run"]) == 0
    assert shlex.split(capsys.readouterr().out)[0] == f"ZEPHYR_BASE={link}"


@pytest.mark.parametrize(
    ("board", "framework", "tool"),
    [("esp32c3", None, "esptool"), ("nano33ble", "arduino", "bossac"), ("nucleo-l4r5zi", "zephyr", "west")],
)
def test_a_dry_run_works_without_the_tool_and_says_that_it_is_missing(
    board: str,
    framework: str | None,
    tool: str,
    make: Callable[..., Path],
    tools: FakeTools,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("edgekit.build.flash_tools.find_spec", lambda name: None)
    folder = make(board, {**ESP, **BIN}, framework)
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run", "--port", "/dev/x"]) == 0
    printed = capsys.readouterr()
    assert shlex.split(printed.out.splitlines()[-1])[0] == tool
    assert f"{tool} is not installed here. Install" in printed.err


def test_before_a_build_the_first_command_builds(
    make: Callable[..., Path], tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.add("esptool")
    folder = make("esp32c3", ESP)
    (folder / "build.json").unlink()
    capsys.readouterr()
    assert run(["flash", "--build", str(folder), "--dry-run", "--port", "/dev/x"]) == 0
    build, flash = capsys.readouterr().out.splitlines()
    assert shlex.split(build) == ["edgekit", "build", "--build", str(folder)]
    assert flash.startswith("(cd ") and flash.endswith("write-flash @flash_args)")
    assert subprocess.run(["/bin/sh", "-n", "-c", flash], check=False).returncode == 0


@pytest.mark.parametrize(
    ("board", "framework", "installed", "words"),
    [
        ("esp32c3", None, (), "esptool"),
        ("nucleo-h743zi", "zephyr", (), "west is needed"),
        ("nucleo-u575zi", "zephyr", ("west",), "Zephyr is needed"),
        ("nucleo-h743zi", "zephyr", ("west",), "STM32_Programmer_CLI or openocd or pyocd or JLinkExe"),
        ("teensy41", "arduino", (), "teensy_loader_cli"),
        ("nano33ble", "arduino", (), "bossac"),
        ("esp32c3", "platformio", (), "pio"),
    ],
)
def test_a_missing_tool_is_named_with_what_installs_it(
    board: str,
    framework: str | None,
    installed: tuple[str, ...],
    words: str,
    make: Callable[..., Path],
    tools: FakeTools,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("edgekit.build.flash_tools.find_spec", lambda name: None)
    tools.add(*installed)
    if "Zephyr" not in words:
        tools.add_zephyr()
    folder = make(board, BIN, framework)
    said = refused(capsys, "flash", "--build", folder, status=1, words=words)
    assert "http" in said
    assert not (folder / "flash.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--method", "picotool"], "cannot put "),
        (["--method", "openocd"], "cannot put "),
        (["--method", "nothing"], "no way of flashing"),
        (["--method", "qemu"], "cannot put "),
        (["--method", "ssh", "--target", "me@there"], "does not run Linux"),
        (["--target", "me@there"], "takes no --target"),
        (["--threads", "2"], "takes no --threads"),
        (["--python", "python3"], "takes no --python"),
        (["--wheels", "wheels"], "takes no --wheels"),
    ],
)
def test_a_way_that_leads_nowhere_is_refused(
    arguments: list[str],
    words: str,
    make: Callable[..., Path],
    tools: FakeTools,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tools.add("esptool", "picotool", "openocd")
    folder = make("esp32c3", ESP)
    for more in ([], ["--dry-run"]):
        refused(capsys, "flash", "--build", folder, *arguments, *more, words=words)
    assert not tools.calls


def test_a_network_port_is_refused_where_the_tool_cannot_use_it(
    make: Callable[..., Path], tools: FakeTools, capsys: pytest.CaptureFixture[str]
) -> None:
    tools.add("bossac")
    folder = make("nano33ble", BIN, "arduino")
    refused(capsys, "flash", "--build", folder, "--port", "rfc2217://pi:4000", words="cannot flash over")
