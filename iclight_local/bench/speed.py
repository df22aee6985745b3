"""How fast this machine relights with its owner's weights: start, stages, steps, and the UNet's calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from iclight_local.bench.environment import environment
from iclight_local.bench.speed_picture import drawn_picture
from iclight_local.errors import Cancelled, InvalidRequest, NoSubject
from iclight_local.request import RelightRequest
from iclight_local.result import Progress, RelightResult
from iclight_local.sentences import kind
from iclight_local.settings import Settings

if TYPE_CHECKING:
    from iclight_local.engines.local import LocalEngine

SCHEMA = 1
SEED = 12345
PASSES = ("lowres", "highres")
STAGES = ("decode", "segment", *PASSES, "finish")
"""The stages of a picture, once all is loaded."""
ENOUGH = 20
"""Values of which a 95th percentile tells more than the largest does."""
Told = Callable[[int, int, str], None]
"""Called with what is done, all that will be, and what runs now."""


@dataclass(frozen=True)
class SpeedPlan:
    """What is measured.

    Attributes:
        settings: the owner's; no provider is asked.
        knobs: what is asked of the picture, as a request takes it, without the picture.
        runs: pictures after the first one.
        picture: its file; None: a drawn one.

    Raises:
        InvalidRequest: a knob is wrong.
    """

    settings: Settings
    knobs: Mapping[str, Any]
    runs: int
    picture: str | None = None

    def __post_init__(self) -> None:
        self.request_of("drawn")

    def request(self) -> RelightRequest:
        """What is relit over and over."""
        return self.request_of(drawn_picture() if self.picture is None else self.picture)

    def request_of(self, picture: str | bytes) -> RelightRequest:
        """The same of a picture."""
        return RelightRequest(**{"seed": SEED, **self.knobs, "subject_image": picture})


@dataclass
class SpeedRun:
    """A measurement that is going on.

    Attributes:
        plan: what is measured.
        told: told how far it is.
        result: what was measured so far, as plain values for one JSON file.
    """

    plan: SpeedPlan
    told: Told
    result: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        chosen = ("device", "precision", "vram", "compile", "preset")
        request = plan.request_of("drawn")
        self.result = {
            "schema": SCHEMA,
            "complete": False,
            "experiment": {
                "runs": plan.runs,
                "picture": "drawn" if plan.picture is None else "of one's own",
                "knobs": {name: _plain(name, getattr(request, name)) for name in plan.knobs},
                "settings": {name: getattr(plan.settings, name) for name in chosen},
            },
            "environment": environment(),
            "runs": [],
            "warnings": [],
        }

    def run(self) -> dict[str, Any]:
        """Measure; the first picture is the cold start of this process.

        Returns:
            :attr:`result`. ``complete`` is false where the user stopped it.

        Raises:
            ICLightError: what a relight raises.
        """
        request = self.plan.request()
        steps = self.plan.runs + 3
        try:
            self.told(0, steps, "first picture")
            began = time.perf_counter()
            engine = self._opened()
            imported = time.perf_counter() - began
            try:
                self._first(engine, request, began, imported)
                for index in range(self.plan.runs):
                    self.told(1 + index, steps, f"picture {index + 1} of {self.plan.runs}")
                    told, result = _one(engine, request)
                    self.result["runs"].append(told)
                    self._keep(result)
                self.told(steps - 2, steps, "the UNet's calls")
                self._unet(engine, request)
                self.told(steps - 1, steps, "the machine's peak")
                self._peak(engine)
            finally:
                engine.close()
            self.result["complete"] = True
        except (KeyboardInterrupt, Cancelled):
            self.result["complete"] = False
        self.result["summary"] = summarise(self.result)
        return self.result

    def _opened(self) -> LocalEngine:
        # The import of torch, diffusers and transformers is on the clock.
        from iclight_local.assemble import engine_from

        alone = self.plan.settings.model_copy(update={"providers": (), "local_first": True})
        return cast("LocalEngine", engine_from(alone))

    def _first(self, engine: LocalEngine, request: RelightRequest, began: float, imported: float) -> None:
        told, result = _one(engine, request)
        plan, timings = engine.plan(request), told["timings"]
        # A conversion is there only where one was needed.
        stages = {stage: timings[stage] for stage in ("load", "convert", "hash") if stage in timings}
        self.result["cold"] = {
            "import_s": imported,
            **{f"{stage}_s": seconds for stage, seconds in stages.items()},
            "picture_s": told["seconds"] - sum(stages.values()),
            "total_s": time.perf_counter() - began,
            "run": told,
        }
        self.result["model"] = plan.model
        self.result["images"] = plan.number_of_images
        self.result["sampling"] = {name: getattr(plan, name) for name in ("cfg", "cfg_until", "cache_interval")}
        self._keep(result)

    def _keep(self, result: RelightResult) -> None:
        """Keep how it was computed. The last picture tells: what fails to compile is computed plainly from then on."""
        for name in ("engine", "weights", "passes", "preset", "loras"):
            if name in result.record:
                self.result[name] = result.record[name]
        self.result["warnings"] = list(dict.fromkeys([*self.result["warnings"], *result.warnings]))

    def _unet(self, engine: LocalEngine, request: RelightRequest) -> None:
        """The UNet's calls by themselves, in the sizes of both passes."""
        from iclight_local.pipelines.speed import call_seconds, call_shape, unet_operations

        plan = engine.plan(request)
        pipe = engine.load(plan.model)
        self.result["unet"] = {}
        for name, which in zip(PASSES, (plan.lowres, plan.highres), strict=True):
            shape = call_shape(pipe, plan, which)
            self.result["unet"][name] = {
                "shape": asdict(shape),
                "operations": unet_operations(pipe.unet.config, shape),
                "seconds": call_seconds(pipe, shape, self.plan.runs, engine.placement),
            }

    def _peak(self, engine: LocalEngine) -> None:
        from iclight_local.pipelines.speed import matrix_peak, matrix_products

        products = matrix_products(engine.placement)
        self.result["peak"] = {
            "dtype": engine.placement.describe()["dtype"],
            "seconds": {str(side): seconds for side, seconds in products.items()},
            "operations_per_second": matrix_peak(products),
        }


