"""Option types and options that several commands share. All checks of what the user typed are here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from edgekit.boards.catalog import get_board, load_catalog
from edgekit.boards.kernels import AOT_KERNELS, ENGINES, KERNEL_LIBRARIES, Engine, KernelLibrary, engine_of
from edgekit.boards.profile import FRAMEWORK_NAMES, BoardProfile
from edgekit.errors import EdgekitError, InputError
from edgekit.memory.plan_names import PLAN_CHOICES
from edgekit.units import format_ms, format_size, parse_size, parse_time_ms

MAX_BYTES: Final = 1 << 40
"""Largest size that is taken for a limit: 1 TB."""
MAX_MS: Final = 3_600_000.0
"""Largest time that is taken for a limit: 1 h."""

_Command = TypeVar("_Command", bound=Callable[..., Any])

if TYPE_CHECKING:
    _IntType = click.ParamType[int]
    _FloatType = click.ParamType[float]
    _BoardType = click.ParamType[BoardProfile]
    _PathType = click.ParamType[Path]
    _TextType = click.ParamType[str]
else:  # generic from click 8.2 on
    _IntType = _FloatType = _BoardType = _PathType = _TextType = click.ParamType


class SizeParam(_IntType):
    """A size in bytes, typed as ``262144``, ``256KB`` or ``2MB``; more than 0, 1 TB at most."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes that ``value`` means."""
        if isinstance(value, int):
            size = value
        else:
            self._reject_negative(value, param, ctx)
            try:
                size = parse_size(value)
            except (ValueError, OverflowError) as error:
                self.fail(_reason(error, value), param, ctx)
        if size <= 0:
            self.fail(f"{value} is not possible; give more than 0, for example 256KB.", param, ctx)
        if size > MAX_BYTES:
            self.fail(f"{value} is more than {format_size(MAX_BYTES)}; check the unit.", param, ctx)
        return size

    def _reject_negative(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
        if value.strip().startswith("-"):
            self.fail(f"{value} is negative; give more than 0, for example 256KB.", param, ctx)


class TimeParam(_FloatType):
    """A time in ms, typed as ``400``, ``400ms``, ``0.4s``; more than 0, 1 h at most."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the milliseconds that ``value`` means."""
        if isinstance(value, int | float):
            time_ms = float(value)
        else:
            if value.strip().startswith("-"):
                self.fail(f"{value} is negative; give more than 0, for example 400ms.", param, ctx)
            try:
                time_ms = parse_time_ms(value)
            except (ValueError, OverflowError) as error:
                self.fail(_reason(error, value), param, ctx)
        if not time_ms > 0:
            self.fail(f"{value} is not possible; give more than 0, for example 400ms.", param, ctx)
        if time_ms > MAX_MS:
            self.fail(f"{value} is more than {format_ms(MAX_MS)}; check the unit.", param, ctx)
        return time_ms


class PictureParam(_PathType):
    """An SVG file to write; :data:`NO_PICTURE` where an option that takes one stands alone."""

    name = "file.svg"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path ``value``."""
        path = Path(value)
        if path != NO_PICTURE and path.suffix.lower() != ".svg":
            # The option takes the word after it: with a model there, it would be the model that is overwritten.
            self.fail(
                f"{value} does not end in .svg; put the option after the model, or name a picture.",
                param,
                ctx,
            )
        return path


class CurvesParam(_PathType):
    """An SVG or PNG file to write."""

    name = "file.svg|file.png"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path ``value``."""
        path = Path(value)
        if path.suffix.lower() not in (".svg", ".png"):
            self.fail(f"{value} ends neither in .svg nor in .png.", param, ctx)
        return path


class ModelIdParam(_TextType):
    """What a device calls its model in the text protocol: ``vww01``."""

    name = "id"
    _FORM: Final = re.compile(r"[A-Za-z0-9_.-]{1,32}")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value``."""
        if not self._FORM.fullmatch(value):
            self.fail(f"{value!r} is not 1 to 32 letters, digits, dots, dashes and underscores.", param, ctx)
        return str(value)


class BoardParam(_BoardType):
    """The name or alias of a board; becomes its :class:`~edgekit.boards.profile.BoardProfile`.

    Folders from :func:`boards_dir_option` on the same command are searched first.
    """

    name = "board"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> BoardProfile:
        """Return the profile of the board ``value``."""
        if isinstance(value, BoardProfile):
            return value
        return get_board(value, _boards_dirs(ctx))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the boards that start like ``incomplete``."""
        try:
            boards = load_catalog(_boards_dirs(ctx))
        except EdgekitError:
            return []
        return [
            CompletionItem(name, help=board.title)
            for name, board in boards.items()
            if name.startswith(incomplete)
        ]


class BoardOrAllParam(BoardParam):
    """As :class:`BoardParam`, or the word ``all``, which becomes :data:`ALL_BOARDS`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the profile of the board ``value``, or :data:`ALL_BOARDS`."""
        if value in (_ALL, ALL_BOARDS):
            return ALL_BOARDS
        return super().convert(value, param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Offer the boards that start like ``incomplete``, and all."""
        extra = [CompletionItem(_ALL, help="every board")] if _ALL.startswith(incomplete) else []
        return [*extra, *super().shell_complete(ctx, param, incomplete)]


_ALL: Final = "all"
ALL_BOARDS: Final = "*all*"
"""The value of an option that takes a board's name or ``all``; no board can be called so."""

DEFAULT_BUILD: Final = Path("edgekit-build")
"""The build folder, as long as no other is named."""

NO_PICTURE: Final = Path("-")
"""The value of an option that may name a picture, given without one."""

SIZE: Final = SizeParam()
TIME: Final = TimeParam()
BOARD: Final = BoardParam()
BOARD_OR_ALL: Final = BoardOrAllParam()
PICTURE: Final = PictureParam()
CURVES: Final = CurvesParam()
MODEL_ID: Final = ModelIdParam()
_DEFAULT_BAUD: Final = 115_200


def boards_dir_option(command: _Command) -> _Command:
    """Add ``--boards-dir``, repeatable, as the parameter ``boards_dir: tuple[Path, ...]``."""
    return click.option(
        "--boards-dir",
        type=click.Path(path_type=Path),
        multiple=True,
        is_eager=True,  # read before any board's name, which is looked up there
        help="Folder with board files of your own (repeatable; also $EDGEKIT_BOARDS).",
    )(command)


def board_option(required: bool = False) -> Callable[[_Command], _Command]:
    """Return a decorator that adds ``--board`` (a profile or ``None``) and ``--boards-dir``."""

    def decorate(command: _Command) -> _Command:
        option = click.option(
            "--board",
            "-b",
            type=BOARD,
            required=required,
            metavar="NAME",
            help="Board (see `edgekit boards`).",
        )
        return option(boards_dir_option(command))

    return decorate


def board_or_all_option(command: _Command) -> _Command:
    """Add ``--board`` (a profile or :data:`ALL_BOARDS`), which must be given, and ``--boards-dir``."""
    option = click.option(
        "--board",
        "-b",
        type=BOARD_OR_ALL,
        required=True,
        metavar="NAME|all",
        help="Board (see `edgekit boards`), or all: rank them.",
    )
    return option(boards_dir_option(command))


def wanted_options(command: _Command) -> _Command:
    """Add ``--alpha``, ``--resolution``, ``--rho`` and ``--top1``, each ``None`` unless given."""
    options = (
        click.option("--alpha", type=click.FloatRange(0.05, 1), help="Only this width multiplier."),
        click.option(
            "--resolution", type=click.IntRange(32, 1024), help="Only this input resolution, in pixels."
        ),
        click.option(
            "--rho", type=click.FloatRange(32 / 224, 1024 / 224), help="The same as a multiplier of 224 px."
        ),
        click.option(
            "--top1",
            type=click.FloatRange(0, 100),
            help="Only networks with this expected top-1 at least, in %.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def output_option(command: _Command) -> _Command:
    """Add ``-o/--output``, the build folder to write, as the parameter ``output: Path``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=DEFAULT_BUILD,
        show_default=True,
        help="Build folder.",
    )(command)


def build_option(command: _Command) -> _Command:
    """Add ``--build``, the build folder to work in, as the parameter ``folder: Path``."""
    return click.option(
        "--build",
        "folder",
        type=click.Path(path_type=Path),
        metavar="DIR",
        default=DEFAULT_BUILD,
        show_default=True,
        help="Build folder, as `edgekit fit` or `edgekit export` wrote it.",
    )(command)


def baud_option(command: _Command) -> _Command:
    """Add ``--baud``, the speed of the line."""
    return click.option(
        "--baud",
        type=click.IntRange(300, 12_000_000),
        default=_DEFAULT_BAUD,
        show_default=True,
        help="Speed of the line.",
    )(command)


def limit_options(command: _Command) -> _Command:
    """Add ``--ram`` and ``--flash`` (bytes) and ``--max-latency`` (ms), each ``None`` unless given."""
    ram = click.option(
        "--ram", type=SIZE, help="RAM limit for the arena, for example 256KB (default: the board's)."
    )
    flash = click.option(
        "--flash", type=SIZE, help="Flash limit for the image, for example 2MB (default: the board's)."
    )
    latency = click.option(
        "--max-latency", type=TIME, help="Latency of one inference, for example 400ms (default: the board's)."
    )
    return ram(flash(latency(command)))


def strict_option(command: _Command) -> _Command:
    """Add ``--strict``, a flag."""
    return click.option(
        "--strict",
        is_flag=True,
        help="Hold the upper bound of the latency to its limit, instead of the estimate.",
    )(command)


def engine_options(command: _Command) -> _Command:
    """Add ``--engine`` and ``--kernels``, each ``None`` unless given, for :func:`choose_kernels`."""
    engine = click.option(
        "--engine",
        type=click.Choice(ENGINES),
        help="What is to run it: TFLite Micro, or edgekit's own engine (default: that of --kernels, else tflm).",
    )
    kernels = click.option(
        "--kernels",
        type=click.Choice(KERNEL_LIBRARIES),
        help="Kernel library (default: the board's best for the engine, else reference or portable).",
    )
    return engine(kernels(command))


def framework_option(command: _Command) -> _Command:
    """Add ``--framework``, what the project is written for; ``None`` unless given."""
    return click.option(
        "--framework",
        type=click.Choice([name for name in FRAMEWORK_NAMES if name != "linux"]),
        help="What the firmware's project is written for (default: the board's own, see `edgekit boards NAME`).",
    )(command)


def plan_option(command: _Command) -> _Command:
    """Add ``--plan``, how far memory plans may go, as the parameter ``plan``: a ``PlanChoice``."""
    return click.option(
        "--plan",
        type=click.Choice(PLAN_CHOICES),
        default="auto",
        show_default=True,
        help="How far memory plans may go: greedy is TFLite Micro's own, auto as far as a network needs to fit.",
    )(command)


def choose_kernels(
    board: BoardProfile | None, engine: Engine | None, kernels: KernelLibrary | None
) -> KernelLibrary:
    """Return the kernel library that the options of :func:`engine_options` mean.

    Raises
    ------
    InputError
        If the engine or the board has no such kernels.
    """
    chosen: Engine = engine or (engine_of(kernels) if kernels else "tflm")
    if kernels is not None and engine_of(kernels) != chosen:
        raise InputError(
            f"The {chosen} engine has no {kernels} kernels.",
            f"Leave out --kernels, or use --engine {engine_of(kernels)}.",
        )
    if board is None:
        return kernels or ("reference" if chosen == "tflm" else AOT_KERNELS[0])
    board.check_engine(chosen)
    usable = board.kernels_of(chosen)
    if kernels is not None and kernels not in usable:
        raise InputError(f"{board.title} cannot use {kernels} kernels.", f"It has {', '.join(usable)}.")
    return kernels or usable[0]


def show_complaint(line: str) -> None:
    """Show what a device says is wrong when it starts."""
    click.echo(f"The device says: {line}", err=True)


def _boards_dirs(ctx: click.Context | None) -> tuple[Path, ...]:
    given = ctx.params.get("boards_dir") if ctx else None
    return tuple(given or ())


def _reason(error: Exception, value: str) -> str:
    return f"{value[:20]}... is far too large." if isinstance(error, OverflowError) else f"{error}."
