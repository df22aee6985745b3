"""Pictures that a provider made: fetched, decoded, and held against what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from PIL import Image

from iclight_local.dialects.base import Link
from iclight_local.engines.watched import Patience, watched
from iclight_local.errors import AnswerLost, InvalidRequest
from iclight_local.imaging.addresses import parse_target
from iclight_local.imaging.files import decode
from iclight_local.imaging.guarded import Guard, fetch
from iclight_local.imaging.sources import AS_BYTES
from iclight_local.plan import highres_size
from iclight_local.providers.base import Account, Provider
from iclight_local.request import RelightRequest

TRIES, PAUSE_S = 3, 0.5
"""How often a result is fetched, which is free, and seconds in between."""
FETCH_S = 60.0
"""Seconds that fetching one result may take."""


def arrived(images: Sequence[bytes | Link], account: Account, who: str, patience: Patience) -> list[Image.Image]:
    """The pictures of an answer as RGB, or RGBA where they are transparent.

    Results that lie elsewhere are fetched without the key; inside of this network only the provider's own host and port
    are, so that a provider can send nobody in there.

    Raises:
        AnswerLost: one cannot be fetched, or is no picture.
    """
    try:
        return [_decoded(_fetched(each, account, patience) if isinstance(each, Link) else each) for each in images]
    except InvalidRequest as error:
        raise AnswerLost(f"{who} may have charged for the picture, but {error}") from None


def misfits(
    provider: Provider, request: RelightRequest, sent_size: tuple[int, int], images: Sequence[Image.Image], who: str
) -> tuple[str, ...]:
    """What is not as it was asked for, one sentence each.

    Args:
        provider: what the size of its results follows.
        request: what was asked.
        sent_size: width and height of the picture that was sent.
        images: what came.
        who: the provider, in sentences.
    """
    found = []
    if len(images) != request.number_of_images:
        found.append(f"{who} made {len(images)} pictures, and {request.number_of_images} were asked for.")
    wanted = _wanted(provider, request, sent_size)
    for index, image in enumerate(images):
        if wanted is not None and not _fits(provider, image.size, wanted):
            shape = "the shape of " if provider.size == "shape" else ""
            found.append(
                f"{who} made picture {index + 1} of {len(images)} with {image.width} x {image.height} pixels, and "
                f"{shape}{wanted[0]} x {wanted[1]} was asked for."
            )
    return tuple(found)


def _fetched(link: Link, account: Account, patience: Patience) -> bytes:
    place = parse_target(account.base_url, "API", ("http", "https"))
    for attempt in range(TRIES):
        guard = Guard(
            schemes=frozenset((place.scheme, "https")),
            allowed_hosts=frozenset((place.place,)),
            seconds=max(0.1, min(FETCH_S, patience.left())),
        )
        try:
            return watched(partial(fetch, link.url, guard), patience.watch)
        except InvalidRequest:
            if attempt + 1 == TRIES or patience.left() <= PAUSE_S:
                raise
        patience.sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")


def _decoded(data: bytes) -> Image.Image:
    try:
        picture = decode(data)
    except InvalidRequest as error:
        raise InvalidRequest(f"what came cannot be used: {str(error).replace(AS_BYTES, 'it')}") from None
    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None and picture.alpha.min() < 255:
        image.putalpha(Image.fromarray(picture.alpha))
    return image


def _wanted(provider: Provider, request: RelightRequest, sent_size: tuple[int, int]) -> tuple[int, int] | None:
    """The size that results should have, or whose shape; None where nothing was said of it."""
    if request.fit == "input" or provider.size == "picture":
        return sent_size
    if provider.size == "frame" or {"width", "height"} & request.model_fields_set:
        return highres_size(request.width, request.highres_scale), highres_size(request.height, request.highres_scale)
    return None


def _fits(provider: Provider, size: tuple[int, int], wanted: tuple[int, int]) -> bool:
    if provider.size != "shape":
        return size == wanted
    # Sizes are multiples of something, so that shapes agree to a few hundredths.
    return abs(size[0] * wanted[1] / (size[1] * wanted[0]) - 1) < 0.05
