"""A profile as a measurement that later estimates for the same board use."""

from __future__ import annotations

import datetime
from typing import Final

from edgekit import __version__
from edgekit.bench.record import BenchRecord
from edgekit.boards.catalog import get_board
from edgekit.boards.kernels import KERNEL_LIBRARIES
from edgekit.boards.profile import BoardProfile
from edgekit.device.host import HOST_BOARD
from edgekit.errors import InputError, TaskError
from edgekit.latency.calibration import CalibrationRecord, MeasuredModel, measured_ops
from edgekit.latency.work import graph_work
from edgekit.tflite.graph import Graph

_WITHOUT: Final = "Leave --calibrate out."


def calibration_board(record: BenchRecord) -> BoardProfile:
    """Return the profile of the board that was benched.

    Raises
    ------
    InputError
        If the device is this computer, or there is no such board.
    """
    if record.board in (None, HOST_BOARD):
        raise InputError("This computer is no board whose latency could be estimated.", _WITHOUT)
    return get_board(record.board)


def calibration_record(
    record: BenchRecord, graph: Graph, board: BoardProfile, today: datetime.date
) -> CalibrationRecord:
    """Return what ``record`` measured of single operators.

    Parameters
    ----------
    record:
        A bench with a profile.
    graph:
        The model that was run.
    board:
        The profile of the board that the device says it is; its clock turns times into cycles.
    today:
        The day of the measurement.

    Raises
    ------
    InputError
        If the device's kernels are not known, or it measures in another unit than its board.
    TaskError
        If what the device gave was wrong, so that its times mean nothing.
    """
    if not record.ok:
        raise TaskError(
            "What was measured is not kept: the device's outputs or its self-test are wrong.",
            "Find out why first; a wrong model has no right times.",
        )
    if record.kernels not in KERNEL_LIBRARIES:
        raise InputError(f"The device has {record.kernels!r} kernels, which edgekit does not know.", _WITHOUT)
    emulated = record.latency.unit == "instructions"
    if emulated != board.emulated:
        counts, is_so = ("instructions", "is not") if emulated else ("time", "is")
        raise InputError(f"The device counts {counts}, but {board.title} {is_so} emulated.", _WITHOUT)
    assert record.ops is not None
    per_unit = 1.0 if emulated else board.clock_mhz * 1000.0
    works = graph_work(graph)
    ops = measured_ops((works[op.index], op.latency * per_unit) for op in record.ops if op.index < len(works))
    if not ops:
        raise TaskError(
            "The device's clock is too coarse: no operator took a single tick.", "Profile a larger model."
        )
    return CalibrationRecord(
        board=board.name,
        kernels=record.kernels,
        sdk=board.sdk.name,
        unit="instructions" if emulated else "cycles",
        clock_mhz=board.clock_mhz,
        models=(MeasuredModel(sha256=record.model.sha256, date=today.isoformat(), ops=ops),),
        edgekit_version=__version__,
    )
