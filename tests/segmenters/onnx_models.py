"""Tiny ONNX networks with a known answer, in the shape of rembg's: they judge a picture by its brightness.

``write_brightness_net(path)`` gives a segmentation model of 1 kB that holds bright pixels (above
``threshold``) to be the subject, with a soft edge: alpha = sigmoid(gain * (brightness - threshold)).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))


@dataclass(frozen=True)
class Net:
    """What the network does; ``normalised`` undoes the (mean, deviation) that the rembg session applies."""

    gain: float = 20.0
    threshold: float = 0.5
    logits: bool = False
    normalised: tuple[tuple[float, ...], tuple[float, ...]] = IMAGENET
    size: tuple[int, int] | None = None
    """(height, width) that the input is fixed to; None leaves it free."""
    inputs: int = 1
    channels: int = 3
    masks: int = 1
    squeezed: bool = False
    """Whether the answer has lost its channel axis (rank 3)."""


def write_brightness_net(path: Path, net: Net | None = None) -> Path:
    """Write ``net`` (or the plain one) to ``path``; brightness is the mean of R, G, B in 0..1."""
    net = Net() if net is None else net
    height, width = net.size if net.size is not None else ("height", "width")
    shape = [1, net.channels, height, width]
    names = ["picture", *(f"prompt{number}" for number in range(1, net.inputs))]
    mean, deviation = np.array(net.normalised, dtype=np.float64)
    weight = np.resize(net.gain * deviation / 3, (net.masks, net.channels, 1, 1))
    bias = np.full(net.masks, net.gain * (mean.mean() - net.threshold))
    nodes = [helper.make_node("Conv", ["picture", "weight", "bias"], ["logits"])]
    last = "logits"
    if not net.logits:
        nodes.append(helper.make_node("Sigmoid", [last], ["probability"]))
        last = "probability"
    if net.squeezed:
        nodes.append(helper.make_node("Squeeze", [last, "axis"], ["squeezed"]))
        last = "squeezed"
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(weight.astype(np.float32), "weight"),
            numpy_helper.from_array(bias.astype(np.float32), "bias"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def put_model(home: Path, name: str, net: Net | None = None) -> Path:
    """Write ``net`` where rembg keeps the model ``name`` below ``home`` (the value of ``U2NET_HOME``)."""
    folder = home / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    return write_brightness_net(folder / f"{name}.onnx", net)


def bright_disc(height: int = 96, width: int = 128, radius: float = 30.0) -> np.ndarray:
    """A white disc with an edge 16 pixels wide on black: uint8, (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    grey = np.clip((radius + 8 - distance) / 16, 0, 1) * 255
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
