"""The owner's settings: environment variables and one optional file, read in this one place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from iclight_local.embedded import NAME as EMBEDDED
from iclight_local.engines.presets import PresetName
from iclight_local.errors import InvalidRequest
from iclight_local.layouts.lora import ACCEPTS as LORA_ACCEPTS
from iclight_local.layouts.lora import SEPARATOR as LORA_SEPARATOR
from iclight_local.layouts.lora import LoraFile, parse_lora
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.sentences import expectation
from iclight_local.store.bundles import DEFAULT as DEFAULT_BUNDLE

PREFIX = "ICLIGHT_"
CONFIG_FILE = "config.toml"


def _loras(value: object) -> object:
    """LoRAs from texts like ``FILE:SCALE``: one, several in one text, or a list of them."""
    if isinstance(value, str):
        value = value.split(LORA_SEPARATOR)
    if isinstance(value, os.PathLike | LoraFile):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return tuple(each if isinstance(each, LoraFile) else parse_lora(os.fspath(each)) for each in value)


class Settings(BaseModel):
    """How this machine runs the engine; each has an environment variable ``ICLIGHT_<NAME>``.

    The file ``config.toml`` in ``home`` holds the same names in small letters; the environment wins over
    it, and a command line option over both.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Field(Path("~/.iclight"), description="Folder of weights, cache and config.toml.")
    weights: str | None = Field(
        None,
        description="Bundle of weights: a name or a folder.",
        json_schema_extra={"default_text": f"{DEFAULT_BUNDLE}, else {EMBEDDED}"},
    )
    device: str = Field("auto", description="auto, cpu, mps, cuda or cuda:N.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto is fp16 on CUDA and MPS and fp32 on the CPU."
    )
    vram: Literal["auto", "4", "6", "8", "12", "24"] = Field(
        "auto",
        description="Size in GB of the graphics card to fit into: models wait in main memory, and the autoencoder "
        "works on less at once, where that is needed. auto reads the card's.",
    )
    lora: Annotated[tuple[LoraFile, ...], BeforeValidator(_loras)] = Field(
        (),
        description="LoRA laid on the weights, with the strength it works at behind a colon; several may be given.",
        json_schema_extra={"default_text": "none", "accepts": LORA_ACCEPTS},
    )
    preset: PresetName = Field(
        "none", description="fast: LCM-LoRA, its sampler, 6 steps and guidance 1.5, where you set no others."
    )
    preview_every: int = Field(
        0, ge=0, le=100, description="Steps from one preview of the running picture to the next (taesd); 0: none."
    )
    segmenter: str | None = Field(
        None,
        description="mini, a rembg model, or an ONNX file of one's own, that cuts the subject out.",
        json_schema_extra={"default_text": f"{DEFAULT_SEGMENTER}, else {EMBEDDED}"},
    )
    allow_noncommercial: bool = Field(False, description="Allow segmenters whose licence forbids commercial use.")
    offline: bool = Field(False, description="Fetch nothing at all, pictures by URL included.")


def load_settings(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        overrides: values that win over file and environment; None values are left out.
        environ: the environment; by default the process's own.

    Raises:
        InvalidRequest: an unknown name or a bad value, with where it stands.
    """
    env = os.environ if environ is None else environ
    given = {} if overrides is None else {name: value for name, value in overrides.items() if value is not None}
    from_env = {name: env[key] for name in Settings.model_fields if env.get(key := PREFIX + name.upper())}
    home = Path(given.get("home", from_env.get("home", Settings.model_fields["home"].default))).expanduser()
    file = home / CONFIG_FILE
    values = {**_from_file(file), **from_env, **given, "home": home}
    try:
        return Settings(**values)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            where = "" if name in given else f" (in {file})"
            known = ", ".join(Settings.model_fields)
            raise InvalidRequest(f"There is no setting {name}{where}: the settings are {known}.") from None
        source = f"{PREFIX}{name.upper()}" if name in from_env else f"{name} in {file}"
        source = f"The setting {name}" if name in given else source
        needed = expectation(Settings.model_fields[name])
        raise InvalidRequest(f"{source} is {fault['input']!r}, but must be {needed}.") from None


def _from_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read ({error.strerror}): mend or remove it.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"{path} is no valid TOML ({error}): mend or remove it.") from None
    if "home" in table:
        raise InvalidRequest(f"{path} sets home, which says where this file is looked for: set {PREFIX}HOME instead.")
    return table
