"""The agent on TCP: one host at a time, and nothing that a host does or leaves undone keeps others out for long.

A single thread does everything, so that the interpreter is never shared: between two inferences it looks at its
sockets. What a host may send is the serial protocol; there is nothing in it that names a file or runs anything.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from edgekit.device.agent.session import TAKEN, Session
from edgekit.device.engine import Engine
from edgekit.errors import InputError, TaskError
from edgekit.wire.declaration import BUSY_LINE

DEFAULT_PORT: Final = 4747
LOOPBACK: Final = "127.0.0.1"

_BACKLOG: Final = 8
_WAITING_MAX: Final = 8
"""Hosts that wait, and hosts that were refused and may still read why; what is more is closed at once."""
_GONE_AFTER: Final = (
    ("TCP_KEEPIDLE", 10),
    ("TCP_KEEPINTVL", 5),
    ("TCP_KEEPCNT", 3),
    ("TCP_USER_TIMEOUT", 25_000),
)
"""A host whose cable was pulled is noticed after 25 s, whether anything is sent to it or not, where TCP can do that."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient the agent is, in seconds.

    Attributes
    ----------
    idle_s:
        A host that has sent no whole message for so long, and lets nothing run, makes room for one that comes.
    stalled_s:
        A host that does not read what is sent to it for so long is dropped.
    ended_s:
        A host that has closed its sending side gets what is still to be said for so long.
    handover_s:
        A host that comes while another is served waits for so long whether that one leaves; then it is refused.
    refused_s:
        A host that was refused has so long to read why.
    """

    idle_s: float = 10.0
    stalled_s: float = 10.0
    ended_s: float = 10.0
    handover_s: float = 0.5
    refused_s: float = 1.0


class Agent:
    """Serves hosts that connect to ``listener`` until :meth:`serve` is told to stop.

    Parameters
    ----------
    engine:
        The model.
    listener:
        A socket that listens; see :func:`listen`.
    limits:
        How patient it is.
    clock:
        Seconds, never going back.
    """

    def __init__(
        self,
        engine: Engine,
        listener: socket.socket,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._listener = listener
        self._limits = limits or Limits()
        self._clock = clock
        self._client: _Client | None = None
        self._waiting: deque[tuple[socket.socket, float]] = deque()
        self._refused: deque[tuple[socket.socket, float]] = deque()

    def serve(self, stop: int | None = None) -> None:
        """Serve until file descriptor ``stop`` can be read, or an exception (Ctrl-C, SIGTERM) ends it."""
        try:
            while self._look(stop):
                if self._client is not None:
                    self._advance(self._client)
        finally:
            self._drop()
            for connection, _ in (*self._waiting, *self._refused):
                connection.close()

    def _look(self, stop: int | None) -> bool:
        """Wait for something to do, and take what has come; return whether to go on."""
        client = self._client
        reads: list[socket.socket | int] = [self._listener, *(refused for refused, _ in self._refused)]
        writes = []
        if stop is not None:
            reads.append(stop)
        if client is not None:
            if client.session.wants_more and client.ended is None:
                reads.append(client.socket)
            if client.session.outbound:
                writes.append(client.socket)
        ready, writable, _ = select.select(reads, writes, [], self._patience())
        if stop is not None and stop in ready:
            return False
        for refused, _ in list(self._refused):
            if refused in ready:
                self._hear_out(refused)
        self._forget_refused()
        if client is not None:
            if client.socket in ready:
                self._receive(client)
            if client.socket in writable:
                self._send(client)
            self._watch(client)
        if self._listener in ready:
            self._accept()
        self._hand_over()
        return True

    def _patience(self) -> float | None:
        """Return how long may be waited for sockets; ``None`` for ever."""
        waits = [deadline - self._clock() for _, deadline in (*self._waiting, *self._refused)]
        client = self._client
        if client is not None:
            if client.more and not client.session.blocked:
                return 0.0
            if client.session.outbound:
                waits.append(self._limits.stalled_s - client.session.stalled_s)
            if client.ended is not None:
                waits.append(client.ended - self._clock())
        return max(0.0, min(waits)) if waits else None

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:  # it has gone again, or there are no descriptors left
            return
        connection.setblocking(False)
        if len(self._waiting) < _WAITING_MAX:
            self._waiting.append((connection, self._clock() + self._limits.handover_s))
        else:
            connection.close()

    def _hand_over(self) -> None:
        """Serve the next host when nobody else is served any more, and refuse those that have waited long enough."""
        if self._waiting and self._client is not None and self._gives_way(self._client):
            self._drop()
        if self._waiting and self._client is None:
            connection, _ = self._waiting.popleft()
            try:
                _configure(connection)
            except OSError:  # it has gone again
                connection.close()
                return
            self._client = _Client(connection, Session(self._engine, self._clock))
        while self._waiting and self._waiting[0][1] <= self._clock():
            self._refuse(self._waiting.popleft()[0])

    def _gives_way(self, client: _Client) -> bool:
        idle = self._clock() - client.session.active >= self._limits.idle_s
        return client.ended is not None or _hung_up(client.socket) or (idle and not client.session.working)

    def _refuse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.send(BUSY_LINE.encode() + b"\r\n")
            connection.shutdown(socket.SHUT_WR)
        # Closed at once, with bytes of the host's unread, the line would be lost with the connection.
        self._refused.append((connection, self._clock() + self._limits.refused_s))
        if len(self._refused) > _WAITING_MAX:
            self._refused.popleft()[0].close()

    def _hear_out(self, connection: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                if connection.recv(TAKEN):
                    return
            except BlockingIOError:
                raise
            except OSError:
                pass
            connection.close()
            self._refused = deque(pair for pair in self._refused if pair[0] is not connection)

    def _forget_refused(self) -> None:
        while self._refused and self._refused[0][1] <= self._clock():
            self._refused.popleft()[0].close()

    def _receive(self, client: _Client) -> None:
        try:
            data = client.socket.recv(TAKEN)
        except BlockingIOError:
            return
        except OSError:
            self._drop()
            return
        if data:
            client.session.take(data)
            client.more = True
        else:
            client.ended = self._clock() + self._limits.ended_s

    def _send(self, client: _Client) -> None:
        try:
            client.session.sent(client.socket.send(client.session.outbound))
        except BlockingIOError:
            return
        except OSError:
            self._drop()

    def _advance(self, client: _Client) -> None:
        """Answer or compute one step, and send at once what that gave: the host waits for it."""
        client.more = client.session.turn()
        if client.session.outbound:
            self._send(client)

    def _watch(self, client: _Client) -> None:
        """Drop a host that does not read, or that has closed and has been told everything."""
        over = client.ended is not None and (
            self._clock() >= client.ended or not (client.more or client.session.outbound)
        )
        if over or client.session.stalled_s >= self._limits.stalled_s:
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.session.stop()
            client.socket.close()


@dataclass(slots=True, eq=False)
class _Client:
    """The host that is served; ``ended`` is until when it is, once it has closed its sending side."""

    socket: socket.socket
    session: Session
    more: bool = True
    ended: float | None = None


def listen(host: str = LOOPBACK, port: int = DEFAULT_PORT) -> socket.socket:
    """Return a socket that listens at ``host``, by name or address; port 0 is any free one.

    Raises
    ------
    InputError
        If there is no such address here.
    TaskError
        If the port is taken or may not be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError, OverflowError) as error:
        raise InputError(
            f"{host} is no address to listen at.", f"Give {LOOPBACK}, or an address of this board."
        ) from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise TaskError(
            f"Cannot listen at {host}, port {port}: {error.strerror or error}.",
            "End the agent that runs there already, or choose another port with --listen.",
        ) from error
    return listener


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens: ``127.0.0.1:4747``, ``[::1]:4747``."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def open_to_others(listener: socket.socket) -> bool:
    """Whether a socket listens at more than this computer's loopback."""
    return not ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def _hung_up(connection: socket.socket) -> bool:
    """Whether the other end has closed, though not all that it sent is read; false where the system cannot tell."""
    closed = getattr(select, "POLLRDHUP", 0)
    if not closed:
        return False
    poll = select.poll()
    poll.register(connection, closed)
    return bool(poll.poll(0))


def _configure(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _GONE_AFTER:
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
