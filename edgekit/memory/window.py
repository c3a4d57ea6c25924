"""The geometry of a convolution as the kernels' Prepare functions see it."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.tflite.graph import Graph, Op


@dataclass(frozen=True, slots=True)
class Window:
    """Shapes and steps of a convolution (NHWC), all in elements.

    Attributes
    ----------
    batch:
        Images in the input.
    in_h, in_w, in_c, out_h, out_w, out_c:
        Input and output.
    kernel_h, kernel_w:
        Filter window.
    filter_c:
        Last dimension of the filter: input channels of a group (convolution), output channels (depthwise).
    stride_h, stride_w, dilation_h, dilation_w:
        Steps.
    pad_h, pad_w:
        Rows above and columns left of the input that SAME padding adds; 0 for VALID.
    """

    batch: int
    in_h: int
    in_w: int
    in_c: int
    kernel_h: int
    kernel_w: int
    filter_c: int
    out_h: int
    out_w: int
    out_c: int
    stride_h: int = 1
    stride_w: int = 1
    dilation_h: int = 1
    dilation_w: int = 1
    pad_h: int = 0
    pad_w: int = 0


def leading_pad(size: int, kernel: int, stride: int, dilation: int, padding: str) -> int:
    """Return the padding before the first element of one dimension, as kernels/padding.h computes it.

    It follows from the input size alone, not from the output tensor's shape; the larger half of an odd total
    goes after the last element.
    """
    reach = (kernel - 1) * dilation + 1
    out = -(-size // stride) if padding == "SAME" else (size + stride - reach) // stride
    return max((out - 1) * stride + reach - size, 0) // 2


def window_of(graph: Graph, op: Op) -> Window:
    """Return the window of a CONV_2D or DEPTHWISE_CONV_2D with four-dimensional tensors and its options."""
    batch, in_h, in_w, in_c = graph.tensors[op.inputs[0]].shape
    _, kernel_h, kernel_w, filter_c = graph.tensors[op.inputs[1]].shape
    _, out_h, out_w, out_c = graph.tensors[op.outputs[0]].shape
    options = op.options
    stride_h, stride_w = options["stride_h"], options["stride_w"]
    dilation_h, dilation_w = options.get("dilation_h", 1), options.get("dilation_w", 1)
    padding = options["padding"]
    return Window(
        batch,
        in_h,
        in_w,
        in_c,
        kernel_h,
        kernel_w,
        filter_c,
        out_h,
        out_w,
        out_c,
        stride_h,
        stride_w,
        dilation_h,
        dilation_w,
        leading_pad(in_h, kernel_h, stride_h, dilation_h, padding),
        leading_pad(in_w, kernel_w, stride_w, dilation_w, padding),
    )
