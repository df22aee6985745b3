"""What the spelling of a hosted API is made of, whoever speaks it.

A dialect knows nothing of sockets, queues or files. It reads a call into plain values, turns these and the pictures
into a :class:`~iclight_local.request.RelightRequest`, brings a result into the promised size and format, and words
answers and refusals as its API does. That is the server's direction; the other one, calling such an API, is a
:class:`~iclight_local.dialects.sending.Sender`, which lies beside its dialect and leans on its reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

State = Literal["queued", "running", "done", "failed", "cancelled"]
Fault = Literal[
    "invalid", "too_large", "unauthorized", "not_found", "not_allowed", "busy", "unsupported", "failed", "late"
]
"""Why a call is refused: a bad value, too many bytes or pixels, no valid key, no such thing, a wrong method, a full
queue or too many calls, something that only other engines can do, an engine that failed, or a result that did not
come for as long as calls wait."""

Task = Literal["relight", "cut_out", "edit", "normals"]
"""What is done for a call: a method of the engine, or an edit around it (:mod:`iclight_local.engines.editing`)."""

MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""Media types by the names of :data:`iclight_local.request.OutputFormat`."""


@dataclass(frozen=True)
class Link:
    """A picture that lies elsewhere and has yet to be fetched."""

    url: str


@dataclass(frozen=True)
class Call:
    """A call as it came in.

    Attributes:
        fields: by name, values of a JSON object or texts of a form or a query.
        files: uploaded parts by name.
        query: whether the fields stood in the query of a GET.
    """

    fields: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)
    query: bool = False


@dataclass(frozen=True)
class Asked:
    """A call that was read and checked, as far as that goes without its pictures.

    Attributes:
        values: what the dialect needs later; plain JSON values, because a job outlives the process.
        pictures: by the request's parameter (``subject_image``), bytes or where they lie.
        ignored: names of the call that nothing was done with.
        provider: the hosted provider that alone has the model that was asked for; None: this machine's engine has it.
    """

    values: Mapping[str, Any]
    pictures: Mapping[str, bytes | Link]
    ignored: tuple[str, ...] = ()
    provider: str | None = None


@dataclass(frozen=True)
class Delivered:
    """One picture as it is handed out.

    Attributes:
        data: the file.
        media_type: of the file.
        headers: what is told of it beside its type, where it goes out alone.
    """

    data: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """One picture that can be downloaded."""

    url: str
    media_type: str
    name: str
    size: int


@dataclass(frozen=True)
class JobView:
    """A job as its owner may see it; times are seconds since the epoch.

    Attributes:
        position: jobs in front of it; 0 is the next or the running one.
        outputs: absolute URLs, once it is done.
        error: one sentence, once it failed.
        at_fault: whether the failure is the call's (a picture that cannot be read) and not the engine's.
    """

    id: str
    state: State
    created: float
    expires: float
    started: float | None = None
    ended: float | None = None
    position: int = 0
    progress: float = 0.0
    used_seed: int | None = None
    outputs: tuple[Output, ...] = ()
    error: str | None = None
    at_fault: bool = False


@dataclass(frozen=True)
class Answer:
    """What goes back: a status, a body of JSON values or bytes, and headers beside its type."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


class Dialect(Protocol):
    """One hosted API's spelling of a relight."""

    name: str
    """As its file is named."""
    task: Task
    """What the engine does for its calls."""

    def read(self, call: Call) -> Asked:
        """Read and check a call; needs no network and no model.

        Raises:
            InvalidRequest: a missing, unreadable or forbidden value; the sentence names the field first.
            Unsupported: another engine could do it.
        """
        ...

    def request(self, asked: Asked, pictures: Mapping[str, bytes]) -> RelightRequest:
        """The request that a call stands for.

        Args:
            asked: what :meth:`read` gave, perhaps in another process.
            pictures: the bytes of all ``asked.pictures``.

        Raises:
            InvalidRequest: a picture is not what the API takes.
        """
        ...

    def deliver(self, asked: Asked, request: RelightRequest, result: RelightResult) -> list[Delivered]:
        """The results in the size and the format that the call asked for."""
        ...

    def refusal(self, fault: Fault, sentence: str) -> Answer:
        """The API's own status and body for a call that is refused or failed."""
        ...
