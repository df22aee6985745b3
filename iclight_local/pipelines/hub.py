"""Which arguments of ``from_pretrained`` are about files, and what a repository's name looks like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

HUB_ARGUMENTS = (
    "cache_dir", "force_download", "proxies", "local_files_only", "token", "revision", "variant",
    "use_safetensors", "low_cpu_mem_usage",
)  # fmt: skip
"""Arguments of ``from_pretrained`` that say where files are and how they are read."""
HUB_PARTS = 2
"""A repository on the hub is named OWNER/NAME; any other path that is not there is a missing folder."""


def hub_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments of ``from_pretrained`` those about files."""
    return {key: options[key] for key in HUB_ARGUMENTS if key in options}


def on_hub(base: Path) -> bool:
    """Whether a path that is not there names a repository."""
    return not base.is_absolute() and len(base.parts) == HUB_PARTS and not base.exists()
