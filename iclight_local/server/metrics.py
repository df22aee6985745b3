"""Figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from iclight_local.jobs.base import Job

SECONDS = (0.1, 0.3, 1, 3, 10, 30, 100, 300)
"""Upper ends of the classes that durations are counted in."""


class Metrics:
    """What one server counts."""

    def __init__(self, load: Callable[[], tuple[int, int]]) -> None:
        """``load``: how many jobs wait and how many run."""
        self._registry = every = CollectorRegistry()
        self._calls = Counter("iclight_calls", "Calls by route and status.", ["route", "status"], registry=every)
        self._jobs = Counter("iclight_jobs", "Ended jobs.", ["dialect", "state"], registry=every)
        self._ran = Histogram("iclight_job_seconds", "Run of a job.", ["dialect"], buckets=SECONDS, registry=every)
        waiting = Gauge("iclight_jobs_waiting", "Jobs that wait.", registry=every)
        waiting.set_function(lambda: load()[0])
        running = Gauge("iclight_jobs_running", "Jobs that run.", registry=every)
        running.set_function(lambda: load()[1])

    def called(self, route: str, status: int) -> None:
        """Count a call; ``route`` is a pattern, so that names in paths make no series of their own."""
        self._calls.labels(route, str(status)).inc()

    def ended(self, job: Job) -> None:
        """Count a job that ended."""
        self._jobs.labels(job.dialect, job.state).inc()
        if job.started is not None and job.ended is not None:
            self._ran.labels(job.dialect).observe(job.ended - job.started)

    def page(self) -> bytes:
        """All figures in Prometheus' text form."""
        return generate_latest(self._registry)
