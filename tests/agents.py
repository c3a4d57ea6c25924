"""Agents for tests: in a thread of this process, or as a process of their own."""

from __future__ import annotations

import os
import re
import select
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.device.agent.tcp import Agent, Limits, listen
from edgekit.device.engine import Engine

PATIENCE_S = 30.0


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Host:
    """A host with a socket and nothing else; every wait is bounded."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def until(self, end: bytes) -> bytes:
        """Return what comes up to and with ``end``, or up to the end of the connection."""
        got = b""
        while not got.endswith(end):
            data = self.socket.recv(1)
            if not data:
                break
            got += data
        return got

    def rest(self) -> bytes:
        """Return what comes up to the end of the connection, however it ends."""
        got = b""
        try:
            while data := self.socket.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        return got

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def serving(
    engine: Engine, limits: Limits | None = None, clock: Callable[[], float] | None = None
) -> Iterator[int]:
    """Serve ``engine`` in a thread and give the port; what goes wrong there fails the test."""
    failure: list[BaseException] = []
    listener = listen(port=0)
    agent = Agent(engine, listener, limits, clock) if clock is not None else Agent(engine, listener, limits)
    reader, writer = os.pipe()

    def serve() -> None:
        try:
            agent.serve(reader)
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        os.close(writer)
        thread.join(PATIENCE_S)
        os.close(reader)
        listener.close()
    assert not thread.is_alive(), "the agent does not stop"
    assert not failure, failure


@contextmanager
def agent_process(*options: str | Path) -> Iterator[str]:
    """Run ``edgekit agent`` and give what it says when it is ready: where it answers."""
    command = [sys.executable, "-m", "edgekit", "agent", *map(str, options)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            said = process.stderr.readline()
            found = re.search(r" answers at (\S+?)(?: at \d+ baud)?\.$", said)
            assert found, said + (process.stderr.read() if process.poll() is not None else "")
            yield found[1]
            assert process.poll() is None, "the agent has ended by itself"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@contextmanager
def pty_pair() -> Iterator[tuple[str, str]]:
    """Give the paths of two terminals that are joined: what goes into one comes out of the other."""
    ends = [os.openpty() for _ in range(2)]
    for _, slave in ends:
        tty.setraw(slave)
    reader, writer = os.pipe()
    masters = [master for master, _ in ends]

    def join() -> None:
        while True:
            ready, _, _ = select.select([*masters, reader], [], [])
            if reader in ready:
                return
            for master in ready:
                data = os.read(master, 1024)
                other = masters[1 - masters.index(master)]
                while data:
                    data = data[os.write(other, data) :]

    thread = threading.Thread(target=join, daemon=True)
    thread.start()
    try:
        yield os.ttyname(ends[0][1]), os.ttyname(ends[1][1])
    finally:
        os.close(writer)
        thread.join(PATIENCE_S)
        for descriptor in (*masters, *(slave for _, slave in ends), reader):
            os.close(descriptor)
