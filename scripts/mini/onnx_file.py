"""A network as an ONNX file, written node by node: no exporter, and weights in half precision."""

from __future__ import annotations

import copy
import operator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

OPSET, IR_VERSION = 17, 9


def write_onnx(module: nn.Module, path: Path, shape: tuple[int, int, int, int]) -> None:
    """Write a network with one input ``picture`` and one output ``matte``.

    Batch normalisation is folded into the convolutions; their weights are kept as float16 and used as float32.

    Args:
        module: takes one tensor and returns one; made of convolutions, batch normalisation, ReLU, sigmoid, sums,
            concatenation along channels, global averages and bilinear enlargements.
        path: file to write.
        shape: of the input, fixed.

    Raises:
        ValueError: the network does something else.
    """
    traced = fx.symbolic_trace(_folded(module))
    traced.graph.eliminate_dead_code()
    parts = dict(traced.named_modules())
    writer = _Writer()
    for node in traced.graph.nodes:
        if node.op == "call_module":
            writer.module(node, parts[node.target])
        elif node.op in ("call_function", "call_method"):
            writer.function(node)
        elif node.op == "placeholder":
            writer.names[node] = "picture"
        elif node.op == "output":
            writer.add("Identity", [writer.names[node.args[0]]], "matte")
    side = [shape[0], 1, *shape[2:]]
    graph = helper.make_graph(
        writer.nodes,
        "segmenter",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("matte", TensorProto.FLOAT, side)],
        writer.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


class _Writer:
    """Collects nodes and constants; ``names`` says how the value of each traced node is called."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names: dict[fx.Node, str] = {}

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def module(self, node: fx.Node, part: nn.Module) -> None:
        inputs, name = [self.names[each] for each in node.args], node.name
        if isinstance(part, nn.Identity):
            self.names[node] = inputs[0]
        elif isinstance(part, nn.Conv2d):
            self.names[node] = self._convolution(name, inputs[0], part)
        elif isinstance(part, nn.ReLU):
            self.names[node] = self.add("Relu", inputs, name)
        elif isinstance(part, nn.AdaptiveAvgPool2d) and part.output_size == 1:
            self.names[node] = self.add("GlobalAveragePool", inputs, name)
        elif isinstance(part, nn.Upsample) and part.mode == "bilinear" and not part.align_corners:
            scales = self.constant(f"{name}.scales", np.array([1, 1, part.scale_factor, part.scale_factor], np.float32))
            how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
            self.names[node] = self.add("Resize", [inputs[0], "", scales], name, **how)
        else:
            raise ValueError(f"No ONNX node is known for {part}.")

    def function(self, node: fx.Node) -> None:
        if node.target in (operator.add, torch.add):
            self.names[node] = self.add("Add", [self.names[each] for each in node.args], node.name)
        elif node.target is torch.cat:
            self.names[node] = self.add("Concat", [self.names[each] for each in node.args[0]], node.name, axis=1)
        elif node.target in (torch.sigmoid, "sigmoid"):
            self.names[node] = self.add("Sigmoid", [self.names[node.args[0]]], node.name)
        else:
            raise ValueError(f"No ONNX node is known for {node.target}.")

    def _convolution(self, name: str, picture: str, part: nn.Conv2d) -> str:
        half = self.constant(f"{name}.weight", part.weight.detach().numpy().astype(np.float16))
        inputs = [picture, self.add("Cast", [half], f"{name}.weight32", to=TensorProto.FLOAT)]
        if part.bias is not None:
            inputs.append(self.constant(f"{name}.bias", part.bias.detach().numpy().astype(np.float32)))
        edges = {"pads": [*part.padding, *part.padding], "strides": list(part.stride)}
        how = {"kernel_shape": list(part.kernel_size), "dilations": list(part.dilation), "group": part.groups}
        return self.add("Conv", inputs, name, **edges, **how)


def _folded(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode, the normalisation behind each convolution folded into it."""
    copied = copy.deepcopy(module).eval().float()
    for part in list(copied.modules()):
        if isinstance(part, nn.Sequential):
            for index in range(len(part) - 1):
                if isinstance(part[index], nn.Conv2d) and isinstance(part[index + 1], nn.BatchNorm2d):
                    part[index] = fuse_conv_bn_eval(part[index], part[index + 1])
                    part[index + 1] = nn.Identity()
    return copied
