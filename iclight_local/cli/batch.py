"""``iclight batch``: a folder or a manifest in, a folder of relit pictures out, resumable after any stop."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iclight_local.batch.options import BatchOptions
from iclight_local.cli.batch_telling import Telling, tell_estimate, tell_summary, telling
from iclight_local.cli.parser import Parser, UsageError, add_common, add_fields, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.errors import Cancelled, InvalidRequest
from iclight_local.request import RelightRequest
from iclight_local.settings import LOCAL, Settings, load_settings

if TYPE_CHECKING:
    from iclight_local.batch.running import Batch, Working

SUMMARY = "Relight a folder or a manifest of pictures, resumable after any stop."
PER_MACHINE = tuple(name for name in SETTINGS if name != "preview_every")


def add_arguments(parser: Parser) -> None:
    """Declare the options: the pictures, how the batch runs, and every knob."""
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="+",
        help="A folder, a pattern in quotes like 'photos/*.jpg', pictures, or a manifest (.csv, .tsv, .jsonl, "
        ".parquet) whose columns are the parameters below.",
    )
    add_fields(parser.add_argument_group("the batch"), BatchOptions)
    knobs = [name for name in RelightRequest.model_fields if name != "subject_image"]
    add_fields(
        parser.add_argument_group("asked of every picture whose row does not say otherwise"), RelightRequest, knobs
    )
    add_common(parser, *PER_MACHINE, "providers", "remote_seconds")


def run(parsed: argparse.Namespace) -> int:
    """Check every row, run what is left, tell; status 1 where a picture has no result."""
    if parsed.out is None:
        raise UsageError("iclight batch lacks its --out: add --out DIR, the folder of the results.")
    options = BatchOptions(**given(parsed, BatchOptions))
    named = {} if parsed.providers is None else {"local_first": False}
    settings = load_settings({**given(parsed, Settings), **named})
    if options.sequence and settings.engines != (LOCAL,):
        raise InvalidRequest("sequence steadies what this machine's own engine makes: leave the providers out.")
    if options.engine == "ray" and settings.engines != (LOCAL,):
        raise InvalidRequest("engine ray relights on your own machines: leave the providers out.")
    from iclight_local.batch.checking import check
    from iclight_local.batch.ledger import Ledger
    from iclight_local.batch.output import Output
    from iclight_local.batch.running import Batch
    from iclight_local.batch.setup import setup_of
    from iclight_local.batch.sources import Options, open_source

    output = Output.at(options.out, offline=settings.offline)
    reading = Options(out=output.folder, name=options.name, offline=settings.offline)
    source = open_source(parsed.source, given(parsed, RelightRequest), reading)
    checked = check(source)
    from iclight_local.assemble import engine_from

    # Not one that lasts: models that compile themselves after a while would make other bytes after a stop.
    engine = engine_from(settings)
    # What is only looked at leaves nothing behind.
    there = output.ledger(settings.home)
    ledger = Ledger(there if there.exists() or not options.dry_run else Path(":memory:"))
    try:
        setup = setup_of(settings, sequence=options.sequence)
        job = Job(Batch(source.rows(), options, output, ledger, engine, setup), settings, checked.rows, parsed.json)
        return _look(job) if options.dry_run else _run(job)
    finally:
        ledger.close()
        engine.close()


@dataclass(frozen=True)
class Job:
    """A batch, and how it is told of."""

    batch: Batch
    settings: Settings
    rows: int
    as_json: bool


def _look(job: Job) -> int:
    from iclight_local.batch.estimate import estimate

    limit, private = job.batch.options.limit, job.settings.engines == (LOCAL,)
    # Its one object says how many are refused; which ones is for the reader.
    teller = Telling(job.rows, limit, as_json=False)
    found = estimate(job.batch, teller.left, on_card=_on_card(job), private=private)
    tell_estimate(found, as_json=job.as_json)
    return 0 if found.counts.whole else 1


def _run(job: Job) -> int:
    from iclight_local.batch.running import Summary, run_batch

    summary = Summary()
    try:
        with telling(job.rows, job.batch.options.limit, as_json=job.as_json) as teller:
            run_batch(job.batch, _worker(job), teller, summary, on_card=_on_card(job))
    except KeyboardInterrupt:
        raise Cancelled("Stopped; the same command goes on from here, and nothing was left half-written.") from None
    finally:
        if summary.seconds:
            tell_summary(summary, job.batch.options.out, as_json=job.as_json)
    return 0 if summary.whole else 1


def _worker(job: Job) -> Working:
    batch = job.batch
    if batch.options.engine == "ray":
        from iclight_local.batch.ray_workers import RayWorkers

        return RayWorkers(job.settings, batch.output, batch.options)
    if batch.options.sequence:
        from iclight_local.batch.sequence import FrameWorker

        return FrameWorker(batch.engine, batch.output, batch.ledger)
    from iclight_local.batch.work import Worker

    return Worker(batch.engine, batch.output)


def _on_card(job: Job) -> bool:
    """Whether pictures are sampled on a graphics card."""
    if LOCAL not in job.settings.engines:
        return False
    from iclight_local.pipelines.placement import choose_placement

    return choose_placement(job.settings.device, job.settings.precision).device.type != "cpu"
