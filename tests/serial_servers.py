"""Serial servers in front of a terminal, for tests: pyserial's RFC 2217 in a thread, and ser2net."""

from __future__ import annotations

import os
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import serial
import serial.rfc2217

_STARTS_S = 20.0


def find_ser2net() -> str | None:
    """Return ser2net, which users' paths need not have."""
    return shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class _Terminal(serial.Serial):  # type: ignore[misc]
    """A pseudo-terminal has no modem lines to ask for, or to set."""

    cts = dsr = cd = True
    ri = False

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


class Rfc2217Server:
    """Hands a terminal on to one client after the other, with the settings that the client wants.

    ``baud_rates`` are those that were set on the terminal.
    """

    def __init__(self, device: str) -> None:
        self._port = _Terminal(device, 115_200, timeout=0, exclusive=True)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rfc2217://127.0.0.1:{self._server.getsockname()[1]}"
        self.baud_rates: list[int] = []
        self._wake, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Rfc2217Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stop)
        self._thread.join(_STARTS_S)
        os.close(self._wake)
        self._server.close()
        self._port.close()

    def _run(self) -> None:
        while self._server in select.select([self._server, self._wake], [], [])[0]:
            client, _ = self._server.accept()
            with client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._serve(client):
                    return

    def _serve(self, client: socket.socket) -> bool:
        """Serve a client until it goes; return whether to wait for the next one."""

        class Telnet:
            def write(self, data: bytes) -> None:
                client.sendall(data)

        manager = serial.rfc2217.PortManager(self._port, Telnet())
        while True:
            ready, _, _ = select.select([client, self._port.fileno(), self._wake], [], [])
            if self._wake in ready:
                return False
            if client in ready:
                try:
                    data = client.recv(4096)
                except ConnectionError:
                    return True
                if not data:
                    return True
                self._write(b"".join(manager.filter(data)))
                if self._port.baudrate not in self.baud_rates[-1:]:
                    self.baud_rates.append(self._port.baudrate)
            if self._port.fileno() in ready:
                client.sendall(b"".join(manager.escape(self._port.read(4096))))

    def _write(self, data: bytes) -> None:
        while data:
            select.select([], [self._port.fileno()], [], 1.0)
            data = data[self._port.write(data) or 0 :]


@contextmanager
def ser2net(folder: Path, device: str) -> Iterator[tuple[str, str]]:
    """Run ser2net in front of ``device``; give its RFC 2217 port and its plain one as URLs.

    It does not answer when it is to set modem lines that a pseudo-terminal has not; a client must not wait for that.
    """
    program = find_ser2net()
    assert program is not None
    # Both are held at the same time, so that they are two.
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    config, log = folder / "ser2net.yaml", folder / "ser2net.log"
    connector = f"  connector: serialdev(nouucplock=true),{device},115200n81,local\n"
    config.write_text(
        f"connection: &settings\n  accepter: telnet(rfc2217),tcp,127.0.0.1,{ports[0]}\n{connector}"
        f"connection: &plain\n  accepter: tcp,127.0.0.1,{ports[1]}\n{connector}"
    )
    with log.open("wb") as file:
        process = subprocess.Popen(
            [program, "-n", "-d", "-c", str(config), "-P", str(folder / "ser2net.pid")],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _STARTS_S
        for port in ports:
            while True:
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except ConnectionRefusedError:
                    time.sleep(0.02)
        yield f"rfc2217://127.0.0.1:{ports[0]}", f"socket://127.0.0.1:{ports[1]}"
    finally:
        process.kill()
        process.wait(10)
