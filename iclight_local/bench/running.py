"""The bench itself: everybody's turn at every picture, and what came of it on the disk after each of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from iclight_local.bench.answers import Answer, Entrant
from iclight_local.bench.cases import PICTURE_FIELDS, Case, file_name
from iclight_local.bench.environment import environment
from iclight_local.bench.quality import Judge, asked_direction
from iclight_local.bench.summary import summarise
from iclight_local.errors import Cancelled, ICLightError, InvalidRequest
from iclight_local.imaging.encode import encode
from iclight_local.imaging.write import write
from iclight_local.request import RelightRequest

SCHEMA = 1
RESULT, REPORT, PICTURES = "bench.json", "report.html", "pictures"
"""What lies in the folder of a bench."""

Told = Callable[[int, int, str], None]
"""Called with the answers so far, all that will be asked for, and whose turn it is."""


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        cases: the pictures.
        entrants: whose turns follow each other; the first is what the others are compared with.
        knobs: what is asked of every picture, as a request takes it.
        runs: measured answers to each picture.
        warmup: answers of each entrant before those, to the first picture.
        out: the folder; it is made.
        segmenter: that finds the matte which is measured with, where no better one is known.
        allow_noncommercial: allow segmenters whose licence forbids commercial use.
    """

    cases: Sequence[Case]
    entrants: Sequence[Entrant]
    knobs: Mapping[str, Any]
    runs: int
    warmup: int
    out: Path
    segmenter: str | None = None
    allow_noncommercial: bool = False

    @property
    def turns(self) -> int:
        """Answers that are asked for, if all goes well."""
        return sum(self.turns_of(each) for each in self.entrants)

    def turns_of(self, entrant: Entrant) -> int:
        """Answers that an entrant is asked for, if all goes well."""
        return 1 + self.warm_ups(entrant) + len(self.cases) * self.runs

    def warm_ups(self, entrant: Entrant) -> int:
        """Warm-up answers of an entrant; its cold start is the first of them where it has warmed the engine itself."""
        return self.warmup if entrant.apart else max(0, self.warmup - 1)


