"""What servers say of a published file, and its bytes: huggingface_hub does the talking, to the hub and to mirrors."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.file_download import get_hf_file_metadata, http_get
from huggingface_hub.utils import build_hf_headers, get_session

if TYPE_CHECKING:
    from iclight_local.store.parts import Part

HUB = "https://huggingface.co/"
"""How the hub's addresses begin in the manifest; ``HF_ENDPOINT`` takes its place."""
TRIES = 4
"""How often a server may ask to wait before it is given up."""
PAUSE_S, LONGEST_WAIT_S = 5, 600
"""Seconds to wait where a server does not say how long, and the most that one is waited for in all."""
CHUNK = 1 << 20
"""Bytes that are written at once, and lost at most when a fetch is stopped."""

# The library has changed what it speaks HTTP with from release to release, and its errors with it; its own error
# derives from what they share.
_TRANSPORT = cast("tuple[type[Exception], ...]", (HfHubHTTPError.__bases__[0], OSError))
_DENIED = (401, 403)
_NO_HEAD = (405, 501)
_LATER = (408, 429)
_BAD_RANGE = 416
_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


class SourceError(Exception):
    """One server did not give a file.

    Attributes:
        status: what it answered; None where it did not.
        broken: the line to it broke or could not be made.
    """

    def __init__(self, url: str, reason: str, *, status: int | None = None, broken: bool = False) -> None:
        super().__init__(f"{host(url)} {reason}")
        self.status = status
        self.broken = broken

    @property
    def denied(self) -> bool:
        """Whether it wants to know who asks, or knows and says no."""
        return self.status in _DENIED


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server says that it has.

    Attributes:
        url: where it has it.
        size: its bytes; None where the server does not say.
        digest: the hub's own hash of it (64 digits: sha256, 40: git's sha1), None where there is none.
    """

    url: str
    size: int | None
    digest: str | None


def is_offline() -> bool:
    """Whether the environment forbids huggingface_hub the network (``HF_HUB_OFFLINE``, ``TRANSFORMERS_OFFLINE``)."""
    return constants.HF_HUB_OFFLINE


def host(url: str) -> str:
    """The server of an address, with its port."""
    return re.sub(r"^\w+://([^/]*).*$", r"\1", url)


def at_endpoint(url: str) -> str:
    """The address with ``HF_ENDPOINT`` in the place of the hub; others stay as they are."""
    return f"{constants.ENDPOINT}/{url.removeprefix(HUB)}" if url.startswith(HUB) else url


class Patience:
    """How long one server that asks to wait is waited for, all its answers for one file together."""

    def __init__(self) -> None:
        self._asked = 0
        self._waited = 0

    def wait(self, url: str, status: int, headers: Mapping[str, str]) -> None:
        """Wait for as long as the server asks with this answer.

        Raises:
            SourceError: it asks for the last time, or for more seconds than are left.
        """
        self._asked += 1
        pause = _asked_pause(headers)
        if self._asked == TRIES:
            raise SourceError(url, f"answered {status} {TRIES} times, {self._waited} s apart in all", status=status)
        if self._waited + pause > LONGEST_WAIT_S:
            more = f" after {self._waited} s of waiting" if self._waited else ""
            reason = f"asks to wait for {pause} s{more}, and {LONGEST_WAIT_S} s are the most for one file"
            raise SourceError(url, reason, status=status)
        _log.info("%s asks to wait for %d s: waiting.", host(url), pause)
        time.sleep(pause)
        self._waited += pause


def ask(url: str, patience: Patience) -> Offer:
    """Ask a server what it has there, without fetching it; where it asks to wait, wait and ask again.

    Raises:
        SourceError: it cannot be reached, has nothing there, denies it, or asks to wait for too long.
    """
    timeout = constants.HF_HUB_ETAG_TIMEOUT
    try:
        found = _patiently(url, patience, lambda: get_hf_file_metadata(url, token=_token(url), timeout=timeout))
    except HfHubHTTPError as error:
        if error.response.status_code in _NO_HEAD:
            return Offer(url, None, None)
        raise _failed(url, error) from error
    except _TRANSPORT as error:
        raise _failed(url, error) from error
    # Only the hub names a commit, and only of the hub it is known how it makes its tags.
    tag = found.etag if found.commit_hash is not None else None
    known = tag is not None and re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", tag)
    # Older versions of the library take the length of a redirection for that of the file.
    return Offer(url, found.size if found.size != 0 else None, tag if known else None)


def fetch(url: str, part: Part, patience: Patience) -> None:
    """Fetch what a part still lacks; what is cut off on the way is taken up again a few times.

    Args:
        url: where to fetch it.
        part: the file, open behind what it has of it already.
        patience: how long the server is still waited for.

    Raises:
        SourceError: the server does not give it, asks to wait for too long, or gives more or less than
            ``part.needed``.
        EngineError: it cannot be written.
    """
    # The library's 10 MB are lost whenever a line breaks, and on a slow one a bar would not move for a minute.
    constants.DOWNLOAD_CHUNK_SIZE = min(constants.DOWNLOAD_CHUNK_SIZE, CHUNK)
    # A compressed answer has no size to check and nothing to take up again.
    headers = {**build_hf_headers(token=_token(url)), "Accept-Encoding": "identity"}

    def get() -> None:
        http_get(url, part, resume_size=part.tell(), headers=headers, expected_size=part.needed)

    try:
        _patiently(url, patience, get)
    except HfHubHTTPError as error:
        if error.response.status_code != _BAD_RANGE or part.tell() == 0:
            raise _failed(url, error) from error
        part.empty()
        fetch(url, part, patience)
    except _TRANSPORT as error:
        raise _failed(url, error) from error


def _token(url: str) -> bool | None:
    """None for the user's own token where there is one, and False for none: it is the hub's and no mirror's."""
    return None if url.startswith(f"{constants.ENDPOINT}/") else False


