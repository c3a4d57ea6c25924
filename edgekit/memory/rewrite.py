"""A .tflite written anew with a memory plan in it; the same outputs bit for bit."""

from __future__ import annotations

from dataclasses import replace

from edgekit.errors import InputError
from edgekit.memory.fold_pad import fold_pads
from edgekit.tflite.graph import Graph
from edgekit.tflite.slim import obstacle, slim_graph


def prepare(graph: Graph) -> Graph:
    """Return ``graph`` as it is planned: PADs folded into convolutions, without tensors that no operator uses.

    Metadata stays. Names, descriptions and signatures are no part of a graph; a plan is one of the old tensors and
    goes as well when it is written anew.

    Raises
    ------
    InputError
        If edgekit does not understand everything in it.
    """
    reason = obstacle(graph)
    if reason is not None:
        raise InputError(
            f"The model cannot be written anew: {reason}.",
            "Use it as it is, with TFLite Micro's own plan; `edgekit inspect` shows its operators.",
        )
    return replace(slim_graph(fold_pads(graph)), metadata=graph.metadata)
