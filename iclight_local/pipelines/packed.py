"""Matrix products on the CPU with weights in oneDNN's own order, as ``torch.compile`` lays them out.

torch's plain product arranges the weights in every call, and takes another library's kernels, which are slower on some
processors: on an AMD EPYC with AVX-512, products of SD1.5's UNet take 0.8 of the time. The result differs by rounding.
"""

from __future__ import annotations

import torch

from iclight_local.pipelines.replacing import replaceable

ROWS = 2560
"""Rows that the order is chosen for; it serves any number of them."""
FEWEST = 64
"""Inputs and outputs at least: with fewer there is nothing to gain."""


class PackedLinear(torch.nn.Module):
    """What takes a linear layer's place: float32, on the CPU, for inference alone.

    Args:
        linear: the layer; its weights are not kept in their own order.
    """

    bias: torch.Tensor | None

    def __init__(self, linear: torch.nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        # No buffer: nothing that walks over a module's tensors can read it.
        self._packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), ROWS)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().clone(), persistent=False)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Multiply ``... x inputs``."""
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(given, self._packed, self.bias, "none", [], "")
        return found


def packable(module: torch.nn.Linear) -> bool:
    """Whether :class:`PackedLinear` can stand in for a layer, and gains by it."""
    return (
        type(module) is torch.nn.Linear
        and module.weight.dtype == torch.float32
        and min(module.in_features, module.out_features) >= FEWEST
    )


def pack(model: torch.nn.Module) -> int:
    """Put :class:`PackedLinear` in the place of a model's linear layers; how many."""
    found = [
        (parent, name, each)
        for _, parent, name, each in replaceable(model)
        if isinstance(each, torch.nn.Linear) and packable(each)
    ]
    for parent, name, linear in found:
        setattr(parent, name, PackedLinear(linear))
    return len(found)


def works() -> bool:
    """Whether it computes here what a plain layer does.

    Raises:
        Exception: torch has no such products on this machine.
    """
    source = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(FEWEST, FEWEST)
    with torch.no_grad():
        for values in linear.parameters():
            values.copy_(torch.randn(values.shape, generator=source))
        given = torch.randn(2, 3, FEWEST, generator=source)
        expected = linear(given)
        return bool((PackedLinear(linear)(given) - expected).abs().max() < 1e-4 * expected.abs().max())
