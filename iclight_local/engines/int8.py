"""The UNet in int8: converted once for each set of weights and LoRAs, then read from ``home/cache/int8``.

A conversion is a folder, which is built beside its place and renamed, with the hashes of its own files in it: what a
killed process left is no folder of that name, and what is damaged is made anew. Folders may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iclight_local.errors import EngineError
from iclight_local.pipelines.calibration import VERSION, Tell
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.openvino_unet import OpenVINOUNet, versions
from iclight_local.pipelines.quantizing import write_int8
from iclight_local.pipelines.unet_calls import plainly
from iclight_local.request import RelightRequest
from iclight_local.store.hashes import file_hashes
from iclight_local.store.staging import check_space, staging

_MODEL, _FILES, _WHOLE = "unet.xml", ("unet.xml", "unet.bin"), "sha256.json"
IDLE_CACHE = "cache_interval has no effect here: with precision int8 the whole UNet is computed in every step."


@dataclass(frozen=True)
class Int8Source:
    """What a conversion is made from; any difference in it asks for another one.

    Attributes:
        weights: sha256 of the files that the model is loaded from, by their names.
        loras: sha256 and scale of the LoRAs laid on them.
        model: ``fc``, ``fcon`` or ``fbc``.
        preset: the engine's, which decides the sampler.
    """

    weights: Mapping[str, str]
    loras: tuple[Mapping[str, Any], ...]
    model: str
    preset: str

    @property
    def key(self) -> str:
        """Name of the folder."""
        loras = [{"sha256": each["sha256"], "scale": each["scale"]} for each in self.loras]
        facts = {
            "weights": sorted(self.weights.items()),
            "loras": loras,
            "model": self.model,
            "preset": self.preset,
            "versions": versions(),
            "calibration": VERSION,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def with_whole_steps(request: RelightRequest) -> tuple[RelightRequest, tuple[str, ...]]:
    """What is done of a request in int8, which has no form of the UNet without its deep levels, and what to warn of."""
    if request.cache_interval == 1:
        return request, ()
    return request.model_copy(update={"cache_interval": 1}), (IDLE_CACHE,)


def int8_unet(pipe: ICLightPipeline, source: Int8Source, home: Path, tell: Tell) -> tuple[OpenVINOUNet, str | None]:
    """The UNet of a pipeline in int8, and a sentence where it had to be converted for that.

    Args:
        pipe: the pipeline, on the CPU in float32, its LoRAs laid on.
        source: what it was made from.
        home: where conversions are kept.
        tell: told how far a conversion is.

    Raises:
        EngineError: the conversion cannot be written.
    """
    parent = home / "cache" / "int8"
    folder, plain = parent / source.key, plainly(pipe.unet)
    if _is_whole(folder, home):
        try:
            return OpenVINOUNet(folder / _MODEL, plain), None
        except RuntimeError:
            # A file as it was written, which this OpenVINO cannot read all the same.
            pass
    began = time.perf_counter()
    try:
        _convert(pipe, folder, home, tell)
    except OSError as error:
        raise EngineError(
            f"The UNet in int8 cannot be written to {parent} ({error.strerror}): mend that, or use --precision fp32."
        ) from error
    spent = time.perf_counter() - began
    notice = (
        f"The UNet was converted to int8, which took {spent:.0f} s; it is kept for the next start with its weights."
    )
    return OpenVINOUNet(folder / _MODEL, plain), notice


def _convert(pipe: ICLightPipeline, folder: Path, home: Path, tell: Tell) -> None:
    with staging(folder.parent) as stage:
        # 8 bits for most of the weights, 32 for a few, and the graph.
        check_space(int(1.3 * sum(values.numel() for values in pipe.unet.parameters())), folder.parent)
        made = stage.new / folder.name
        made.mkdir()
        write_int8(pipe, made / _MODEL, tell)
        hashes = {path.name: digest for path, digest in file_hashes([made / name for name in _FILES], home).items()}
        (made / _WHOLE).write_text(json.dumps(hashes), encoding="utf-8")
        # Only a damaged one stands there, or the same that another process has made meanwhile.
        stage.put(made, folder, overwrite=True)


def _is_whole(folder: Path, home: Path) -> bool:
    """Whether a conversion is there as it was written."""
    try:
        written = json.loads((folder / _WHOLE).read_text(encoding="utf-8"))
        found = file_hashes([folder / name for name in _FILES], home)
        return all(written[path.name] == digest for path, digest in found.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False
