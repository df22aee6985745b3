"""OpenVINO and NNCF, imported so that they send nothing; a UNet that OpenVINO computes on the CPU."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import threading
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from iclight_local.errors import Unsupported
from iclight_local.pipelines.unet_calls import Predict, UNetInput

EXTRA = "pip install 'iclight-local[openvino]'"
LIBRARIES = ("openvino", "nncf")
_TELEMETRY = "openvino_telemetry"
"""What both report their use with, from the moment of being imported and without asking."""


def missing() -> list[str]:
    """Those of the libraries that are not installed."""
    return [name for name in LIBRARIES if importlib.util.find_spec(name) is None]


def check_installed() -> None:
    """Check that int8 can be computed.

    Raises:
        Unsupported: a library is not installed.
    """
    lacking = missing()
    if lacking:
        raise Unsupported(
            f"Precision int8 was asked for, which needs {' and '.join(lacking)} and found no such library: {EXTRA}."
        )


def versions() -> dict[str, str]:
    """Versions of the libraries, without importing them."""
    return {name: metadata.version(name) for name in LIBRARIES}


def library(name: str) -> Any:
    """``openvino`` or ``nncf``, imported without what would send reports of its use to its maker.

    Raises:
        Unsupported: it is not installed.
    """
    check_installed()
    # Both do without where it cannot be imported. None in the table is what makes an import fail.
    if _TELEMETRY not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    loggers = logging.getLoggerClass()
    try:
        return importlib.import_module(name)
    finally:
        # NNCF makes its own class that of everybody's new loggers.
        logging.setLoggerClass(loggers)


class OpenVINOUNet:
    """A UNet compiled by OpenVINO for this CPU: a :data:`~iclight_local.pipelines.unet_calls.Predict`.

    Attributes:
        rest: precision of what is not computed in int8: ``bf16`` or ``fp32``.

    Args:
        model: OpenVINO's model, or the file of one.
        plain: computes what the model cannot: calls with ``cross_attention_kwargs``, and those of ``cache_interval``.

    Raises:
        RuntimeError: OpenVINO cannot read the file.
    """

    def __init__(self, model: Any, plain: Predict) -> None:
        core = library("openvino").Core()
        # Only where the CPU has instructions for it; elsewhere it would be emulated.
        self.rest = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "fp32"
        options = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            # For what is not int8: attention takes half the time in it, and the picture stays as near.
            "INFERENCE_PRECISION_HINT": "bf16" if self.rest == "bf16" else "f32",
        }
        self._compiled = core.compile_model(str(model) if isinstance(model, Path) else model, "CPU", options)
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()
        self._plain = plain

    @property
    def name(self) -> str:
        """How the UNet is computed, for a record."""
        return f"openvino int8, {self.rest}"

    def __call__(self, given: UNetInput) -> torch.Tensor:
        """The predicted noise, float32, ``n x channels x h x w``."""
        if given.attention is not None or given.kind != "plain":
            return self._plain(given)
        with self._lock:
            found = self._request.infer([tensor.numpy() for tensor in inputs_of(given)])
            # The request's own memory is written over by the next call.
            return torch.from_numpy(next(iter(found.values())).copy())


def inputs_of(given: UNetInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sample, timesteps (one for each row) and texts, float32 and contiguous on the CPU."""
    steps = given.timestep.reshape(-1).expand(len(given.sample))
    sample, steps, embeddings = (
        each.detach().to("cpu", torch.float32).contiguous() for each in (given.sample, steps, given.embeddings)
    )
    return sample, steps, embeddings


def hush() -> None:
    """Have NNCF keep its bars and notes off the standard output, which is everybody's."""
    library("nncf")
    # Not by NNCF's own function, which sets the level of others' handlers on its logger, too.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    bars = importlib.import_module("nncf.common.logging.track_progress")
    # Its bars can be switched off, but not by who calls it from outside.
    statistics: Any = importlib.import_module("nncf.common.tensor_statistics.aggregator")
    statistics.track = partial(bars.track, disable=True)
