"""When models are compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from iclight_local.pipelines.compiled import Compiler
from iclight_local.pipelines.placement import Placement

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalOptions

CompileMode = Literal["auto", "on", "off"]
FOLDER = "compiled"
"""Where in the home compiled programs are kept."""


def compiler_for(options: LocalOptions, placement: Placement) -> Compiler | None:
    """What compiles an engine's models; None where nothing is compiled.

    ``auto`` compiles on CUDA where many pictures follow, and no LoRA is laid on the weights.
    """
    asked = options.compile
    if asked == "auto" and options.lasting and placement.device.type == "cuda":
        asked = "on" if not options.lora and options.preset == "none" else "off"
    if asked != "on":
        return None
    return Compiler(options.home / FOLDER, hurried=options.compile == "on")


def failure_of(compiler: Compiler | None) -> tuple[str, ...]:
    """The sentence about what could not be compiled, if anything was to be and could not."""
    return () if compiler is None or compiler.failure is None else (compiler.failure,)


def computed_by(ways: Sequence[str | None]) -> dict[str, str]:
    """What a record tells of the way in which the UNet was computed; nothing where it was the plain one throughout.

    Args:
        ways: that of each step, None for the plain one.
    """
    found = list(dict.fromkeys(ways))
    named = [way for way in found if way is not None]
    if not named:
        return {}
    return {"computed_by": ("partly " if len(found) > 1 else "") + ", ".join(named)}
