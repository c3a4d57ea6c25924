"""A memory plan inside a .tflite: the metadata entry ``OfflineMemoryAllocation`` that TFLite Micro honours.

Its buffer is int32 ``[version, subgraph, number of tensors, offset of each tensor]``, -1 where TFLite Micro is to place
the tensor itself (tensorflow/lite/micro/docs/memory_management.md, micro_allocation_info.cc). TFLite Micro takes the
offsets as they are: whether tensors overlap is not checked, and whoever writes the plan is responsible for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from edgekit.tflite.graph import Graph

OFFLINE_PLAN: Final = "OfflineMemoryAllocation"
"""Name of the metadata entry."""

ONLINE: Final = -1
"""The offset that leaves a tensor to TFLite Micro's own planner."""

_VERSION: Final = 1
_HEADER: Final = 3


def offline_offsets(graph: Graph) -> tuple[int, ...] | None:
    """Return the offset of every tensor of ``graph`` in its plan, in bytes, or ``None`` if it has no plan.

    Raises
    ------
    ValueError
        If the plan is not one of this graph: TFLite Micro would not load the model.
    """
    data = graph.metadata.get(OFFLINE_PLAN)
    if data is None:
        return None
    values = np.frombuffer(data[: len(data) // 4 * 4], "<i4").tolist()
    if len(values) < _HEADER or values[:2] != [_VERSION, 0]:
        raise ValueError(f"it begins with {values[:2]}, not with version {_VERSION} and subgraph 0")
    count, offsets = values[2], values[_HEADER:]
    if count != len(graph.tensors) or len(offsets) < count:
        raise ValueError(f"it has {min(count, len(offsets))} offsets for {len(graph.tensors)} tensors")
    if min(offsets[:count], default=0) < ONLINE:
        raise ValueError("it has a negative offset")
    return tuple(offsets[:count])


def with_offsets(graph: Graph, offsets: Sequence[int] | None) -> Graph:
    """Return ``graph`` with a plan of one offset for each tensor, or without a plan; other metadata stays."""
    metadata = {name: data for name, data in graph.metadata.items() if name != OFFLINE_PLAN}
    if offsets is not None:
        if len(offsets) != len(graph.tensors):
            raise ValueError(f"{len(offsets)} offsets for {len(graph.tensors)} tensors")
        header = (_VERSION, 0, len(offsets))
        metadata[OFFLINE_PLAN] = np.array((*header, *offsets), "<i4").tobytes()
    return replace(graph, metadata=metadata)
