"""``edgekit flash`` with the real esptool against a virtual ESP32-C3: sync, detect, write, verify, reset, identity."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import refused
from fake_lines import ToyEngine
from flash_tools import FakeTools, tools
from silicon import Images, app_of, engine_of, engine_with, identity_in, silicon_folder
from virtual_esp import APP, VirtualEsp

from edgekit.bench.identify import ask_identity
from edgekit.cli.main import run
from edgekit.flash.board import port_of
from edgekit.flash.record import FLASH_FILE, FLASH_LOG

pytest.importorskip("esptool", reason="esptool is not installed (pip install esptool)")
__all__ = ["tools"]

SETTINGS = {"chip": "esp32c3", "mode": "dio", "freq": "80m", "size": "4MB"}
BOOT = random.Random(1).randbytes(20_000)

# The real esptool, with less patience: pyserial sleeps 50 ms after each of hundreds of settings of an RFC 2217 server.
ESPTOOL = """#!{python}
import sys, time, types
import serial.rfc2217
real = time.sleep
serial.rfc2217.time = types.SimpleNamespace(sleep=lambda s: real(min(s, 0.002)), time=time.time)
import esptool
import esptool.loader
esptool.loader.WRITE_BLOCK_ATTEMPTS = 1
sys.argv[1:1] = {extra!r} if sys.argv[1:] != ["version"] else []
sys.exit(esptool._main())
"""


def images(folder: Path) -> Images:
    """What the SDK would have built: an app that the virtual chip runs, and something before it."""
    app = app_of(identity_in(folder)) + random.Random(2).randbytes(3_000) * 20
    return {"bootloader.bin": (BOOT, 0), "app.bin": (app, APP)}


@pytest.fixture
def folder(tiny_model: bytes, tmp_path: Path) -> Path:
    return silicon_folder(tiny_model, tmp_path / "build", "esp32c3", images, **SETTINGS)


@pytest.fixture
def esptool(tools: FakeTools, tmp_path: Path) -> Callable[..., None]:
    """Install the real esptool under its name, as the only program."""

    def install(*extra: str) -> None:
        script = tmp_path / "esptool-real"
        script.write_text(ESPTOOL.format(python=sys.executable, extra=list(extra)))
        script.chmod(0o755)
        tools.add_program("esptool", script)

    return install


def test_the_image_is_written_verified_started_and_identified(
    folder: Path, esptool: Callable[..., None]
) -> None:
    esptool()
    with VirtualEsp(engine_of, scheme="socket") as esp:
        assert run(["flash", "--build", str(folder), "--port", esp.url]) == 0
        for name, address in (("bootloader.bin", 0), ("app.bin", APP)):
            content = (folder / "out" / name).read_bytes()
            assert esp.flash[address : address + len(content)] == content
        assert esp.flash.count(0xFF, 0x300000) == len(esp.flash) - 0x300000
        assert esp.commands[0x13] == 2, "each file is to be verified"
        record = json.loads((folder / FLASH_FILE).read_text())
        assert record["method"] == "esptool" and record["port"] == esp.url == port_of(folder)
        assert record["identity"]["build"] == identity_in(folder)["build"] != ""
        assert "Hash of data verified" in (folder / FLASH_LOG).read_text()
        assert record["commands"][0].startswith(f"esptool --chip esp32c3 --port {esp.url} --baud 460800")


def test_the_circuit_of_a_board_resets_it_into_the_loader_and_out_again(
    folder: Path, esptool: Callable[..., None]
) -> None:
    esptool()
    with VirtualEsp(engine_of) as esp:
        assert run(["flash", "--build", str(folder), "--port", f"{esp.url}?ign_set_control"]) == 0
        assert esp.resets >= 3  # power, into the loader, out of it
        assert esp.flash[APP : APP + 6] == b"EKTEST"


def test_a_board_without_the_circuit_is_told_which_buttons_to_press(
    folder: Path, esptool: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    esptool("--connect-attempts", "1")
    with VirtualEsp(lambda app: ToyEngine(), auto_reset=False) as esp:
        said = refused(
            capsys,
            "flash",
            "--build",
            folder,
            "--port",
            esp.url,
            status=1,
            words="could not put the image onto",
        )
        assert "Hold BOOT, press and release RESET" in said
        assert not (folder / FLASH_FILE).exists() and not esp.commands


def test_firmware_that_was_there_before_is_not_taken_for_the_new_one(
    folder: Path, esptool: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    esptool()
    old = {**identity_in(folder), "build": "yesterday"}
    (folder / FLASH_FILE).write_text("{}")
    with VirtualEsp(lambda app: engine_with(old), scheme="socket") as esp:
        (folder / FLASH_FILE).unlink()
        said = refused(
            capsys, "flash", "--build", folder, "--port", esp.url, status=1, words="still runs another image"
        )
        assert "'yesterday'" in said and identity_in(folder)["build"] in said
        assert not (folder / FLASH_FILE).exists()


@pytest.mark.parametrize(
    ("faults", "words", "hint"),
    [
        ({"flips": True}, "what was written is not what was sent", "--baud 115200"),
        ({"chip_id": 9}, "the chip at this port is another one", "--port"),
        ({"unplug_after": 3}, "the connection was lost while", "flash it again"),
    ],
)
def test_what_goes_wrong_is_told_and_no_record_is_left(
    faults: dict[str, int],
    words: str,
    hint: str,
    folder: Path,
    esptool: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    esptool()
    with VirtualEsp(engine_of, scheme="socket", **faults) as esp:  # type: ignore[arg-type]
        said = refused(capsys, "flash", "--build", folder, "--port", esp.url, status=1, words=words)
        assert hint in said, said
        assert not (folder / FLASH_FILE).exists()


@pytest.mark.parametrize("request_id", [1, 0xE5000001, 0x98FE0001])
def test_the_loader_and_an_empty_flash_are_told_apart_from_firmware(
    request_id: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The request's bytes are no packet of the loader's, also if 0xC0 or 0xDB, which delimit and escape, go
    # over the line (request ids are sent with each byte changed by 0x25).
    monkeypatch.setattr("edgekit.bench.client.random.getrandbits", lambda bits: request_id)
    with VirtualEsp(engine_of, scheme="socket") as esp:
        assert str(ask_identity(esp.url, 115_200, 0.3)) == "it is in download mode"
        assert str(ask_identity(esp.url, 115_200, 0.3)) in ("an ESP32 without firmware", "no answer")
