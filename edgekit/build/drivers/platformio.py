"""PlatformIO: it brings compilers, SDKs and libraries itself, as platformio.ini pins them."""

from __future__ import annotations

from typing import Final

from edgekit.build.drivers.driver import Plan, Products, Request, check_files, refuse_tflm, versions
from edgekit.build.drivers.products import beside, nothing_left, only_elf
from edgekit.build.record import OUT_FOLDER
from edgekit.build.tools import need_tool

_INI: Final = "platformio.ini"
BUILD_VARIABLE: Final = "PLATFORMIO_BUILD_DIR"


class PlatformIo:
    """The driver."""

    def plan(self, request: Request) -> Plan:
        """Return how ``request`` is built: as ``pio run`` does, but in ``out/``.

        Raises
        ------
        InputError
            If files of the project are missing, or a folder with TFLite Micro is named.
        TaskError
            If PlatformIO is missing or too old.
        """
        check_files(request, (_INI,))
        refuse_tflm(request)
        pio = need_tool("pio")
        source = request.folder.resolve()
        return Plan(
            commands=((str(pio.path), "run", "-d", str(source)),),
            tools=versions([pio]),
            environment={BUILD_VARIABLE: str(source / OUT_FOLDER), "PLATFORMIO_NO_ANSI": "true"},
        )

    def products(self, request: Request) -> Products:
        """Return the ELF file, and what PlatformIO has made of it.

        Raises
        ------
        TaskError
            If there is none, or there are several.
        """
        out = request.folder / OUT_FOLDER
        places = sorted({path.parent.name for path in out.glob("*/*.elf")})
        if len(places) != 1:
            raise nothing_left(request.folder, f"an image of {len(places)} environments in {OUT_FOLDER}")
        image = only_elf(request.folder, places[0])
        return Products(image, beside(request.folder, image))
