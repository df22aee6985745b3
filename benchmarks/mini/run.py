"""A trial that is going on, and the pictures that more than one section needs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from tqdm import tqdm

from benchmarks.mini.relight import Ask, BundleRelighter, Relighter, TrueRelighter
from benchmarks.mini.sheet import Sheet
from benchmarks.mini.trial import Trial
from benchmarks.scenes import SIDES, Sample, sample
from benchmarks.scenes.samples import Bytes


class Run:
    """A trial that is going on: its scenes, who relights them, and the sheet they are shown on."""

    def __init__(self, trial: Trial, relighter: Relighter | None = None) -> None:
        self.trial = trial
        if relighter is None:
            relighter = TrueRelighter() if trial.bundle is None else BundleRelighter(trial)
        self.relighter = relighter
        self.sheet = Sheet(trial.first)
        self._sides: dict[int, dict[str, Bytes]] = {}

    def cases(self, size: int | None = None) -> Iterator[Sample]:
        """The scenes at the results' size, or another; drawn again each time, which takes a fraction of a second."""
        seeds = range(self.trial.first, self.trial.first + self.trial.scenes)
        for seed in tqdm(seeds, disable=None, leave=False):
            yield sample(seed, self.trial.result_size if size is None else size, "test")

    def relit(self, asks_of: Callable[[Sample], dict[str, Ask]]) -> Iterator[tuple[Sample, dict[str, Bytes]]]:
        """Each scene with the pictures that ``asks_of`` asks for, by name; several scenes share a call."""
        cases = self.cases()
        first = next(cases)
        per_call = max(1, self.trial.batch // len(asks_of(first)))
        for group in _batched(itertools.chain([first], cases), per_call):
            wanted = [asks_of(case) for case in group]
            made = iter(self.relighter.relight([ask for asks in wanted for ask in asks.values()]))
            for case, asks in zip(group, wanted, strict=True):
                yield case, {name: next(made) for name in asks}

    def sides(self) -> Iterator[tuple[Sample, dict[str, Bytes]]]:
        """Each scene relit from each side by the light source; made once, then kept."""
        if self._sides:
            for case in self.cases():
                yield case, self._sides[case.seed]
            return
        made = {}
        for case, pictures in self.relit(lambda case: {side: Ask(case, self.trial.prompt, side) for side in SIDES}):
            made[case.seed] = pictures
            yield case, pictures
        self._sides = made


def _batched(cases: Iterator[Sample], count: int) -> Iterator[list[Sample]]:
    while group := list(itertools.islice(cases, count)):
        yield group
