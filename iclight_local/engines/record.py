"""What a result says of itself: everything that a replay needs."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from iclight_local import __version__
from iclight_local.engines.subject import Subject
from iclight_local.plan import RelightPlan, executed_knobs
from iclight_local.request import RelightRequest

LIBRARIES = ("torch", "diffusers", "transformers", "rembg", "onnxruntime", "numpy", "pillow")
"""Distributions whose versions can change a result."""


def make_record(request: RelightRequest, plan: RelightPlan, subject: Subject) -> dict[str, Any]:
    """The executed request, the hashes of its pictures, and the versions, as plain JSON values.

    Pictures are named by their short name and hash; no path of the machine goes into a result.
    """
    width, height = subject.picture.size
    record: dict[str, Any] = {
        "iclight_local": __version__,
        "seed": plan.seed,
        "request": executed_knobs(request, plan),
        "subject": {
            "name": subject.picture.name,
            "sha256": subject.picture.sha256,
            "width": width,
            "height": height,
            "matte": subject.matte_source,
        },
        "passes": {
            name: {"width": each.width, "height": each.height, "steps": each.steps, "of": each.scheduler_steps}
            for name, each in (("lowres", plan.lowres), ("highres", plan.highres))
        },
        "versions": {**library_versions(), "python": platform.python_version()},
    }
    if subject.matte_sha256 is not None:
        record["subject"]["matte_sha256"] = subject.matte_sha256
    if subject.background_sha256 is not None:
        record["background"] = {"sha256": subject.background_sha256}
    return record


def library_versions() -> dict[str, str]:
    """Versions of the libraries that are installed, without importing them."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
