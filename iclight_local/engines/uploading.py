"""A place of the owner's where a picture has a web address for a while, for APIs that take nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from iclight_local.dialects.sending import Received
from iclight_local.engines.transport import Fault, Outgoing, send
from iclight_local.engines.watched import Patience
from iclight_local.errors import EngineError
from iclight_local.imaging.addresses import parse_target
from iclight_local.providers.base import Shelf

TRIES, PAUSE_S = 3, 1.0
"""How often a picture is put there, and seconds in between."""
TAKING_AWAY_S = 10.0


def host_of(shelf: Shelf) -> str:
    """Where it is, for sentences: the rest of its address may be a secret."""
    return parse_target(shelf.address("a"), "upload", ("http", "https")).authority


@contextmanager
def put_away(shelf: Shelf, name: str, data: bytes, patience: Patience) -> Iterator[list[str]]:
    """Have a picture lie at its address as long as the block lasts.

    Args:
        shelf: the place.
        name: of the file there; nobody else can guess it.
        data: a PNG.
        patience: the time there is for putting it there.

    Yields:
        Warnings; one is added behind the block where the picture could not be taken away again.

    Raises:
        EngineError: it could not be put there.
    """
    warnings: list[str] = []
    for attempt in range(TRIES):
        answer = _asked(shelf, "PUT", name, data, patience.left(), patience)
        if isinstance(answer, Received) and 200 <= answer.status < 300:
            break
        if attempt + 1 == TRIES or patience.left() <= PAUSE_S:
            raise EngineError(
                f"The picture could not be put where upload_url says ({host_of(shelf)} {_what(answer)}), and the "
                "provider was sent nothing: mend the address or its authorization."
            )
        patience.sleep(PAUSE_S)
    try:
        yield warnings
    finally:
        # Also for whoever stopped it, and whatever the time.
        answer = _asked(shelf, "DELETE", name, b"", TAKING_AWAY_S, None)
        if isinstance(answer, Fault) or not (200 <= answer.status < 300 or answer.status in (404, 410)):
            warnings.append(f"The picture {name} could not be taken away from {host_of(shelf)}, which {_what(answer)}.")


def _asked(
    shelf: Shelf, method: str, name: str, data: bytes, seconds: float, patience: Patience | None
) -> Received | Fault:
    headers = {"Content-Type": "image/png"} if data else {}
    if shelf.authorization is not None:
        headers["Authorization"] = shelf.authorization.reveal()
    call = Outgoing(method, shelf.address(name), headers, {"content": data} if data else {}, shelf.authorization)
    return send(call, max(seconds, 0.001), (lambda: None) if patience is None else patience.watch)


def _what(answer: Received | Fault) -> str:
    return answer.what if isinstance(answer, Fault) else f"answered {answer.status}"
