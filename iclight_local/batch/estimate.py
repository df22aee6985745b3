"""What a batch would come to, found out by looking at its rows and trying the first of them; nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iclight_local.batch.keys import contents_of
from iclight_local.batch.planning import Found
from iclight_local.batch.running import Batch, Summary
from iclight_local.batch.setup import check_setup, plan_in
from iclight_local.errors import ICLightError
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

FEW, MORE = 1, 3
"""Steps of the two trials; by what they differ the rest is reckoned."""
WHOLE = {"cache_interval": 1, "cfg_until": 1.0}
"""Of both trials: of so few steps other shares than of all would be guided, or computed whole."""
NOT_REPEATED = ("load", "hash")
"""Stages of a first picture that the others do without."""


@dataclass(frozen=True)
class Estimate:
    """What a run would come to.

    Attributes:
        counts: of the rows that do not run.
        run: rows that would run.
        together: rows of a group at most.
        seconds: for all that would run, the start apart; None where none could be tried.
        memory: bytes at most, of the device on CUDA, else of this process; None where none could be tried.
        tried: what was tried, or why nothing was.
    """

    counts: Summary
    run: int
    together: int
    seconds: float | None
    memory: int | None
    tried: str


def estimate(batch: Batch, tell: Callable[[Found], None], *, on_card: bool, private: bool) -> Estimate:
    """Look at every row, and try the first that would run; raises as :func:`iclight_local.batch.running.run_batch`.

    Args:
        batch: the batch.
        tell: is told of each row that does not run.
        on_card: whether it runs on a graphics card.
        private: whether this machine alone relights; otherwise nothing is tried, because that would be sent and paid.
    """
    check_setup(batch.ledger, batch.setup, batch.options.out, overwrite=batch.options.overwrite, remember=False)
    counts, run, work, together = Summary(), 0, 0.0, batch.together(on_card=on_card)
    first: Found | None = None
    for found in batch.scout.all(batch.rows):
        if found.verdict != "run":
            counts.leave(found)
            tell(found)
            continue
        first = found if first is None else first
        run, work = run + 1, work + found.work
        if run == batch.options.limit:
            break
    if first is None:
        return Estimate(counts, 0, together, 0.0, 0, "nothing is left to run")
    if not private:
        return Estimate(counts, run, together, None, None, "nothing was tried, because a provider might be asked")
    try:
        seconds, memory = _tried(batch, first, together)
    except ICLightError as error:
        return Estimate(counts, run, together, None, None, f"{first.row.where} was tried and failed: {error}")
    by = ", by one worker" if batch.options.engine == "ray" else ""
    tried = f"measured on {first.row.where}, with {FEW} and {MORE} steps{by}"
    return Estimate(counts, run, together, seconds * work / first.work, memory, tried)


def _tried(batch: Batch, found: Found, together: int) -> tuple[float, int]:
    """Seconds that a row takes with all its steps, and the most memory, bytes."""
    contents = contents_of(found.row, offline=batch.engine.offline)
    request = RelightRequest(**{**found.row.values, **contents})
    few, several = (request.model_copy(update={**WHOLE, "steps": steps}) for steps in (FEW, MORE))
    # The first one warms everything up.
    batch.engine.relight(few)
    least = batch.engine.relight(few)
    outcomes = batch.engine.relight_together([several] * together, progress=[None] * together)
    more = [each for each in outcomes if isinstance(each, RelightResult)]
    if not more:
        raise next(each for each in outcomes if isinstance(each, ICLightError))
    # The timings of a batch are those of all its pictures together.
    fixed, most = _seconds(least), _seconds(more[0]) / len(more)
    done, further, wanted = (plan_in(batch.setup, each).work for each in (few, several, request))
    pace = max(0.0, most - fixed) / (further - done)
    return max(0.0, fixed + pace * (wanted - done)), max(each.peak_memory for each in (least, *more))


def _seconds(result: RelightResult) -> float:
    return sum(seconds for stage, seconds in result.timings.items() if stage not in NOT_REPEATED)
