"""How a batch runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from iclight_local.errors import InvalidRequest
from iclight_local.sentences import refusal


class BatchOptions(BaseModel):
    """How a batch runs, beside what is asked of its pictures.

    Raises:
        InvalidRequest: a bad value, or values that contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: str = Field(description="Folder of the results, or an address like s3://bucket/folder.")
    name: str | None = Field(
        None,
        description="Names of the results: {stem}, {folder}, {row} (also {row:06d}) and any parameter, like {prompt}.",
        json_schema_extra={"default_text": "{folder}/{stem}-relit; {stem}-relit of a manifest"},
    )
    overwrite: bool = Field(False, description="Replace results that are there already and were asked for otherwise.")
    retry: bool = Field(False, description="Run once more what failed before.")
    limit: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="Pictures to relight in this run.",
        json_schema_extra={"default_text": "all"},
    )
    dry_run: bool = Field(
        False, description="Relight nothing: tell what would run, how long it would take and how much memory."
    )
    together: int | None = Field(
        None,
        ge=1,
        le=64,
        description="Pictures of one size that are sampled together, as far as memory allows.",
        json_schema_extra={
            "default_text": "8 on a graphics card, 1 on the CPU, which gains by more with small pictures alone"
        },
    )
    sequence: bool = Field(
        False,
        description="The pictures are the frames of a sequence: one seed for all, and their light is steadied over "
        "time.",
    )
    engine: Literal["local", "ray"] = Field(
        "local", description="local: this process. ray: Ray Data, on every graphics card of this machine or a cluster."
    )
    ray_address: str | None = Field(
        None,
        description="Cluster to run on that this machine is part of, auto or HOST:6379 (engine ray).",
        json_schema_extra={"default_text": "this machine alone"},
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=4096,
        description="Most workers (engine ray).",
        json_schema_extra={"default_text": "one for each graphics card; without any, one for each node"},
    )

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidRequest(refusal(type(self), error)) from None

    @model_validator(mode="after")
    def _combination(self) -> BatchOptions:
        if self.sequence and self.engine == "ray":
            raise InvalidRequest(
                "sequence needs its frames one after another, and engine ray hands them to several workers: "
                "leave one of the two out."
            )
        if self.sequence and self.limit is not None:
            raise InvalidRequest(
                "A frame's light depends on those after it, so that a part of a sequence would come out otherwise: "
                "leave limit out; a run that is stopped goes on as it would have."
            )
        for name in ("ray_address", "workers"):
            if getattr(self, name) is not None and self.engine != "ray":
                raise InvalidRequest(
                    f"{name} is for engine ray, and the engine here is {self.engine}: add --engine ray."
                )
        return self
