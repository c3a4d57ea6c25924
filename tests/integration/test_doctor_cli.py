"""``edgekit doctor`` as a whole, on computers that are folders and on this one."""

from __future__ import annotations

import json
import os
import pty
import shutil
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fake_tools
import pytest
from command_line import edgekit, refused
from fake_system import USER, FakeSystem
from firmware_folder import export_folder

from edgekit.boards.catalog import get_board
from edgekit.build.drivers import Request
from edgekit.build.drivers.zephyr import find_zephyr_sdk, zephyr_sdk_version
from edgekit.cli.main import run
from edgekit.codegen.record import load_project
from edgekit.doctor.boot import check_boot_loaders, uf2_drives
from edgekit.doctor.examine import examine
from edgekit.doctor.finding import Finding
from edgekit.doctor.system import System, is_usb_id_of, usb_devices
from edgekit.doctor.toolchains import FLASHERS, check_toolchains
from edgekit.doctor.udev import check_raw_usb


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any SDK and with nothing but CMake and compilers on the path."""
    for name in (
        "IDF_PATH",
        "ZEPHYR_BASE",
        "PICO_SDK_PATH",
        "ZEPHYR_SDK_INSTALL_DIR",
        "ZEPHYR_TOOLCHAIN_VARIANT",
        "PICO_TOOLCHAIN_PATH",
    ):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setattr("edgekit.build.flash_tools.find_spec", lambda name: None)
    (tmp_path / "bin").mkdir()
    return home


def levels(board: str) -> dict[str, str]:
    """Return level by check of what is found on the tools for a board; what is wrong has a fix."""
    findings = check_toolchains(get_board(board))
    assert all(finding.fix for finding in findings if finding.level != "ok")
    return {finding.check: finding.level for finding in findings}


def test_each_frameworks_tools_are_missed_and_found(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert levels("esp32s3") == {"tool.idf.py": "problem", "tool.esptool": "problem"}
    assert levels("nrf5340dk")["tool.zephyr"] == levels("nrf5340dk")["tool.zephyr-sdk"] == "problem"
    assert levels("rp2350")["tool.pico-sdk"] == "problem" and levels("rp2350")["tool.cmake"] == "ok"
    fake_tools.make_idf(bare / "esp/esp-idf")
    base = fake_tools.make_zephyr(bare / "zephyrproject")
    monkeypatch.setenv("ZEPHYR_SDK_INSTALL_DIR", str(base.parent / "zephyr-sdk-0.17.4"))
    sdk = fake_tools.make_pico_sdk(bare / "pico-sdk")
    fake_tools.make_tools(tmp_path / "bin", "west")
    assert levels("esp32s3")["tool.idf.py"] == "ok"
    assert levels("nrf5340dk").pop("tool.runner") == "problem"
    (tmp_path / "bin/JLinkExe").symlink_to("/bin/true")
    assert set(levels("nrf5340dk").values()) == {"ok"}
    assert levels("rp2350")["tool.tinyusb"] == "problem"
    (sdk / "lib/tinyusb/src").mkdir(parents=True)
    (sdk / "lib/tinyusb/src/tusb.h").touch()
    # picotool is not needed: an image can be copied onto the drive.
    assert set(levels("rp2350").values()) == {"ok", "note"}


def test_what_is_too_old_is_a_problem_for_the_board_that_needs_more(bare: Path) -> None:
    fake_tools.make_idf(bare / "esp/esp-idf", "5.2.3")
    assert levels("esp32c3")["tool.idf.py"] == "ok"
    assert levels("esp32p4")["tool.idf.py"] == "problem"  # 5.3 or later


def test_an_sdk_that_only_cmake_knows_of_is_found_by_doctor_and_build(bare: Path, tmp_path: Path) -> None:
    """Zephyr SDK's setup script has CMake remember it wherever it is."""
    fake_tools.make_zephyr(bare / "zephyrproject")
    fake_tools.make_tools(tmp_path / "bin", "west")
    registry = bare / ".cmake/packages/Zephyr-sdk"
    registry.mkdir(parents=True)
    assert levels("nrf5340dk")["tool.zephyr-sdk"] == "problem"
    (registry / "0a1b").write_bytes(b"\xff\xfe\n")
    (registry / "0c2d").write_text(f"{tmp_path}/removed/cmake\n")
    assert levels("nrf5340dk")["tool.zephyr-sdk"] == "problem" and find_zephyr_sdk() is None
    sdk = (bare / "zephyrproject/zephyr-sdk-0.17.4").rename(tmp_path / "elsewhere")
    (registry / "0e3f").write_text(f"{sdk}/cmake\n")
    assert levels("nrf5340dk")["tool.zephyr-sdk"] == "ok"
    assert find_zephyr_sdk() == sdk and zephyr_sdk_version(sdk) == "0.17.4"


