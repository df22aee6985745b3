"""What a camera does to a picture: light falls off, colours shift, focus, noise and compression."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from scripts.mini.warps import Random, defocus


def photographed(pictures: Tensor, draw: Random) -> Tensor:
    """Pictures ``[n, 3, S, S]`` in 0..1 with a camera's faults; geometry stays."""
    size = pictures.shape[-1]
    light = draw.field(1, 3, size=size) * draw.uniform(0, 0.35)
    line = torch.linspace(-1, 1, size)
    corners = line.square() + line[:, None].square()
    light = light - corners * torch.where(draw.chance(0.3), draw.uniform(0, 0.5), torch.zeros(()))
    lit = pictures * torch.where(draw.chance(0.5), light, torch.zeros(())).exp()
    lit = lit * (draw.normal(3) * 0.1).exp() * (draw.normal() * 0.2).exp()
    grey = lit.mean(1, keepdim=True)
    lit = grey + (lit - grey) * torch.where(draw.chance(0.06), torch.zeros(()), draw.uniform(0.5, 1.5))
    middle = lit.mean((2, 3), keepdim=True)
    lit = (middle + (lit - middle) * draw.uniform(0.6, 1.4) + draw.normal() * 0.04).clamp(1e-3, 1)
    lit = lit ** (draw.normal() * 0.25).exp()
    lit = _softened(lit, draw)
    # Four sheets of noise are enough for a batch.
    noise = torch.randn((4, *lit.shape[1:]), generator=draw.source)[draw.integers(4)]
    lit = lit + noise * torch.where(draw.chance(0.4), draw.uniform(0, 0.05), torch.zeros(()))
    return _compressed(lit.clamp(0, 1), draw)


def _softened(pictures: Tensor, draw: Random) -> Tensor:
    """A little out of focus, sharpened, or enlarged from a smaller picture."""
    soft = functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)
    amount = torch.where(draw.chance(0.4), draw.uniform(0, 1), torch.zeros(()))
    amount = torch.where(draw.chance(0.2), -draw.uniform(0.3, 1.5), amount)
    pictures = torch.lerp(pictures, soft, amount).clamp(0, 1)
    for index in draw.chance(0.1).flatten().nonzero().flatten().tolist():
        pictures[index] = defocus(pictures[index : index + 1], 2)[0]
    return pictures


def _compressed(pictures: Tensor, draw: Random) -> Tensor:
    """A quarter of the pictures as JPEG files of poor quality."""
    qualities = draw.integers(60)
    for index in draw.chance(0.25).flatten().nonzero().flatten().tolist():
        pixels = (pictures[index] * 255 + 0.5).byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=25 + qualities[index])
        read = np.array(Image.open(file))
        pictures[index] = torch.from_numpy(read).permute(2, 0, 1).float() / 255
    return pictures
