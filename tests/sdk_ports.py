"""The ports to SDKs as processes of this computer: their own C files over stubs whose line is a pseudo-terminal."""

from __future__ import annotations

import shutil
from pathlib import Path

from firmware_posix import SANITIZED, STRICT, firmware_sources, run

from edgekit.resources import resource_dir

STUBS = Path(__file__).parent / "sdk_stubs"

ESP_IDF = {
    "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ": "240",
    "CONFIG_ESP_TASK_WDT_INIT": "1",
    "CONFIG_EDGEKIT_UART_NUM": "0",
    "CONFIG_EDGEKIT_UART_BAUD": "115200",
    "CONFIG_EDGEKIT_UART_TX_GPIO": "1",
    "CONFIG_EDGEKIT_UART_RX_GPIO": "3",
}

PORTS: dict[str, tuple[str, dict[str, str]]] = {
    "esp_idf-uart": ("esp_idf", ESP_IDF | {"CONFIG_EDGEKIT_LINE_UART": "1"}),
    "esp_idf-usb": ("esp_idf", ESP_IDF | {"CONFIG_EDGEKIT_LINE_USB_SERIAL_JTAG": "1"}),
    "rp2040-usb": ("pico_sdk", {"PICO_RP2040": "1", "SYS_CLK_KHZ": "125000"}),
    "rp2040-uart": ("pico_sdk", {"PICO_RP2040": "1", "SYS_CLK_KHZ": "125000", "EK_LINE_UART": "1"}),
    "rp2350-usb": ("pico_sdk", {"PICO_RP2350": "1", "SYS_CLK_KHZ": "150000"}),
}
"""Folder and definitions of each, by name."""


def build_port(folder: Path, name: str, main: Path | None = None, *extra: str) -> Path:
    """Compile a build folder's sources with the port ``name``; return the program.

    Parameters
    ----------
    folder:
        A build folder with the aot engine.
    name:
        Key of :data:`PORTS`.
    main:
        A program to take instead of the firmware; the model and the bench runner are then left out.
    extra:
        More options for the compiler.
    """
    sdk, definitions = PORTS[name]
    work = folder / f"{name}{'-' + main.stem if main else ''}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    config = "".join(
        f"#define {key} {value}\n" for key, value in definitions.items() if key.startswith("CONFIG_")
    )
    (work / "sdkconfig.h").write_text(config)
    port = resource_dir("firmware") / "ports" / sdk / "port.c"
    sources, include = firmware_sources(folder)
    firmware = [main] if main else [folder / "src" / "main.c", *sources]
    stubs = [STUBS / "host" / "terminal.c", STUBS / "host" / f"{sdk}.c"]
    command = ["gcc", *STRICT[1:], "-std=gnu17", "-O1", *SANITIZED, *extra, *include]
    command += [f"-I{path}" for path in (work, STUBS / sdk, STUBS / "host")]
    command += [f"-D{key}={value}" for key, value in definitions.items() if not key.startswith("CONFIG_")]
    for path in (*firmware, port, *stubs):
        renamed = [] if path in stubs else ["-Dmain=ek_firmware_main"]
        run(*command, *renamed, "-c", path, "-o", work / f"{path.parent.name}-{path.stem}.o")
    program = work / "program"
    run("gcc", *SANITIZED, *sorted(work.glob("*.o")), "-pthread", "-o", program)
    return program