def test_the_picos_compiler_is_looked_for_where_the_build_looks(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = Path(shutil.which("arm-none-eabi-g++") or "")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert levels("rp2040")["tool.arm-none-eabi-g++"] == "problem"
    (tmp_path / "toolchain/bin").mkdir(parents=True)
    (tmp_path / "toolchain/bin/arm-none-eabi-g++").symlink_to(compiler)
    monkeypatch.setenv("PICO_TOOLCHAIN_PATH", str(tmp_path / "toolchain"))
    assert levels("rp2040")["tool.arm-none-eabi-g++"] == "ok"


def test_what_flashes_is_looked_for_where_flashing_looks(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """esptool may be a module beside edgekit, and Arduino's board package brings its own bossac."""
    assert levels("esp32")["tool.esptool"] == levels("nano33ble")["tool.bossac"] == "problem"
    bossac = bare / ".arduino15/packages/arduino/tools/bossac/1.9.1-arduino2/bossac"
    bossac.parent.mkdir(parents=True)
    bossac.touch()
    monkeypatch.setattr("edgekit.build.flash_tools.find_spec", lambda name: name)
    monkeypatch.setattr("edgekit.build.flash_tools.metadata.version", lambda name: "5.6.0")
    assert levels("esp32")["tool.esptool"] == levels("nano33ble")["tool.bossac"] == "ok"


def test_what_a_build_would_refuse_is_told_where_nothing_is_built(
    tmp_path: Path, tiny_model: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEKIT_TFLM_DIR", raising=False)
    folder = export_folder(tiny_model, tmp_path / "a build")
    board = get_board("mps2-an386")

    def found() -> dict[str, Finding]:
        return {finding.check: finding for finding in examine(board, folder, None).findings}

    assert "build.ready" not in found()
    assert found()["build.there"].fix == f"`edgekit build --build '{folder}'`."
    project = load_project(folder)
    (folder / "project.json").write_text(project.model_copy(update={"engine": "tflm"}).to_json())
    assert "TFLite Micro is needed" in found()["build.ready"].what
    assert "--tflm" in found()["build.ready"].fix
    (folder / "project.json").write_text(project.to_json())
    (folder / "toolchain.cmake").unlink()
    assert "has no toolchain.cmake" in found()["build.ready"].what


def test_a_linux_board_has_nothing_to_build(tmp_path: Path, tiny_model: bytes) -> None:
    folder = export_folder(tiny_model, tmp_path / "build")
    project = load_project(folder).model_copy(update={"framework": "linux", "board": "rpi4"})
    (folder / "project.json").write_text(project.to_json())
    checks = {finding.check for finding in examine(get_board("rpi4"), folder, None).findings}
    assert not any(check.startswith("build.") for check in checks)


def test_a_bare_metal_project_for_tflite_micro_takes_a_cxx_compiler(
    bare: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: bytes
) -> None:
    for name in ("cmake", "ninja", "arm-none-eabi-gcc"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or name)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = export_folder(tiny_model, tmp_path / "build")
    board, project = get_board("mps2-an386"), load_project(folder)
    found = {}
    for engine in ("aot", "tflm"):
        request = Request(folder, project.model_copy(update={"engine": engine}))
        found[engine] = {finding.check: finding.level for finding in check_toolchains(board, request)}
    assert "tool.arm-none-eabi-g++" not in found["aot"] and found["aot"]["tool.arm-none-eabi-gcc"] == "ok"
    assert found["tflm"] == {**found["aot"], "tool.arm-none-eabi-g++": "problem"}


def test_the_release_of_zephyr_that_a_project_pins_is_asked_for(
    bare: Path, tmp_path: Path, tiny_model: bytes
) -> None:
    """And the workspace around the project is looked at, as for a build."""
    fake_tools.make_zephyr(tmp_path / "around", (4, 2, 0))
    folder = export_folder(tiny_model, tmp_path / "around/build")
    project = load_project(folder).model_copy(update={"framework": "zephyr"})
    request = Request(folder, project)

    def zephyr() -> Finding:
        found = check_toolchains(get_board("nrf5340dk"), request)
        return next(finding for finding in found if finding.check == "tool.zephyr")

    assert zephyr().level == "ok" and "4.2.0" in zephyr().what
    (folder / "west.yml").write_text("manifest:\n  projects:\n    - name: zephyr\n      revision: v4.3.0\n")
    assert "4.2.0 is too old: 4.3" in zephyr().what


@pytest.mark.parametrize(
    ("variable", "board", "check"),
    [
        ("PICO_SDK_PATH", "rp2040", "tool.pico-sdk"),
        ("ZEPHYR_BASE", "nrf5340dk", "tool.zephyr"),
        ("ZEPHYR_SDK_INSTALL_DIR", "nrf5340dk", "tool.zephyr-sdk"),
        ("IDF_PATH", "esp32", "tool.idf.py"),
    ],
)
def test_a_variable_that_leads_nowhere_is_told(
    variable: str, board: str, check: str, bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that the system refuses to look at, as it does folders of others, or names that are too long."""
    for value in ("/no/such/folder", "/" + 300 * "x"):
        monkeypatch.setenv(variable, value)
        found = {finding.check: finding for finding in check_toolchains(get_board(board))}
        assert found[check].level == "problem"
        assert found[check].evidence == f"${variable} is {value}, and there it is not."


def test_without_a_home_nothing_is_looked_for_there(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: str) -> str:
        return path

    monkeypatch.setattr("os.path.expanduser", no_home)
    assert {levels(board)["tool.cmake"] for board in ("rp2040", "mps2-an386")} == {"ok"}
    assert levels("esp32")["tool.idf.py"] == levels("nrf5340dk")["tool.zephyr-sdk"] == "problem"
    assert levels("nano33ble")


def test_without_a_board_nothing_that_is_missing_is_wrong(bare: Path) -> None:
    assert {finding.level for finding in check_toolchains(None)} == {"ok", "note"}


def test_every_flash_method_has_its_tool() -> None:
    from edgekit.boards.catalog import load_catalog
    from edgekit.build.tools import TOOLS

    methods = {board.flash_method for board in load_catalog(()).values()}
    assert methods <= FLASHERS.keys() and set(FLASHERS.values()) <= TOOLS.keys()


def test_boot_loaders_are_seen_at_the_usb_and_by_their_drive(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path, frozenset({USER}))
    fake.usb("1-1", "2e8a:0003", "RP2 Boot")
    fake.usb("1-2", "16c0:0478", "HalfKay")
    drive = tmp_path / "media/ann/RPI RP2"
    drive.mkdir(parents=True)
    fake.write("/proc/mounts", "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /media/ann/RPI\\040RP2 vfat rw 0 0\n")
    assert uf2_drives(fake.system) == []
    (drive / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\n")
    assert uf2_drives(fake.system) == ["/media/ann/RPI RP2"]
    found = check_boot_loaders(fake.system)
    assert [f.check for f in found] == ["boot.mode", "boot.mode", "boot.drive"]
    assert "BOOTSEL" in found[0].what and "HalfKay" in found[1].what
    pico, teensy = (device.usb_id for device in usb_devices(fake.system))
    any_pico = get_board("rp2040").model_copy(update={"usb_ids": ("2E8A:*",)})
    assert is_usb_id_of(pico, any_pico) and not is_usb_id_of(teensy, any_pico)
    only = check_boot_loaders(fake.system, get_board("teensy41"))
    assert "HalfKay" in only[0].what and len(only) == 2


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("RPI RP2", b"RPI\\040RP2"),
        ("Zo\u00eb", "Zo\u00eb".encode()),
        ("Zo\u00eb", b"Zo\\303\\253"),
        ("a\\b#\tc", b"a\\134b\\043\\011c"),
        ("RPI\u00a0RP2\u2028x", "RPI\u00a0RP2\u2028x".encode()),
    ],
)
def test_drives_are_found_whatever_their_folders_are_called(
    name: str, written: bytes, tmp_path: Path
) -> None:
    fake = FakeSystem(tmp_path)
    drive = tmp_path / "media" / name
    drive.mkdir(parents=True)
    (drive / "INFO_UF2.TXT").touch()
    line = b"/dev/sdb1 /media/%s vfat rw,nosuid 0 0\n" % written
    (tmp_path / "proc/mounts").write_bytes(b"proc /proc proc rw 0 0\n/dev/sda1 / ext4 rw 0 0\n" + line)
    assert uf2_drives(fake.system) == [f"/media/{name}"]


def test_the_drives_of_other_systems_are_where_they_mount_them(tmp_path: Path) -> None:
    assert list(System(tmp_path, platform="linux").drives()) == []
    (tmp_path / "Volumes/RPI-RP2").mkdir(parents=True)
    assert list(System(tmp_path, platform="darwin").drives()) == ["/Volumes/RPI-RP2"]
    assert "E:\\" in System(tmp_path, platform="win32").drives()


def test_a_raw_usb_device_that_may_not_be_opened_has_a_rule_for_its_fix(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path, frozenset({USER}))
    fake.usb("1-1", "2e8a:0003", "RP2 Boot")
    node = fake.node("/dev/bus/usb/001/001", 0o600)
    board = get_board("rp2040")
    [finding] = check_raw_usb(fake.system, board)
    assert finding.level == "problem" and 'ATTRS{idVendor}=="2e8a"' in finding.fix
    node.chmod(0o666)
    assert [f.level for f in check_raw_usb(fake.system, board)] == ["ok"]


def test_where_no_board_is_connected_udevs_rules_are_looked_at(tmp_path: Path) -> None:
    fake = FakeSystem(tmp_path)
    board = get_board("rp2040")
    assert [f.level for f in check_raw_usb(fake.system, board)] == ["note"]
    fake.write(
        "/etc/udev/rules.d/60-picotool.rules", 'SUBSYSTEM=="usb", ATTRS{idVendor}=="2e8a", TAG+="uaccess"\n'
    )
    assert [f.level for f in check_raw_usb(fake.system, board)] == ["ok"]
    assert check_raw_usb(fake.system, get_board("esp32")) == []  # a serial port is enough


ROM_BANNER = (
    b"rst:0x1 (POWERON_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download"
)
SYNC = b"\xc0\x00\x08\x24\x00"
ANSWER = b"\xc0\x01\x08\x04\x00\x07\x07\x12\x20\x00\x00\x00\x00\xc0"


@contextmanager
def line(answer: Callable[[bytes], bytes], says: bytes = b"") -> Iterator[str]:
    """Give a serial line whose other end says something and then answers what it is sent."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.write(ours, says)

    def serve() -> None:
        while True:
            try:
                data = os.read(ours, 256)
            except OSError:
                return
            if not data or data == b"end":
                return
            os.write(ours, answer(data))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield os.ttyname(theirs)
    finally:
        os.write(theirs, b"end")
        thread.join(10)
        os.close(theirs)
        os.close(ours)


def rom(data: bytes) -> bytes:
    return ANSWER * 8 if data.startswith(SYNC) else b""


@pytest.mark.parametrize(
    ("answer", "says", "level"),
    [
        (rom, b"", "warning"),
        (lambda _: ROM_BANNER, b"", "warning"),
        (lambda _: b"", b"", "ok"),
        (lambda data: data, b"", "ok"),  # what echoes is no boot loader
        (lambda _: b"e-[bad frame]\r\n", b"m-ready\r\n", "ok"),
    ],
)
def test_a_chip_in_its_roms_boot_loader_is_told_from_running_firmware(
    answer: Callable[[bytes], bytes], says: bytes, level: str, bare: Path
) -> None:
    with line(answer, says) as port:
        record = examine(get_board("esp32"), None, port)
    [mode] = [finding for finding in record.findings if finding.check == "boot.mode"]
    assert mode.level == level and (level == "ok" or "reset button" in mode.fix)


def test_a_busy_port_is_not_opened(bare: Path) -> None:
    with line(rom) as port:
        # This process has it open; somebody else asks.
        record = examine(get_board("esp32"), None, port, System(pid=0))
    checks = {finding.check: finding.level for finding in record.findings}
    assert checks["port.busy"] == "problem" and "boot.mode" not in checks and not record.ok


@pytest.mark.parametrize("port", ["ttyUSB0", "rfc2217://pi:4000", "host", ""])
def test_a_port_that_is_not_looked_at_is_told(port: str, bare: Path) -> None:
    found = examine(None, None, port).findings
    [finding] = [finding for finding in found if finding.check.startswith("port.")]
    assert finding.level == "note" and "nothing of it was looked at" in finding.what


def test_the_document_and_the_exit_status(bare: Path, tiny_model: bytes, tmp_path: Path) -> None:
    folder = export_folder(tiny_model, tmp_path / "build")
    done = edgekit("doctor", "--build", folder, "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record.keys() == {"schema", "board", "build", "port", "findings", "ok", "edgekit_version"}
    assert record["schema"] == "edgekit.doctor/1" and record["board"] == "mps2-an386" and record["ok"]
    assert {"check", "level", "what", "evidence", "fix"} == record["findings"][0].keys()
    missing = edgekit("doctor", "--board", "esp32", "--port", "/dev/ttyNoSuchBoard", "--json")
    assert missing.returncode == 1 and "Fix: " in missing.stderr
    record = json.loads(missing.stdout)
    problems = {f["check"] for f in record["findings"] if f["level"] == "problem"}
    # esptool may be beside edgekit.
    assert problems - {"tool.esptool"} == {"tool.idf.py", "port.there"} and not record["ok"]
    assert f"Problems: {len(problems)}, warnings: 0, in order: " in missing.stderr


def test_this_computer_can_be_looked_at_without_any_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    status = run(["doctor", "--json"])
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert (
        status == (0 if record["ok"] else 1) and record["board"] is record["build"] is record["port"] is None
    )
    assert {f["check"] for f in record["findings"]} >= {"tool.cmake", "port.brltty", "port.modemmanager"}


def test_wrong_input_is_refused(
    tiny_model: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = export_folder(tiny_model, tmp_path / "build")
    refused(capsys, "doctor", "--build", tmp_path / "none", words="not a build folder")
    refused(capsys, "doctor", "--build", folder, "--board", "esp32", words="is for mps2-an386")
    refused(capsys, "doctor", "--board", "z80", words="z80")
