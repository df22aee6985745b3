"""The owner's settings: environment variables and one optional file, read in this one place."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from iclight_local.embedded import NAME as EMBEDDED
from iclight_local.engines.presets import PresetName
from iclight_local.errors import InvalidRequest
from iclight_local.layouts.lora import ACCEPTS as LORA_ACCEPTS
from iclight_local.layouts.lora import SEPARATOR as LORA_SEPARATOR
from iclight_local.layouts.lora import LoraFile, parse_lora
from iclight_local.providers import list_providers
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.sentences import expectation
from iclight_local.store.bundles import DEFAULT as DEFAULT_BUNDLE

PREFIX = "ICLIGHT_"
CONFIG_FILE = "config.toml"
SERVE_TABLE = "serve"
LOCAL = "local"
"""This machine's engine among the names of providers."""
_Model = TypeVar("_Model", bound=BaseModel)


def _loras(value: object) -> object:
    """LoRAs from texts like ``FILE:SCALE``: one, several in one text, or a list of them."""
    if isinstance(value, str):
        value = value.split(LORA_SEPARATOR)
    if isinstance(value, os.PathLike | LoraFile):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return tuple(each if isinstance(each, LoraFile) else parse_lora(os.fspath(each)) for each in value)


def _providers(value: object) -> object:
    """Names of engines: one, several in one text with commas between, or a list of these."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        return value
    names = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    unknown = set(names) - {LOCAL, *list_providers()}
    if unknown:
        raise ValueError(f"there is no provider {min(unknown)}")
    return names


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
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        "auto",
        description="auto is fp16 on CUDA and MPS and fp32 on the CPU. int8 is the UNet in 8 bits, on the CPU alone: "
        "faster, and not quite the same picture (extra openvino).",
    )
    vram: Literal["auto", "4", "6", "8", "12", "24"] = Field(
        "auto",
        description="Size in GB of the graphics card to fit into: models wait in main memory, and the autoencoder "
        "works on less at once, where that is needed. auto reads the card's.",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Compile the models for this machine and keep the programs; auto does so on CUDA where many "
        "pictures follow (serve). Each size takes a minute or more at first.",
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
        0,
        ge=0,
        le=100,
        description="Steps from one preview of the running picture to the next; 0: none. Large weights need taesd.",
    )
    segmenter: str | None = Field(
        None,
        description="mini, a rembg model, or an ONNX file of one's own, that cuts the subject out.",
        json_schema_extra={"default_text": f"{DEFAULT_SEGMENTER}, else {EMBEDDED}"},
    )
    allow_noncommercial: bool = Field(False, description="Allow segmenters whose licence forbids commercial use.")
    offline: bool = Field(False, description="Fetch and send nothing at all, pictures by URL included.")
    providers: Annotated[tuple[str, ...], BeforeValidator(_providers)] = Field(
        (),
        description="Hosted providers that pictures may be sent to where this machine's engine cannot relight them, in "
        "the order in which they are tried.",
        json_schema_extra={
            "default_text": "none: nothing is sent",
            "accepts": f"names of providers, with commas between: {', '.join(list_providers())}",
        },
    )
    local_first: bool = Field(
        True, description=f"Try this machine's engine before the providers, where {LOCAL} is not named among them."
    )
    remote_seconds: float = Field(
        600, ge=1, le=86_400, description="Seconds that a hosted relight may take in all, waiting included."
    )

    upload_url: str | None = Field(
        None,
        description="Address with {name} in it, where pictures are put (PUT) for providers that take web addresses "
        "alone, and taken away afterwards (DELETE); they have to be able to fetch them there.",
        json_schema_extra={"default_text": "none: such providers are refused files"},
    )

    @property
    def engines(self) -> tuple[str, ...]:
        """Who relights, in the order of trying: ``local`` and names of providers."""
        first = (LOCAL,) if self.local_first and LOCAL not in self.providers else ()
        return first + self.providers


class ServeSettings(BaseModel):
    """How ``iclight serve`` runs; each has an environment variable ``ICLIGHT_SERVE_<NAME>``.

    In ``config.toml`` they stand in the table ``[serve]``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen at; one that others reach needs keys.")
    port: int = Field(8188, ge=0, le=65535, description="Port to listen at; 0 takes a free one.")
    jobs: Path | None = Field(
        None,
        description="Folder of accepted jobs and their pictures.",
        json_schema_extra={"default_text": "jobs in home"},
    )
    public_url: str = Field(
        "",
        description="What links to results begin with, where a proxy stands in front.",
        json_schema_extra={"default_text": "the host that the caller names"},
    )
    most_waiting: int = Field(256, ge=1, le=10_000, description="Jobs that may wait; more are refused.")
    most_together: int = Field(
        4, ge=1, le=64, description="Jobs that run at the same time; those of one size share the model's calls."
    )
    rate: int = Field(600, ge=0, le=1_000_000, description="Calls that one key may make in a minute; 0: no limit.")
    max_body_mb: int = Field(64, ge=1, le=4096, description="Size of a call with its pictures in MB.")
    body_seconds: float = Field(60, ge=1, le=3600, description="Seconds that sending a call may take.")
    wait_seconds: float = Field(600, ge=1, le=86_400, description="Seconds that a call waits for its picture.")
    no_warm_up: bool = Field(
        False, description="Say that the server is ready (/readyz) before models are loaded and one relight was made."
    )
    keep_hours: float = Field(24, ge=0.01, le=8760, description="Hours that results are kept.")
    stop_seconds: float = Field(30, ge=0, le=3600, description="Seconds that a running job has when the server stops.")
    ui: bool = Field(False, description="Show the page, too, at /ui, for people with a browser (extra ui).")
    allow_private_urls: bool = Field(
        False, description="Fetch pictures from addresses of this machine and the local network, too."
    )


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
    default = Settings.model_fields["home"].default
    home = Path(given.get("home", env.get(f"{PREFIX}HOME") or default)).expanduser()
    file = home / CONFIG_FILE
    table = {name: value for name, value in _from_file(file).items() if name != SERVE_TABLE}
    return _checked(Settings, _Sources(table, env, {**given, "home": home}, file, PREFIX))