def summarise(result: Mapping[str, Any]) -> dict[str, Any]:
    """Medians of what was measured, and 95th percentiles of what was measured often; what was not is left out."""
    runs = result["runs"]
    summary: dict[str, Any] = {"pictures": len(runs) * result.get("images", 1)}
    if runs:
        per_picture = [run["seconds"] / result["images"] for run in runs]
        summary["picture_s"] = spread(per_picture)
        summary["pictures_an_hour"] = 3600 / summary["picture_s"]["median"]
        summary["stages"] = {
            stage: spread([run["timings"][stage] for run in runs])
            for stage in STAGES
            if all(stage in run["timings"] for run in runs)
        }
        summary["steps"] = _steps(runs, result["sampling"])
        summary["peak_memory"] = max(run["peak_memory"] for run in runs)
    for name, call in result.get("unet", {}).items():
        taken = spread(call["seconds"])
        rate = call["operations"] / taken["median"]
        peak = {"of_peak": rate / result["peak"]["operations_per_second"]} if "peak" in result else {}
        summary.setdefault("unet", {})[name] = {**taken, "operations_per_second": rate, **peak}
    return summary


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and, of :data:`ENOUGH` values or more, the 95th percentile: of few it would lie next to the largest."""
    tail = {"p95": float(np.percentile(values, 95))} if len(values) >= ENOUGH else {}
    return {"median": median(values), **tail}


def _steps(runs: Sequence[Mapping[str, Any]], sampling: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What a step took, by the pass; the mean alone where steps differ in what they compute."""
    # The first step of a pass has to wait for texts and pictures to be encoded. It goes with those that take over from
    # it, so that whole steps keep their share.
    interval = sampling["cache_interval"]
    steps = {name: [second for run in runs for second in run["steps"][name][interval:]] for name in PASSES}
    alike = interval == 1 and sampling["cfg_until"] == 1
    return {name: spread(seconds) if alike else {"mean": fmean(seconds)} for name, seconds in steps.items() if seconds}


def _one(engine: LocalEngine, request: RelightRequest) -> tuple[dict[str, Any], RelightResult]:
    """Relight once, on the clock: what it took, and the result."""
    from iclight_local.pipelines.speed import Ticks

    ticks, moments = Ticks(engine.placement.device), list[tuple[str, float]]()

    def note(progress: Progress) -> None:
        moments.append((progress.stage, time.perf_counter()))
        if progress.stage in PASSES:
            ticks.note()

    began = time.perf_counter()
    try:
        result = engine.relight(request, progress=note)
    except NoSubject:
        raise InvalidRequest(
            "The segmenter found no subject in the picture: give a photograph of yours with --picture."
        ) from None
    seconds, steps = time.perf_counter() - began, ticks.seconds()
    lowres = engine.plan(request).lowres.steps
    told = {
        "seconds": seconds,
        "timings": _apart(result.timings, moments),
        # The first of each pass holds what its pass needs beforehand.
        "steps": {"lowres": steps[:lowres], "highres": steps[lowres:]},
        "peak_memory": result.peak_memory,
    }
    return told, result


def _apart(timings: Mapping[str, float], moments: Sequence[tuple[str, float]]) -> dict[str, float]:
    """The stages with a conversion of the UNet, which is part of loading it, as a stage of its own.

    What it ends with is not told: to open what was made of it counts with it.

    Args:
        timings: the result's.
        moments: each stage that was told as the run went on, and when.
    """
    stages = [stage for stage, _ in moments]
    if "convert" not in stages:
        return dict(timings)
    first = stages.index("convert")
    after = next(moment for stage, moment in moments[first:] if stage != "convert")
    converting = after - moments[first][1]
    return {**timings, "load": timings["load"] - converting, "convert": converting}


def _plain(name: str, value: Any) -> Any:
    """A knob for the JSON file; where a picture lies is nobody's business."""
    return "a picture" if kind(RelightRequest.model_fields[name])[0] is object else value
