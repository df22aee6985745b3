"""Sample sheets: what a stage makes of held-out scenes, to look at while training goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image

from iclight_local import ICLightPipeline
from iclight_local.pipelines.loading import default_scheduler
from scripts.mini.denoiser import Denoiser
from scripts.mini.scenes import Scenes

ROWS = 6
SHOWN: tuple[dict[str, Any], ...] = (
    {"light_source": "left"},
    {"light_source": "right"},
    {"light_source": "top"},
    {"light_source": "bottom"},
    {"prompt": "light from the left"},
    {"prompt": "light from the right"},
    {"prompt": "sunset over sea"},
    {"prompt": "cool light"},
)
"""The columns of an fc sheet behind the foreground; an fbc sheet has background, result and true picture."""


def write_sheet(denoiser: Denoiser, vae: AutoencoderKL, scenes: Scenes, path: Path, steps: int) -> None:
    """Relight the first held-out scenes with the networks as they are, and write a PNG beside the losses."""
    pipe = ICLightPipeline(
        vae, denoiser.text_model, denoiser.tokenizer, denoiser.unet, default_scheduler("v_prediction")
    )
    pipe.set_progress_bar_config(disable=True)
    size = scenes.pictures("target")[0].shape[1]
    knobs = {"width": size, "height": size, "highres_scale": 1.0, "steps": steps, "seed": 1}
    first = {name: scenes.pictures(name)[0][:ROWS] for name in ("foreground", "background", "target")}
    columns = [first["foreground"]]
    with torch.no_grad():
        if pipe.config.model == "fbc":
            made = [_relit(pipe, [front], background=behind, **knobs)
                    for front, behind in zip(first["foreground"], first["background"], strict=True)]  # fmt: skip
            columns += [first["background"], np.concatenate(made), first["target"]]
        else:
            columns += [_relit(pipe, list(first["foreground"]), **asked, **knobs) for asked in SHOWN]
    rows = [np.concatenate([column[row] for column in columns], 1) for row in range(len(columns[0]))]
    Image.fromarray(np.concatenate(rows)).save(path)


def _relit(pipe: ICLightPipeline, fronts: list[Any], **knobs: Any) -> Any:
    return np.stack([np.asarray(image) for image in pipe([np.array(front) for front in fronts], **knobs).images])
