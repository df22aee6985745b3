"""The models that can be asked for by name, and why rembg's others cannot. Data only.

Compared with rembg 2.0.86; a test fails when the installed rembg has a session that is not listed here.

The licences are those of the **weights**, with their source. Nearly all were trained on data sets with terms
of their own (DUTS, DIS5K, ...), which their makers do not control: see xuebinqin/U-2-Net#208 and
ZhengPeng7/BiRefNet#306. ``commercial`` says what the maker's licence grants, not more.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from iclight_local.embedded import NAME as MINI

Commercial = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Model:
    """One local model that needs nothing but a picture.

    Attributes:
        name: what it is called, by rembg too.
        licence: licence of the weights, and where that is said or what is open about it.
        commercial: whether that licence allows commercial use.
        description: one line for lists.
        asset: name of the file in rembg's release v0.0.0; None where it is not published there.
    """

    name: str
    licence: str
    commercial: Commercial
    description: str
    asset: str | None

    @property
    def file(self) -> str:
        """Name under which rembg keeps the file."""
        return f"{self.name}.onnx"


_MIT = "MIT, code and weights (ZhengPeng7/BiRefNet#316)"
_U2NET = "Apache-2.0, code and weights (xuebinqin/U-2-Net#208)"
_BIREFNET_ASSET = "BiRefNet-general-epoch_244.onnx"

_ALL = (
    Model(
        "birefnet-general-lite",
        _MIT,
        "yes",
        "any subject, 1024x1024, fine edges; the small one of the BiRefNet family",
        "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
    ),
    Model("birefnet-general", _MIT, "yes", "any subject, 1024x1024, finest edges; 1 GB, slow", _BIREFNET_ASSET),
    Model(
        "birefnet-general-fp16",
        _MIT,
        "yes",
        "birefnet-general in half precision for CUDA; made by rembg[fp16] on the first fetch",
        None,
    ),
    Model("birefnet-portrait", _MIT, "yes", "people, 1024x1024, hair", "BiRefNet-portrait-epoch_150.onnx"),
    Model("birefnet-dis", _MIT, "yes", "objects with thin parts, 1024x1024", "BiRefNet-DIS-epoch_590.onnx"),
    Model(
        "birefnet-hrsod",
        _MIT,
        "yes",
        "salient objects in large pictures, 1024x1024",
        "BiRefNet-HRSOD_DHU-epoch_115.onnx",
    ),
    Model("birefnet-cod", _MIT, "yes", "camouflaged subjects, 1024x1024", "BiRefNet-COD-epoch_125.onnx"),
    Model(
        "birefnet-massive",
        _MIT,
        "yes",
        "any subject, 1024x1024, trained on more data sets",
        "BiRefNet-massive-TR_DIS5K_TR_TEs-epoch_420.onnx",
    ),
    Model("u2net", _U2NET, "yes", "any subject, 320x320, firm edges; 176 MB, fast", "u2net.onnx"),
    Model("u2netp", _U2NET, "yes", "any subject, 320x320, coarse edges; 5 MB, fastest", "u2netp.onnx"),
    Model("u2net_human_seg", _U2NET, "yes", "people, 320x320, firm edges", "u2net_human_seg.onnx"),
    Model(
        "silueta",
        "not stated (made from U-2-Net, Apache-2.0: xuebinqin/U-2-Net#295)",
        "unknown",
        "u2net made smaller, 320x320; 43 MB",
        "silueta.onnx",
    ),
    Model(
        "isnet-general-use",
        "not confirmed (xuebinqin/DIS grants Apache-2.0 for its code; for the weights see its issue 150)",
        "unknown",
        "any subject, 1024x1024; 176 MB",
        "isnet-general-use.onnx",
    ),
    Model(
        "isnet-anime",
        "not confirmed (SkyTNT/anime-segmentation)",
        "unknown",
        "drawn characters, 1024x1024",
        "isnet-anime.onnx",
    ),
    Model(
        "bria-rmbg",
        "CC BY-NC 4.0, commercial use by a paid agreement with BRIA (RMBG-2.0)",
        "no",
        "any subject, 1024x1024, fine edges; 1 GB, slow",
        "bria-rmbg-2.0.onnx",
    ),
)

MODELS: Final = MappingProxyType({model.name: model for model in _ALL})
"""rembg's models, by name."""

EMBEDDED: Final = Model(
    MINI,
    "Apache-2.0, this project's own",
    "yes",
    "any subject, 256x256, trained on renders only; part of the package",
    None,
)
"""The one that is no model of rembg's, only fed by it."""

NAMED: Final = MappingProxyType({**MODELS, EMBEDDED.name: EMBEDDED})
"""Every model that ``open_segmenter`` takes by name."""

# Not isnet-general-use: only its code is plainly under Apache-2.0, while BiRefNet's maker put code and
# weights under MIT in so many words. Of the BiRefNets the lite one: the full one is 1 GB and slower, for
# edges that the lowres pass does not resolve. Its answer is a probability for each of 1024x1024 pixels, so
# that hair stays soft where u2net's 320x320 blurs it.
DEFAULT: Final = "birefnet-general-lite"
"""The model that is used when none is named: free for commercial use. Where it is not there: ``EMBEDDED``."""

OWN_FILE: Final = MappingProxyType(
    {
        "u2net_custom": "ImageNet mean and deviation, 320x320 (U-2-Net, BiRefNet, RMBG-2.0)",
        "dis_custom": "mean 0.5, deviation 1, 1024x1024 (IS-Net, RMBG-1.4)",
        "ben_custom": "mean 0.5, deviation 1, 1024x1024 (BEN)",
    }
)
"""How rembg can feed an ONNX file of one's own: written ``KIND:FILE``; a file alone is ``u2net_custom``."""

REFUSED: Final = MappingProxyType(
    {
        "sam": "it needs points or boxes that say where the subject is, and a relight request has none",
        "u2net_cloth_seg": "it gives one mask for each garment, not one for the subject",
        "atlascloud": "it sends the picture to api.atlascloud.ai, and nothing leaves this machine here",
        "withoutbg": "it sends the picture to api.withoutbg.com, and nothing leaves this machine here",
    }
)
"""rembg sessions that are never opened, each with the reason."""
