"""The other direction of a dialect: a hosted API is called, and its answers are read.

A sender knows nothing of sockets, keys or clocks, as a dialect does not. It turns a request into the call that its API
takes, and an answer into pictures, into the next question about a job, or into a refusal that says whether the call may
be made again. What a caller asked for and the API cannot do is refused here, before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from iclight_local.dialects.base import Link
from iclight_local.errors import ICLightError
from iclight_local.request import RelightRequest

Why = Literal["invalid", "unsupported", "unauthorized", "no_credits", "not_found", "busy", "failed"]
"""Why nothing came: a bad value, something this API does not do, a key that is not accepted, an empty account, no such
model or job, too many calls, an API that failed or answered nonsense."""


@dataclass(frozen=True)
class Subject:
    """The picture that is sent.

    Attributes:
        data: its file; None where only its address is known here.
        url: an address from which the API can fetch it; None where there is none.
    """

    data: bytes | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if self.data is None and self.url is None:
            raise ValueError("a picture needs its bytes or an address")


@dataclass(frozen=True)
class Upload:
    """A file of a form."""

    name: str
    media_type: str
    data: bytes


@dataclass(frozen=True)
class Sent:
    """A call as it goes out: all but the API's address, which ``path`` follows, and the key.

    Attributes:
        method: of HTTP.
        path: begins with a slash.
        json: the body as an object of JSON; None where the body is a form, or there is none.
        form: fields of a form, ``multipart/form-data``.
        files: files of that form.
        query: of the URL.
        job: the job that it asks for. Such a call costs nothing and may be made again; any other is paid for.
    """

    method: Literal["GET", "POST"]
    path: str
    json: Mapping[str, Any] | None = None
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    job: str | None = None


@dataclass(frozen=True)
class Received:
    """An answer as it came in.

    Attributes:
        status: of HTTP.
        headers: by name, in small letters.
        body: all of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Bill:
    """What an answer says of its price; None where it is silent.

    Attributes:
        cost: credits that the relight costs.
        remaining: credits that the account has left.
        request_id: the API's name for the call or the job.
    """

    cost: float | None = None
    remaining: float | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Pictures:
    """A relight that is done.

    Attributes:
        images: files, or where they lie; at least one. They are not decoded yet.
        bill: its price.
        used_seed: where the API tells it.
        remarks: one sentence each.
    """

    images: tuple[bytes | Link, ...]
    bill: Bill = Bill()
    used_seed: int | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pending:
    """A job under way.

    Attributes:
        poll: the call that asks for it next.
        after: seconds to wait before that.
        running: whether it has left the queue.
        bill: its price.
    """

    poll: Sent
    after: float
    running: bool = False
    bill: Bill = Bill()


@dataclass(frozen=True)
class Refused:
    """A call that brought nothing.

    Attributes:
        error: to raise, with its one sentence.
        why: the kind of refusal.
        may_retry: whether this same call may be made again: it may succeed then, and nothing is paid twice.
        after: seconds to wait before that; None where the API does not say.
        unpaid: whether it is known that the relight was not charged.
    """

    error: ICLightError
    why: Why
    may_retry: bool = False
    after: float | None = None
    unpaid: bool = False


Outcome = Pictures | Pending | Refused


class Sender(Protocol):
    """One model of a hosted API, as it is called."""

    dialect: str
    """The dialect's name."""
    model: str
    """The API's own name of the model."""
    provider: str
    """What sentences call it."""
    uploads: bool
    """Whether it takes the picture itself; else it takes an address alone."""

    def encode(self, request: RelightRequest, subject: Subject) -> Sent:
        """The call that asks for a relight.

        A knob that the request sets to something else than its default is honoured or refused. A knob that it leaves
        open has the default it has here where the API knows that knob, else the API's own.

        Raises:
            InvalidRequest: the picture is none, or damaged.
            Unsupported: the API cannot do it; one sentence that names the knob and the API.
        """
        ...

    def understand(self, received: Received, sent: Sent) -> Outcome:
        """What an answer to ``sent`` says; never raises, whatever the answer is."""
        ...