@dataclass
class Bench:
    """A bench that is going on."""

    plan: Plan
    told: Told
    result: dict[str, Any] = field(init=False)
    _done: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        plan = self.plan
        self.result = {
            "schema": SCHEMA,
            "complete": False,
            "experiment": {
                "runs": plan.runs,
                "warmup": plan.warmup,
                "knobs": {name: _plain(name, value) for name, value in plan.knobs.items()},
                "pictures": [case.name for case in plan.cases],
            },
            "environment": environment(),
            "contestants": {
                each.name: {"price": asdict(each.price), "replayed": each.replayed} for each in plan.entrants
            },
            "pictures": [],
            "summary": {},
        }

    def run(self) -> dict[str, Any]:
        """Run; the JSON is whole after the cold starts and after each picture.

        Returns:
            What was written. ``complete`` is false where the user stopped it.

        Raises:
            InvalidRequest: a picture cannot be read, or a request is wrong whoever gets it.
            EngineError: the disk is full.
        """
        plan = self.plan
        requests = [case.request(plan.knobs) for case in plan.cases]
        # Before anything is paid for: a picture that cannot be read would end the bench in the middle.
        judges = [Judge(case, plan.segmenter, allow_noncommercial=plan.allow_noncommercial) for case in plan.cases]
        (plan.out / PICTURES).mkdir(parents=True, exist_ok=True)
        try:
            for entrant in plan.entrants:
                self._start(entrant, requests[0])
            self._write()
            for case, request, judge in zip(plan.cases, requests, judges, strict=True):
                self._picture(case, request, judge)
                self._write()
            self.result["complete"] = True
        except (KeyboardInterrupt, Cancelled):
            self.result["complete"] = False
        finally:
            for entrant in plan.entrants:
                entrant.close()
        self._write()
        return self.result

    def _start(self, entrant: Entrant, request: RelightRequest) -> None:
        """The cold start of an entrant, and its warm-up."""
        found = self.result["contestants"][entrant.name]
        answer = self._told(entrant, entrant.cold, request, "cold start")
        found["cold"] = {"fresh_process": entrant.apart, **_run(answer)}
        if answer.result is not None:
            record = answer.result.record
            found.update({name: record[name] for name in ("engine", "weights") if name in record})
        warm_ups = []
        for _ in range(self.plan.warm_ups(entrant)):
            warm_ups.append(self._told(entrant, entrant.warm, request, "warm-up"))
            if warm_ups[-1].final:
                break
        found["warmup"] = [_run(each) for each in warm_ups]

    def _picture(self, case: Case, request: RelightRequest, judge: Judge) -> None:
        """Everybody's turns at a picture, and what came of them; of an interrupted picture what there is."""
        answers: dict[str, list[Answer]] = {each.name: [] for each in self.plan.entrants}
        try:
            self._turns(case, request, answers)
        finally:
            if any(answers.values()):
                self.result["pictures"].append(self._row(case, request, judge, answers))

    def _turns(self, case: Case, request: RelightRequest, answers: Mapping[str, list[Answer]]) -> None:
        """One turn each, over and over: a busy machine hurts all alike."""
        for _ in range(self.plan.runs):
            for entrant in self.plan.entrants:
                before = answers[entrant.name]
                # Who refuses a request refuses it again.
                if not (before and before[-1].final):
                    before.append(self._told(entrant, entrant.warm, request, case.name))

    def _row(
        self, case: Case, request: RelightRequest, judge: Judge, answers: Mapping[str, Sequence[Answer]]
    ) -> dict[str, Any]:
        """A picture's part of the JSON."""
        towards = asked_direction(request)
        told: dict[str, Any] = {
            "name": case.name,
            "size": list(judge.picture.size),
            "sha256": judge.picture.sha256,
            "truth": case.truth is not None,
            "asked": {name: _plain(name, value) for name, value in case.knobs.items()},
            "towards": None if towards is None else list(towards),
            "matte": None,
            "shown": self._shown(case, judge),
            "references": {},
            "answers": {name: self._judged(case, name, runs, judge, request) for name, runs in answers.items()},
        }
        try:
            told["matte"] = judge.matte[1]
            told["references"]["input"] = judge.figures(judge.shown, request)
            if judge.true_render is not None:
                told["references"]["truth"] = judge.figures(judge.true_render, request)
        except ICLightError as error:
            told["not_measured"] = str(error)
        return told

    def _shown(self, case: Case, judge: Judge) -> dict[str, str]:
        """The files of the picture and of the true render, as they are compared."""
        try:
            pictures = {"input": judge.shown, "truth": judge.true_render}
        except ICLightError:
            pictures = {"input": Image.fromarray(judge.picture.rgb), "truth": None}
        return {
            kind: self._save(f"{case.name}.{kind}.png", picture)
            for kind, picture in pictures.items()
            if picture is not None
        }

    def _judged(
        self, case: Case, name: str, runs: Sequence[Answer], judge: Judge, request: RelightRequest
    ) -> dict[str, Any]:
        """The runs of a contestant at a picture, the file of its first result, and that one's figures."""
        told: dict[str, Any] = {"runs": [_run(each) for each in runs], "file": None, "figures": None}
        first = next((each.result for each in runs if each.result is not None), None)
        if first is not None:
            image = first.images[0]
            told["size"] = list(image.size)
            told["file"] = self._save(f"{case.name}.{file_name(name)}.png", image)
            try:
                told["figures"] = judge.figures(image, request)
            except ICLightError as error:
                told["not_measured"] = str(error)
        return told

    def _save(self, name: str, picture: Image.Image) -> str:
        data = encode(picture, output_format="png", quality=95)
        write(self.plan.out / PICTURES / name, data, overwrite=True)
        return f"{PICTURES}/{name}"

    def _told(
        self, entrant: Entrant, ask: Callable[[RelightRequest], Answer], request: RelightRequest, what: str
    ) -> Answer:
        self.told(self._done, self.plan.turns, f"{entrant.name}: {what}")
        answer = ask(request)
        self._done += 1
        return answer

    def _write(self) -> None:
        self.result["summary"] = summarise(self.result)
        data = (json.dumps(self.result, indent=1, ensure_ascii=False) + "\n").encode()
        write(self.plan.out / RESULT, data, overwrite=True)


def check_folder(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder in which another bench lies.

    Raises:
        InvalidRequest: there is one, or it is no folder.
    """
    if out.exists() and not out.is_dir():
        raise InvalidRequest(f"{out} is a file: --out takes a folder, which is made where it is missing.")
    if not overwrite and any((out / name).exists() for name in (RESULT, REPORT, PICTURES)):
        raise InvalidRequest(f"{out} holds a bench already: choose another folder, or add --overwrite.")


def _run(answer: Answer) -> dict[str, Any]:
    """The raw values of an answer."""
    told: dict[str, Any] = {"seconds": round(answer.seconds, 4)}
    if answer.error is not None:
        return {**told, "error": {"type": type(answer.error).__name__, "message": str(answer.error)}}
    if answer.result is None:
        return told
    result = answer.result
    return {
        **told,
        "images": len(result.images),
        "seed": result.seed,
        "timings": {stage: round(seconds, 4) for stage, seconds in result.timings.items()},
        "peak_memory": result.peak_memory,
        "warnings": list(result.warnings),
        "pixels": hashlib.sha256(result.images[0].tobytes()).hexdigest()[:16],
    }


def _plain(name: str, value: Any) -> Any:
    """A value of a request without the places of this disk."""
    if name in PICTURE_FIELDS:
        return Path(value).name if isinstance(value, str) else "a picture"
    return value if isinstance(value, str | int | float | bool | None) else str(value)
