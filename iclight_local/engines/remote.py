"""A hosted provider as an engine: a request goes out as its API's call, pictures come back.

Whoever opens such an engine has its owner's consent. What it sends is in the audit log before it goes out.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iclight_local import __version__
from iclight_local.dialects import find_senders
from iclight_local.dialects.hearing import KNOBS, asked
from iclight_local.dialects.sending import Pictures, Received, Sent, Subject
from iclight_local.engines.arriving import arrived, misfits
from iclight_local.engines.audit import AuditLog
from iclight_local.engines.retrying import Told, converse
from iclight_local.engines.staged import Whole, one_by_one
from iclight_local.engines.transport import Fault, exchange
from iclight_local.engines.uploading import host_of, put_away
from iclight_local.engines.watched import Patience
from iclight_local.errors import EngineError, ICLightError, Unsupported
from iclight_local.imaging.bare import bare_png
from iclight_local.imaging.files import Picture, decode
from iclight_local.plan import random_seed
from iclight_local.providers.base import Account, Shelf
from iclight_local.request import RelightRequest
from iclight_local.result import NormalsResult, Progress, ProgressCallback, RelightResult


@dataclass(frozen=True)
class RemoteOptions:
    """How a provider is called.

    Attributes:
        home: folder of the audit log.
        seconds: what one relight may take in all.
        shelf: where pictures get a web address, for APIs that take nothing else; None: files are refused for these.
    """

    home: Path
    seconds: float
    shelf: Shelf | None = None


class RemoteEngine:
    """Relights at a hosted provider."""

    def __init__(self, account: Account, options: RemoteOptions) -> None:
        self.account, self.options = account, options
        self.name = f"remote:{account.provider.name}"
        self.sender = find_senders(account.provider.dialect)[account.provider.model]
        self.audit = AuditLog(options.home)

    def relight(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Relight one picture; see :meth:`iclight_local.engines.base.Engine.relight`.

        Raises:
            AnswerLost: the provider may have charged for it, and there is no picture.
        """
        key = self.account.key
        if key is None:
            raise Unsupported(
                f"{self.sender.provider} needs a key, and there is none: set {self.account.provider.key_variable}."
            )
        try:
            return _Relight(self, request, progress).result()
        except ICLightError as error:
            # Whatever a stranger's answer brought into a sentence.
            raise type(error)(key.hidden_in(str(error))) from None

    def relight_together(
        self, requests: Sequence[RelightRequest], *, progress: Sequence[ProgressCallback | None]
    ) -> list[RelightResult | ICLightError]:
        """One after another; see :meth:`iclight_local.engines.base.Engine.relight_together`."""
        return one_by_one(self, requests, progress)

    def staged(self) -> Whole:
        """In one piece; see :meth:`iclight_local.engines.base.Engine.staged`."""
        return Whole(self)

    @property
    def offline(self) -> bool:
        """It may ask a network: with offline mode no such engine is opened."""
        return False

    def batch_key(self, request: RelightRequest) -> Hashable:
        """None for every request: nothing is gained by sending several together."""
        return None

    def normals(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> NormalsResult:
        """Refused: no hosted API estimates normal maps."""
        raise Unsupported(f"{self.sender.provider} estimates no normal maps: use this machine's engine.")

    def cut_out(self, request: RelightRequest, *, progress: ProgressCallback | None = None) -> RelightResult:
        """Refused: a cut-out is this machine's own work, and free."""
        raise Unsupported(f"{self.sender.provider} is not asked to cut out: use this machine's engine.")

    def warm_up(self, together: int, *, progress: ProgressCallback | None = None) -> None:
        """Nothing: a provider's models are its own."""

    def close(self) -> None:
        """Nothing is kept open."""


class _Relight:
    """One request on its way."""

    def __init__(self, engine: RemoteEngine, request: RelightRequest, progress: ProgressCallback | None) -> None:
        self.engine, self.request, self.progress = engine, request, progress
        self.id = uuid.uuid4().hex
        self.timings: dict[str, float] = {}
        self.stage = "decode"
        self.patience = Patience(engine.options.seconds, self.watch, time.monotonic)

    def result(self) -> RelightResult:
        """Everything from the picture to its relit ones."""
        engine, who = self.engine, self.engine.sender.provider
        with self._timed("decode"):
            picture = decode(self.request.subject_image)
            data = bare_png(picture)
            address = self._address()
            request, sent = self._call(Subject(data, address))
        facts = self._facts(picture, data)
        with self._noted(facts):
            with self._timed("remote"), self._put(data, facts, address) as kept:
                told = Told(lambda: engine.audit.add("sending", facts), self._running)
                found = converse(engine.sender, sent, self._exchange, self.patience, told)
            with self._timed("fetch"):
                images = arrived(found.images[: request.number_of_images], engine.account, who, self.patience)
            facts["bill"] = self._bill(found)
        seed = request.seed if found.used_seed is None else found.used_seed
        remarks = (*kept, *found.remarks, *misfits(engine.account.provider, request, picture.size, images, who))
        return RelightResult(
            images=images,
            seed=seed,
            record=self._record(picture, seed, facts),
            engine=engine.name,
            timings=self.timings,
            warnings=tuple(self._hidden(remark) for remark in remarks),
            exif=picture.exif,
        )

    def watch(self) -> None:
        """Tell where it is; whoever is told may stop it."""
        if self.progress is not None:
            self.progress(Progress(self.stage, int(self.stage == "fetch"), 1))

    def _address(self) -> str | None:
        """The picture's web address: its own, or the one that it will have on the shelf; None where it has none."""
        source, shelf = self.request.subject_image, self.engine.options.shelf
        if isinstance(source, str) and source[:8].lower().startswith(("http://", "https://")):
            return source
        return None if shelf is None or self.engine.sender.uploads else shelf.address(self.id)

    @contextmanager
    def _put(self, data: bytes, facts: dict[str, Any], address: str | None) -> Iterator[list[str]]:
        """Have the picture lie where its address says, where that is on the shelf; gives warnings."""
        shelf = self.engine.options.shelf
        if shelf is None or address != shelf.address(self.id):
            yield []
            return
        away = {**facts, "provider": host_of(shelf), "as": "file", "bytes": len(data)}
        away["sha256"] = hashlib.sha256(data).hexdigest()
        self.engine.audit.add("sending", away)
        warnings: list[str] = []
        try:
            with put_away(shelf, self.id, data, self.patience) as warnings:
                yield warnings
        finally:
            if warnings:
                with suppress(EngineError):
                    self.engine.audit.add("left", away)

    def _call(self, subject: Subject) -> tuple[RelightRequest, Sent]:
        """What is asked of the API, and the call for it.

        The seed is drawn here where the API takes one, so that it is known; pictures come without loss, because they
        are written here in the format that was asked for.
        """
        quality = RelightRequest.model_fields["output_quality"].default
        request = self.request.model_copy(update={"output_format": "png", "output_quality": quality})
        if request.seed is None:
            seeded = request.model_copy(update={"seed": random_seed()})
            with suppress(Unsupported):
                return seeded, self.engine.sender.encode(seeded, subject)
        return request, self.engine.sender.encode(request, subject)

    def _exchange(self, sent: Sent, seconds: float) -> Received | Fault:
        return exchange(self.engine.account, sent, seconds, self.watch)

    def _running(self, running: bool) -> None:
        self.stage = "remote" if running else "queue"

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        self.stage = stage
        self.watch()
        began = time.perf_counter()
        yield
        self.timings[stage] = time.perf_counter() - began

    @contextmanager
    def _noted(self, facts: dict[str, Any]) -> Iterator[None]:
        """Log what became of what was sent."""
        audit, outcome = self.engine.audit, "failed"
        try:
            yield
            outcome = "done"
        finally:
            # The line from before is what counts; a full disk now shall not take the picture along.
            with suppress(EngineError):
                audit.add(outcome, {name: facts[name] for name in ("id", "provider", "bill") if name in facts})

    def _facts(self, picture: Picture, data: bytes) -> dict[str, Any]:
        """What the log tells of a picture that goes out; where the provider fetches it itself, none of its bytes do."""
        uploads = self.engine.sender.uploads
        width, height = picture.size
        return {
            "id": self.id,
            "provider": self.engine.account.provider.name,
            "as": "file" if uploads else "address",
            "bytes": len(data) if uploads else 0,
            "sha256": hashlib.sha256(data).hexdigest() if uploads else picture.sha256,
            "width": width,
            "height": height,
        }

    def _bill(self, found: Pictures) -> dict[str, Any]:
        """What the provider said of its price, as far as it said something."""
        told = {name: value for name, value in asdict(found.bill).items() if value is not None}
        return {name: self._hidden(value) if isinstance(value, str) else value for name, value in told.items()}

    def _record(self, picture: Picture, seed: int | None, facts: dict[str, Any]) -> dict[str, Any]:
        """What the result says of itself; no address and no path of this machine goes into it."""
        provider = self.engine.account.provider
        knobs = {name: getattr(self.request, name) for name in KNOBS if asked(self.request, name)}
        return {
            "kind": "hosted relight",
            "iclight_local": __version__,
            "seed": seed,
            "request": {**knobs, **({} if seed is None else {"seed": seed})},
            "subject": {
                "name": picture.name,
                "sha256": picture.sha256,
                "width": facts["width"],
                "height": facts["height"],
            },
            "engine": {"name": self.engine.name, "provider": provider.name, "model": provider.model},
            "sent": {name: facts[name] for name in ("id", "as", "bytes", "sha256")},
            "bill": facts["bill"],
        }

    def _hidden(self, text: str) -> str:
        key = self.engine.account.key
        return text if key is None else key.hidden_in(text)
