"""What all routes share: who calls, the queue, waiting for a job, links to results."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request

from iclight_local.dialects.base import Asked, Delivered, JobView, Output
from iclight_local.jobs.base import Job
from iclight_local.jobs.runner import QueueFull, Runner
from iclight_local.jobs.store import JobStore
from iclight_local.server.keys import KeyFile
from iclight_local.server.limits import RateLimit
from iclight_local.server.metrics import Metrics

LOCAL = "local"
"""Owner of everything where the server has no keys."""
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_LOOK_S = 0.5


class Unauthorized(Exception):
    """No key, or none that is known; ``given`` says which."""

    def __init__(self, given: bool) -> None:
        super().__init__()
        self.given = given


class Busy(Exception):
    """Too many calls, or too many jobs; ``wait`` seconds may help."""

    def __init__(self, sentence: str, wait: int) -> None:
        super().__init__(sentence)
        self.wait = wait


@dataclass(frozen=True)
class Limits:
    """What is taken of one call.

    Attributes:
        body: bytes.
        seconds: for sending it.
        waiting: seconds that a call waits for its result before it is told to come back.
    """

    body: int
    seconds: float
    waiting: float


class Service:
    """One server's jobs, keys and limits."""

    def __init__(
        self, store: JobStore, runner: Runner, keys: KeyFile | None, *, rate: RateLimit, limits: Limits, public_url: str
    ) -> None:
        """Tell the runner to report what ended.

        Args:
            store: the jobs.
            runner: works them off.
            keys: who may call; None: everybody.
            rate: calls a minute, by owner.
            limits: of a call.
            public_url: what links to results begin with; empty: the host that the caller named.
        """
        self.store, self.runner, self.limits, self.metrics = store, runner, limits, Metrics(runner.load)
        self._keys, self._rate, self.public_url = keys, rate, public_url.rstrip("/")
        self._waiters: dict[str, list[Callable[[], None]]] = {}
        self._closers: list[Callable[[], None]] = []
        self._letting_go = False
        runner.listen(self._note_end)

    @property
    def keyed(self) -> bool:
        """Whether callers need a key."""
        return self._keys is not None

    def closing(self, closer: Callable[[], None]) -> None:
        """Have something called by :meth:`close`."""
        self._closers.append(closer)

    def close(self) -> None:
        """End what goes on beside calls and jobs; more than once does no harm."""
        for closer in self._closers:
            closer()

    def let_go(self) -> None:
        """Let no call wait any longer for its job, which goes on; called in the thread of the event loop."""
        self._letting_go = True
        for waiters in tuple(self._waiters.values()):
            for waiter in tuple(waiters):
                waiter()

    def owner(self, request: Request, key: str | None) -> str:
        """Who calls, by the key that a dialect found in a request.

        Raises:
            Unauthorized: keys are needed, and this is none.
            Busy: this owner called too often.
        """
        if self._keys is None:
            found = LOCAL
        else:
            name = self._keys.owner(key) if key else None
            if name is None:
                # Guessing is slowed down, too, for each address.
                self._take(f"address {request.client.host if request.client else ''}")
                raise Unauthorized(bool(key))
            found = name
        request.state.owner = found
        self.count(found)
        return found

    def count(self, owner: str) -> None:
        """Count a call of this owner's.

        Raises:
            Busy: there were too many.
        """
        self._take(f"owner {owner}")

    async def relit(self, request: Request, owner: str, dialect: str, asked: Asked) -> Job:
        """Accept a call and wait for what becomes of it, or for as long as calls wait.

        Raises:
            Busy: the queue is full.
        """
        return await self.ended(request, await self.submit(request, owner, dialect, asked, awaited=True))

    async def submit(self, request: Request, owner: str, dialect: str, asked: Asked, *, awaited: bool = False) -> Job:
        """Accept a call; ``awaited`` as in :meth:`~iclight_local.jobs.store.JobStore.add`.

        Raises:
            Busy: the queue is full.
        """
        try:
            job = await asyncio.to_thread(self.runner.submit, owner, dialect, asked, awaited=awaited)
        except QueueFull as error:
            raise Busy(str(error), 10) from None
        request.state.job = job.id
        return job

    async def ended(self, request: Request, job: Job) -> Job:
        """Wait until a job ended, or for as long as calls wait; cancel it where the caller goes away."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()

        def waiter() -> None:
            loop.call_soon_threadsafe(woken.set)

        self._waiters.setdefault(job.id, []).append(waiter)
        try:
            deadline = loop.time() + self.limits.waiting
            while True:
                # Not in this thread: while a job's state is brought to the disk, no other call would be answered.
                found = await asyncio.to_thread(self.store.get, job.id)
                if found is None or found.final or self._letting_go or loop.time() >= deadline:
                    # Who is sent away before the end is told of the job.
                    self.store.promise(job.id)
                    return job if found is None else found
                try:
                    await asyncio.wait_for(woken.wait(), _LOOK_S)
                except TimeoutError:
                    if await request.is_disconnected():
                        await asyncio.to_thread(self.runner.cancel, job)
        finally:
            self._waiters[job.id].remove(waiter)
            if not self._waiters[job.id]:
                del self._waiters[job.id]

    def own_job(self, owner: str, job_id: str) -> Job | None:
        """An owner's job; somebody else's does not exist for them."""
        job = self.store.get(job_id)
        return job if job is not None and job.owner == owner else None

    def pictures(self, job: Job) -> list[Delivered]:
        """The results of a job that is done."""
        told = job.headers if job.headers else ({},) * len(job.outputs)
        files = [self.store.output(job, index) for index in range(len(job.outputs))]
        known = zip(files, job.outputs, told, strict=True)
        return [Delivered(file.read_bytes(), kind, each) for file, kind, each in known if file is not None]

    def view(self, request: Request, job: Job) -> JobView:
        """A job as its owner may see it, its results as links."""
        return self.view_from(self.base(request), job)

    def view_from(self, base: str, job: Job) -> JobView:
        """The same with links that begin with ``base``."""
        position, progress = self.runner.place(job.id) if not job.final else (0, float(job.state == "done"))
        return JobView(
            id=job.id,
            state=job.state,
            created=job.created,
            expires=job.expires,
            started=job.started,
            ended=job.ended,
            position=position,
            progress=progress,
            used_seed=job.seeds[0] if job.seeds else None,
            outputs=tuple(self._output(base, job, index) for index in range(len(job.outputs))),
            error=job.error,
            at_fault=job.at_fault,
        )

    def base(self, request: Request) -> str:
        """What absolute links begin with."""
        return self.public_url or str(request.base_url).rstrip("/")

    def _output(self, base: str, job: Job, index: int) -> Output:
        kind, file = job.outputs[index], self.store.output(job, index)
        name = f"{index}.{SUFFIXES[kind]}"
        size = file.stat().st_size if file is not None and file.exists() else 0
        return Output(f"{base}/relight/results/{job.secret}/{name}", kind, name, size)

    def _take(self, caller: str) -> None:
        wait = self._rate.wait(caller)
        if wait:
            raise Busy("Too many requests", wait)

    def _note_end(self, job: Job) -> None:
        self.metrics.ended(job)
        for waiter in tuple(self._waiters.get(job.id, ())):
            waiter()
