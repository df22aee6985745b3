"""Tells others that a job has ended: at least once, also where the server goes down in between."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from iclight_local.errors import ICLightError
from iclight_local.jobs.base import Job
from iclight_local.jobs.store import JobStore

Post = Callable[[str, bytes], int]
"""Sends JSON to a URL under the same rules as pictures are fetched, and gives the status."""
TRIES, PAUSE_S = 6, 2.0
"""How often a webhook is called that does not answer well, and how long is waited in between, doubled each time."""
CALLERS = 4
_FIELD = "webhook_url"
_log = logging.getLogger(__name__)


@dataclass(order=True)
class _Call:
    """A call that is due at some moment of the monotonic clock."""

    due: float
    number: int
    job: str = field(compare=False)
    url: str = field(compare=False)
    tries: int = field(compare=False, default=0)

    @property
    def host(self) -> str:
        """Where it goes."""
        return self.url.lower().partition("://")[2].partition("/")[0]


class Webhooks:
    """Calls the ``webhook_url`` of one dialect's jobs.

    What was not told is told when the server comes back: after a call whose answer the server did not live to see, for
    the second time. Hosts that let calls wait delay their own alone, for none is called twice at once.
    """

    def __init__(self, store: JobStore, post: Post, dialect: str, body: Callable[[Job], bytes]) -> None:
        """Begin with what the last process left.

        Args:
            store: the jobs.
            post: calls.
            dialect: of the jobs.
            body: what is said of a job.
        """
        self._store, self._post, self._dialect, self._body = store, post, dialect, body
        self._changed = threading.Condition()
        self._calls: list[_Call] = []
        self._numbers = itertools.count()
        self._called: set[str] = set()
        self._stopping = False
        for job in store.untold(dialect):
            self.ended(job)
        for index in range(CALLERS):
            threading.Thread(target=self._work, name=f"webhook-{index}", daemon=True).start()

    def ended(self, job: Job) -> None:
        """Tell of a job that ended, where it wants to be told of."""
        url = job.asked.values.get(_FIELD)
        if job.dialect == self._dialect and url:
            self._push(_Call(time.monotonic(), next(self._numbers), job.id, url))

    def stop(self) -> None:
        """Call no more; what is being called now is not waited for, and is called again by the next process."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _push(self, call: _Call) -> None:
        with self._changed:
            self._calls.append(call)
            self._changed.notify_all()

    def _next(self) -> tuple[_Call, Job | None] | None:
        """Wait for a call that is due, and take it; None when it is time to stop."""
        with self._changed:
            while not self._stopping:
                now = time.monotonic()
                free = [call for call in self._calls if call.host not in self._called]
                if free and min(free).due <= now:
                    call = min(free)
                    self._calls.remove(call)
                    self._called.add(call.host)
                    return call, self._store.get(call.job)
                self._changed.wait(min(free).due - now if free else None)
            return None

    def _work(self) -> None:
        while (taken := self._next()) is not None:
            call, job = taken
            try:
                heard = job is None or self._heard(call, job)
            except Exception:  # noqa: BLE001  # the thread has to outlive whatever it was
                _log.exception("webhook of job %s", call.job)
                heard = False
            self._ended(call, heard)

    def _heard(self, call: _Call, job: Job) -> bool:
        try:
            status = self._post(call.url, self._body(job))
        except ICLightError as error:
            _log.info("webhook", extra={"told": {"job": job.id, "failed": str(error)}})
            return False
        _log.info("webhook", extra={"told": {"job": job.id, "status": status}})
        return 200 <= status < 300

    def _ended(self, call: _Call, heard: bool) -> None:
        """Keep that a call was heard, or make it again later; a closing server's jobs are closed, too."""
        with self._changed:
            self._called.discard(call.host)
            self._changed.notify_all()
            if self._stopping:
                return
            if heard or call.tries + 1 == TRIES:
                self._store.told(call.job)
                return
            due = time.monotonic() + PAUSE_S * 2**call.tries
            self._calls.append(_Call(due, next(self._numbers), call.job, call.url, call.tries + 1))