def load_serve_settings(
    home: Path, overrides: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> ServeSettings:
    """Read how the server runs; raises as :func:`load_settings` does."""
    env = os.environ if environ is None else environ
    file = home / CONFIG_FILE
    table = _from_file(file).get(SERVE_TABLE, {})
    if not isinstance(table, dict):
        raise InvalidRequest(f"{SERVE_TABLE} in {file} is {table!r}, but must be a table: [{SERVE_TABLE}].")
    return _checked(ServeSettings, _Sources(table, env, overrides, file, f"{PREFIX}{SERVE_TABLE.upper()}_"))


class _Sources(NamedTuple):
    """Where values come from, the weakest first."""

    table: Mapping[str, Any]
    environ: Mapping[str, str]
    given: Mapping[str, Any]
    file: Path
    prefix: str


def _checked(model: type[_Model], sources: _Sources) -> _Model:
    environ, given, file = sources.environ, sources.given, sources.file
    keys = {name: sources.prefix + name.upper() for name in model.model_fields}
    from_env = {name: environ[key] for name, key in keys.items() if environ.get(key)}
    try:
        return model(**{**sources.table, **from_env, **given})
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        if fault["type"] == "extra_forbidden":
            where = "" if name in given else f" (in {file})"
            known = ", ".join(model.model_fields)
            raise InvalidRequest(f"There is no setting {name}{where}: the settings are {known}.") from None
        source = keys[name] if name in from_env else f"{name} in {file}"
        source = f"The setting {name}" if name in given else source
        needed = expectation(model.model_fields[name])
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
