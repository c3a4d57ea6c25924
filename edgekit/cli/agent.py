"""``edgekit agent``: this computer answers as a board does. It also runs where only a few packages are installed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from edgekit.device.linux import LinuxEngine

_LISTEN: Final = "127.0.0.1:4747"
_THREADS_MAX: Final = 64


@click.command("agent")
@click.option(
    "--build",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Build folder of a Linux board. [default: edgekit-build, unless --model is given]",
)
@click.option(
    "--model", type=click.Path(path_type=Path), metavar="FILE", help="A model without such a folder."
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Where to wait for a host on TCP; port 0 is any free one. [default: {_LISTEN}]",
)
@click.option("--serial", "tty", metavar="TTY", help="Answer on this serial line instead: /dev/serial0.")
@click.option(
    "--baud",
    type=click.IntRange(300, 12_000_000),
    default=115_200,
    show_default=True,
    help="Speed of the line.",
)
@click.option(
    "--kernels",
    type=click.Choice(("xnnpack", "reference")),
    help="What runs the operators. [default: as the build folder says, else reference]",
)
@click.option(
    "--threads",
    type=click.IntRange(1, _THREADS_MAX),
    help="Threads of one inference. [default: one a core with XNNPACK, else 1]",
)
@click.option(
    "--runtime",
    type=click.Choice(("ai-edge-litert", "tflite-runtime")),
    help="The interpreter's package. [default: what suits the kernels]",
)
@click.option("--check", is_flag=True, help="Load the model, run it once, say who answers, and end.")
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Go on in the background, in place of the agent that FILE tells of, and write to FILE what runs.",
)
@click.option(
    "--stop",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="End the agent in the background that FILE tells of.",
)
@click.option("--ready-fd", type=int, hidden=True)
def command(
    folder: Path | None,
    model: Path | None,
    listen: str | None,
    tty: str | None,
    baud: int,
    kernels: str | None,
    threads: int | None,
    runtime: str | None,
    check: bool,
    background: Path | None,
    stop: Path | None,
    ready_fd: int | None,
) -> None:
    """Answer `edgekit bench` as a board does, with this computer's TFLite interpreter, until Ctrl-C.

    One host at a time is served. Whoever reaches the port can run the model that was named here and read its outputs,
    and nothing else; there is no password, so an address other than 127.0.0.1 is for networks that you trust.

    Exit status: 0 ended, 1 it could not be done, 2 the user's input.
    """
    if stop is not None:
        _stop(stop)
        return
    if tty is not None and listen is not None:
        raise click.UsageError("Give --listen or --serial, not both.")
    if model is not None and folder is not None:
        raise click.UsageError("Give --build or --model, not both.")
    host, port = _address(_LISTEN if listen is None else listen)
    if background is not None:
        from edgekit.device.agent.background import start

        options = ["--baud", str(baud)]
        for name, value in (
            ("--build", folder),
            ("--model", model),
            ("--listen", listen),
            ("--serial", tty),
            ("--kernels", kernels),
            ("--threads", threads),
            ("--runtime", runtime),
        ):
            options += [] if value is None else [name, str(value)]
        click.echo(start(background, options).address)
        return
    with _ended_by_sigterm():
        engine = _engine(folder, model, kernels, threads, runtime)
        if check:
            _check(engine)
        elif tty is not None:
            _serve_terminal(engine, tty, baud, ready_fd)
        else:
            _serve_tcp(engine, host, port, ready_fd)


def _engine(
    folder: Path | None, model: Path | None, kernels: str | None, threads: int | None, runtime: str | None
) -> LinuxEngine:
    from edgekit.device.linux import LinuxEngine, Subject, read_subject
    from edgekit.files import read_bytes
    from edgekit.tflite.interpreter import check_foreign

    if model is not None:
        subject = Subject(read_bytes(model, "model", 512 * 1024**2))
    else:
        subject = read_subject(folder or Path("edgekit-build"))
    check_foreign(subject.model)
    return LinuxEngine(subject, kernels, threads, runtime)  # type: ignore[arg-type]


def _check(engine: LinuxEngine) -> None:
    """Run the model once, and its golden vectors where they have to be equal; say who answers."""
    import json

    from edgekit.device.engine import EngineError
    from edgekit.device.jobs import Selftest
    from edgekit.errors import TaskError

    test = Selftest(engine)
    try:
        while test.done < test.total:
            test.step()
        if not test.total:
            engine.invoke()
    except EngineError as error:
        raise TaskError(f"The model does not run: {error}.", "Look at it with `edgekit inspect`.") from error
    if test.passed != test.total:
        raise TaskError(
            f"{test.total - test.passed} of {test.total} golden vectors give other outputs here.",
            "Make the build folder anew, or try another --runtime.",
        )
    identity = engine.identity
    said = {name: getattr(identity, name) for name in ("board", "engine", "kernels", "plan", "build")}
    click.echo(json.dumps(said | {"golden": test.total}))


def _serve_tcp(engine: LinuxEngine, host: str, port: int, ready_fd: int | None) -> None:
    from edgekit.device.agent.tcp import Agent, address_of, listen, open_to_others

    with closing(listen(host, port)) as listener:
        address = address_of(listener)
        _tell(engine, f"socket://{address}", address, ready_fd)
        if open_to_others(listener):
            click.echo(
                "Everybody who reaches this address can run the model; there is no password.", err=True
            )
        Agent(engine, listener).serve()


def _serve_terminal(engine: LinuxEngine, tty: str, baud: int, ready_fd: int | None) -> None:
    from edgekit.device.agent.terminal import open_terminal, serve_terminal

    with closing(open_terminal(tty, baud)) as line:
        _tell(engine, f"{tty} at {baud} baud", tty, ready_fd)
        serve_terminal(engine, line)


def _tell(engine: LinuxEngine, where: str, address: str, ready_fd: int | None) -> None:
    identity = engine.identity
    who = f"{identity.board}, {identity.engine}, {identity.kernels}, {identity.plan}"
    click.echo(f"{who} answers at {where}.", err=True)
    if ready_fd is not None:
        from edgekit.device.agent.background import tell_ready

        tell_ready(ready_fd, address)


def _stop(record: Path) -> None:
    from edgekit.device.agent.background import stop

    ended = stop(record)
    click.echo("Ended the agent." if ended else "No agent was running.", err=True)


def _address(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; the host of an IPv6 address is in brackets."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.UsageError(f"--listen {text} is not HOST:PORT, such as {_LISTEN}.")
    return host, int(port)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End quietly with Ctrl-C and SIGTERM, which is how an agent ends."""

    def end(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Ended.", err=True)
    finally:
        signal.signal(signal.SIGTERM, earlier)