def _failed(url: str, error: Exception) -> SourceError:
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return SourceError(url, f"answered {status}", status=status)
    name = type(error).__name__
    if "Timeout" in name:
        return SourceError(url, "did not answer in time", broken=True)
    if type(error) is OSError:  # The library's own, where the bytes are not as many as they should be.
        return SourceError(url, "gave another number of bytes than it should")
    detail = re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip().partition("\n")[0]).rstrip(".")
    return SourceError(url, f"could not be reached ({detail if detail else name})", broken=True)


class _AskedToWait(Exception):
    """A server's answer says: later."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        self.status = status
        self.headers = headers


def _patiently(url: str, patience: Patience, question: Callable[[], _Answer]) -> _Answer:
    """The answer to a question that is put again for as long as the server asks to wait and there is patience."""
    while True:
        try:
            with _waits_are_heard():
                return question()
        except _AskedToWait as asked:
            patience.wait(url, asked.status, asked.headers)


@contextmanager
def _waits_are_heard() -> Iterator[None]:
    """Have answers that ask to wait come as an error: the library waits by itself, for as long as any server says."""
    hooks = get_session().event_hooks["response"]
    hooks.append(_hear)
    try:
        yield
    finally:
        hooks.remove(_hear)


def _hear(response: Any, **_: Any) -> None:
    if response.status_code in _LATER:
        raise _AskedToWait(response.status_code, response.headers)


def _asked_pause(headers: Mapping[str, str]) -> int:
    """Seconds, from ``Retry-After`` in both of its forms, or from the hub's ``RateLimit``."""
    asked = headers.get("Retry-After", "").strip()
    # No more than nine digits: Python refuses to read a number of thousands.
    if re.fullmatch(r"\d{1,9}", asked):
        return int(asked)
    reset = re.search(r";\s*t\s*=\s*(\d{1,9})\b", headers.get("RateLimit", ""))
    if reset is not None:
        return int(reset.group(1))
    try:
        until = parsedate_to_datetime(asked)
    except (ValueError, OverflowError):
        return PAUSE_S
    # A date in words of an unknown zone counts as UTC.
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0, round(seconds) + 1)
