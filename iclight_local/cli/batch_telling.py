"""What a batch says while it runs: a bar on a terminal, a line of JSON for each event, a summary in the end."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from iclight_local.cli.output import print_json

if TYPE_CHECKING:
    from iclight_local.batch.base import Outcome, Row
    from iclight_local.batch.estimate import Estimate
    from iclight_local.batch.planning import Found
    from iclight_local.batch.running import Summary

MOST_WARNINGS = 1000
"""Sentences that are remembered as told; warnings that name numbers may differ for each picture."""
MOST_REFUSALS = 10
"""Refused rows that are told one by one."""
BAR = "{percentage:3.0f}% {bar:24} {n_fmt}/{total_fmt}{postfix}  {elapsed}, {remaining} left"


class Telling:
    """Tells of every row: failures and new warnings to the error stream, and with ``--json`` every event as a line.

    Args:
        rows: of the batch.
        limit: rows that this run makes at most; None for all.
        as_json: whether events are printed.
        bar: of tqdm, or None.
    """

    def __init__(self, rows: int, limit: int | None, *, as_json: bool, bar: Any = None) -> None:
        self._rows, self._limit, self._as_json, self._bar = rows, limit, as_json, bar
        self._lock, self._began = threading.Lock(), time.monotonic()
        self._warned: set[str] = set()
        self._refused = 0

    def left(self, found: Found) -> None:
        """A row does not run; see :class:`iclight_local.batch.running.Teller`."""
        with self._lock:
            self._rows -= 1
            if self._bar is not None:
                self._bar.total = self._rows if self._limit is None else min(self._limit, self._rows)
                self._bar.update(0)
            if found.error is not None:
                before = " (It failed before; --retry runs it once more.)" if found.known else ""
                self._failed(found.row, found.error, found.verdict, before)

    def ended(self, row: Row, outcome: Outcome) -> None:
        """A row ran; see :class:`iclight_local.batch.running.Teller`."""
        with self._lock:
            if self._bar is not None:
                passed = time.monotonic() - self._began
                self._bar.set_postfix_str(f"{span(passed / (self._bar.n + 1))} a picture", refresh=False)
                self._bar.update()
            if outcome.error is not None:
                self._failed(row, outcome.error, "failed", "")
                return
            self._warn(row, outcome)
            self._event(
                "done",
                row,
                images=list(outcome.files),
                sha256=list(outcome.files.values()),
                seed=outcome.seed,
                timings={stage: round(seconds, 3) for stage, seconds in outcome.timings.items()},
                warnings=list(outcome.warnings),
            )

    def _failed(self, row: Row, error: tuple[str, str], verdict: str, before: str) -> None:
        kind, sentence = error
        # A batch that is asked for otherwise refuses them all.
        self._refused += verdict == "refused"
        if verdict != "refused" or self._refused <= MOST_REFUSALS:
            self._say(f"iclight: {row.where}: {sentence}{before}")
        elif self._refused == MOST_REFUSALS + 1:
            self._say("iclight: Further refusals are only counted; --json tells each.")
        self._event(verdict, row, error={"type": kind, "message": sentence}, known=bool(before))

    def _warn(self, row: Row, outcome: Outcome) -> None:
        for sentence in outcome.warnings:
            if sentence not in self._warned and len(self._warned) < MOST_WARNINGS:
                self._warned.add(sentence)
                self._say(f"iclight: warning: {row.where}: {sentence} (Further ones like it are not told.)")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        elif sys.stderr is not None:
            print(line, file=sys.stderr)

    def _event(self, event: str, row: Row, **facts: Any) -> None:
        if self._as_json:
            print_line({"event": event, "row": row.number, "where": row.where, "name": row.name, **facts})


@contextmanager
def telling(rows: int, limit: int | None, *, as_json: bool) -> Iterator[Telling]:
    """What tells of a batch, with a bar on a terminal."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield Telling(rows, limit, as_json=as_json)
        return
    from tqdm import tqdm

    total = rows if limit is None else min(limit, rows)
    with tqdm(total=total, smoothing=0.05, dynamic_ncols=True, leave=False, bar_format=BAR) as bar:
        yield Telling(rows, limit, as_json=as_json, bar=bar)


def print_line(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line, at once, so that a program can follow."""
    print(json.dumps(value), flush=True)


def tell_summary(summary: Summary, out: str, *, as_json: bool) -> None:
    """What a run came to."""
    facts: dict[str, Any] = {
        "made": summary.made,
        "done_before": summary.done,
        "failed": summary.failed,
        "refused": summary.refused,
        "seconds": round(summary.seconds, 3),
        "sampling_seconds": round(summary.sampling, 3),
        "flicker": summary.flicker,
    }
    if as_json:
        print_line({"event": "summary", **facts, "out": out})
        return
    if summary.flicker is not None:
        before, after = summary.flicker
        print(f"The light on the subject flickered by {before:.3f} EV, and by {after:.3f} EV when steadied.")
    made = f"{summary.made} relit"
    if summary.made:
        made += f" in {span(summary.seconds)}, {span(summary.seconds / summary.made)} a picture"
    if summary.sampling:
        made += f", {span(summary.sampling)} of it sampling"
    print("; ".join([made, *(f"{count} {what}" for count, what in _left(summary) if count)]) + f": {out}")


def _left(summary: Summary) -> list[tuple[int, str]]:
    return [
        (summary.done, "done before"),
        (summary.failed, "failed"),
        (summary.refused, "refused"),
    ]


def tell_estimate(found: Estimate, *, as_json: bool) -> None:
    """What a run would come to."""
    if as_json:
        print_json(
            {
                "run": found.run,
                "done_before": found.counts.done,
                "failed": found.counts.failed,
                "refused": found.counts.refused,
                "together": found.together,
                "seconds": found.seconds,
                "memory": found.memory,
                "tried": found.tried,
            }
        )
        return
    counted = [f"{found.run} would be relit, up to {found.together} sampled together"]
    counted += [f"{count} {what}" for count, what in _left(found.counts) if count]
    print("; ".join(counted) + ".")
    if found.seconds is not None and found.memory is not None and found.run:
        print(f"About {span(found.seconds)} and {found.memory / 1e9:.1f} GB of memory ({found.tried}).")
    else:
        print(f"{found.tried[0].upper()}{found.tried[1:].rstrip('.')}.")


def span(seconds: float) -> str:
    """A time as people say it: ``0.8 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
