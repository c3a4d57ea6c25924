"""A virtual ESP32-C3 for the real esptool: the reset circuit, the ROM's loader, and the flasher stub's part of it.

Written after Espressif's description of the protocol (docs.espressif.com, esptool, "Serial Protocol" and "Boot Mode
Selection"). The chip runs what is in its flash: after a reset with IO0 high the firmware that the flash holds.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from typing import ClassVar

from rfc2217_board import Rfc2217Board, now

from edgekit.device import Device, Engine

APP = 0x10000
_FLASH_BYTES = 4 * 1024**2
_FLASH_ID = 0x1640EF  # a W25Q32: 4 MB
_SPI_CMD, _SPI_W0 = 0x60002000, 0x60002058
_CHIP_ID = 5  # ESP32-C3
_MAGIC_AT, _MAGIC = 0x40001000, 0x1B31506F  # by which esptool 4 tells chips apart
_END, _ESC = 0xC0, 0xDB
_ESCAPED = {0xDC: _END, 0xDD: _ESC}
_EN_S = 0.08
"""How long the capacitor at EN keeps the chip in reset after RTS was released."""

(FLASH_BEGIN, FLASH_DATA, FLASH_END, MEM_BEGIN, MEM_END, MEM_DATA, SYNC, WRITE_REG, READ_REG) = range(2, 11)
SPI_SET_PARAMS, SPI_ATTACH, CHANGE_BAUD = 0x0B, 0x0D, 0x0F
DEFL_BEGIN, DEFL_DATA, DEFL_END, MD5 = 0x10, 0x11, 0x12, 0x13
SECURITY_INFO = 0x14


class VirtualEsp(Rfc2217Board):
    """An ESP32-C3 with 4 MB of flash.

    Parameters
    ----------
    firmware:
        Returns the engine of the firmware that an app in flash (its bytes from :data:`APP` on) is; ``None`` if it is
        none.
    auto_reset:
        Whether the board has the circuit that connects DTR and RTS with IO0 and EN.
    flips:
        Whether the flash keeps one bit wrong, which the check of what was written finds.
    unplug_after:
        Blocks of data after which the line is gone.
    chip_id:
        Which chip it says it is.
    scheme:
        ``socket`` for a board whose lines are not reached: somebody holds BOOT and presses RESET before each client
        comes, and RESET alone when it has gone.
    """

    def __init__(
        self,
        firmware: Callable[[bytes], Engine | None],
        *,
        auto_reset: bool = True,
        flips: bool = False,
        unplug_after: int | None = None,
        chip_id: int = _CHIP_ID,
        scheme: str = "rfc2217",
    ) -> None:
        super().__init__(scheme)
        self.flash = bytearray(b"\xff" * _FLASH_BYTES)
        self.commands: Counter[int] = Counter()
        self.resets = 0
        self.manual = scheme == "socket"
        self._firmware = firmware
        self._auto_reset = auto_reset
        self._flips = flips
        self._unplug_after = unplug_after
        self._chip_id = chip_id
        self._boot_at: float | None = None
        self._device: Device | None = None
        self._boot(download=False)

    def lines_changed(self) -> None:
        if not self._auto_reset:
            return
        # Two transistors: EN is low with RTS alone, IO0 is low with DTR alone; with both or none, neither is.
        if self.lines.rts and not self.lines.dtr:
            self._boot_at = None
            self._device = None
            self._downloading = False
            self._held = True
        elif self._held:
            self._held = False
            self._boot_at = now() + _EN_S

    def connected(self) -> None:
        if self.scheme == "socket" and self.manual:
            self._boot(download=True)

    def disconnected(self) -> None:
        if self.scheme == "socket" and self.manual:
            self.manual = False
            self._boot(download=False)

    def heard(self, data: bytes) -> None:
        if self._downloading:
            for byte in data:
                self._slip(byte)
        elif self._device is not None:
            self._device.feed(data)

    def poll(self) -> bool:
        if self._boot_at is not None and now() >= self._boot_at:
            self._boot(download=self.lines.dtr and not self.lines.rts)
        return self._device.poll() if self._device is not None else False

    def _boot(self, *, download: bool) -> None:
        self.resets += 1
        self._boot_at = None
        self._held = False
        self._downloading = download
        self._device = None
        self._registers: dict[int, int] = {}
        self._packet = bytearray()
        self._escaped = False
        self._stub = False
        self.say(b"ESP-ROM:esp32c3-api1-20210207\r\nrst:0x1 (POWERON),")
        if download:
            self.say(b"boot:0x4 (DOWNLOAD(USB/UART0/1))\r\nwaiting for download\r\n")
            return
        self.say(b"boot:0xc (SPI_FAST_FLASH_BOOT)\r\n")
        engine = self._firmware(bytes(self.flash[APP:]))
        if engine is None:
            self.say(b"invalid header: 0xffffffff\r\n" * 3)
        else:
            self._device = Device(engine, self.say)
            self._device.boot()

    def _slip(self, byte: int) -> None:
        if byte == _END:
            if self._packet:
                self._command(bytes(self._packet))
            self._packet.clear()
            self._escaped = False
        elif self._escaped:
            self._escaped = False
            if byte in _ESCAPED:
                self._packet.append(_ESCAPED[byte])
            else:  # nobody that speaks to a loader sends this: the packet is no packet
                self._packet.clear()
        elif byte == _ESC:
            self._escaped = True
        else:
            self._packet.append(byte)

    def _command(self, packet: bytes) -> None:
        if len(packet) < 8 or packet[0] != 0:
            return
        _, op, size, check = struct.unpack("<BBHI", packet[:8])
        data = packet[8:]
        if len(data) != size:
            return
        self.commands[op] += 1
        if op in (FLASH_DATA, MEM_DATA, DEFL_DATA):
            assert check == _checksum(data[16:]), "a damaged block"
        handler = self._HANDLERS.get(op)
        if handler is None:
            self._reply(op, status=b"\x01\x05")
        else:
            handler(self, op, data)

    def _reply(self, op: int, value: int = 0, data: bytes = b"", status: bytes = b"\0\0") -> None:
        tail = status if self._stub else status + b"\0\0"
        body = struct.pack("<BBHI", 1, op, len(data + tail), value) + data + tail
        escaped = body.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")
        self.say(b"\xc0" + escaped + b"\xc0")

    def _sync(self, op: int, data: bytes) -> None:
        assert data == b"\x07\x07\x12\x20" + b"\x55" * 32
        for _ in range(8):
            self._reply(op, 0 if self._stub else 0x20120707)

    def _read_reg(self, op: int, data: bytes) -> None:
        (address,) = struct.unpack("<I", data)
        known = {_SPI_W0: _FLASH_ID, _SPI_CMD: 0, _MAGIC_AT: _MAGIC}
        value = known.get(address, self._registers.get(address, 0))
        self._reply(op, value)

    def _write_reg(self, op: int, data: bytes) -> None:
        address, value, mask, _ = struct.unpack("<IIII", data[:16])
        self._registers[address] = self._registers.get(address, 0) & ~mask | value & mask
        self._reply(op)

    def _security_info(self, op: int, data: bytes) -> None:
        self._reply(op, data=struct.pack("<I8BII", 0, *([0] * 8), self._chip_id, 0))

    def _mem_end(self, op: int, data: bytes) -> None:
        stay, _ = struct.unpack("<II", data)
        self._reply(op)
        if not stay:
            self._stub = True
            self.say(b"\xc0OHAI\xc0")

    def _flash_begin(self, op: int, data: bytes) -> None:
        _, _, _, self._at = struct.unpack("<IIII", data[:16])
        self._reply(op)

    def _flash_data(self, op: int, data: bytes) -> None:
        self._write(op, data[16:])

    def _defl_begin(self, op: int, data: bytes) -> None:
        _, _, _, self._at = struct.unpack("<IIII", data[:16])
        self._inflate = zlib.decompressobj()
        self._reply(op)

    def _defl_data(self, op: int, data: bytes) -> None:
        self._write(op, self._inflate.decompress(data[16:]))

    def _write(self, op: int, content: bytes) -> None:
        written = self.commands[FLASH_DATA] + self.commands[DEFL_DATA]
        if self._unplug_after is not None and written > self._unplug_after:
            raise ConnectionError("somebody has pulled the plug")
        self.flash[self._at : self._at + len(content)] = content
        if self._flips and content:
            self.flash[self._at] ^= 1
        self._at += len(content)
        self._reply(op)

    def _md5(self, op: int, data: bytes) -> None:
        start, size = struct.unpack("<II", data[:8])
        digest = hashlib.md5(self.flash[start : start + size])
        self._reply(op, data=digest.digest() if self._stub else digest.hexdigest().encode())

    def _done(self, op: int, data: bytes) -> None:
        self._reply(op)

    _HANDLERS: ClassVar[dict[int, Callable[[VirtualEsp, int, bytes], None]]] = {
        SYNC: _sync,
        READ_REG: _read_reg,
        WRITE_REG: _write_reg,
        SECURITY_INFO: _security_info,
        MEM_BEGIN: _done,
        MEM_DATA: _done,
        MEM_END: _mem_end,
        SPI_ATTACH: _done,
        SPI_SET_PARAMS: _done,
        CHANGE_BAUD: _done,
        FLASH_BEGIN: _flash_begin,
        FLASH_DATA: _flash_data,
        FLASH_END: _done,
        DEFL_BEGIN: _defl_begin,
        DEFL_DATA: _defl_data,
        DEFL_END: _done,
        MD5: _md5,
    }


def _checksum(data: bytes) -> int:
    value = 0xEF
    for byte in data:
        value ^= byte
    return value
