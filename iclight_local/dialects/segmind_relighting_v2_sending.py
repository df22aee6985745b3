"""Calls to Segmind's ``segmind-relighting-v2``: a light is said in the API's four words, or not at all.

What a light leaves open (its colour, its type, its intensity) has the word that is nearest to a plain white light here.
"""

from __future__ import annotations

from typing import Any

from iclight_local.dialects import segmind_sending
from iclight_local.dialects.base import Call
from iclight_local.dialects.hearing import asked, hear, meant, refuse_pictures, refuse_unheard
from iclight_local.dialects.segmind_relighting_v2 import DIALECT, QUALITIES, SIZES, WORDS
from iclight_local.dialects.sending import Outcome, Received, Sent, Subject
from iclight_local.dialects.values import shown
from iclight_local.errors import Unsupported
from iclight_local.imaging.opening import open_picture
from iclight_local.light import Light, parse_lights
from iclight_local.light.lamp import ANGLES
from iclight_local.plan import highres_size
from iclight_local.request import RelightRequest

OPEN = {"light_temperature": "neutral", "light_type": "softbox", "light_intensity": "strong"}
"""Words for what a light leaves open: white is 6500 K, softbox is the evenest ramp, strong goes from dark to full."""

_PICTURE = "image"
_SIDES = tuple(word for word in ANGLES if word in WORDS["light_direction"])
_WHITE = (255, 255, 255)


class SegmindRelightingV2Sender:
    """``POST /v2/segmind-relighting-v2``."""

    dialect = DIALECT.name
    model = "segmind-relighting-v2"
    provider = "Segmind's Relighting V2"
    uploads = False

    def encode(self, request: RelightRequest, subject: Subject) -> Sent:
        """As in :class:`~iclight_local.dialects.sending.Sender`; the API documents addresses of pictures alone."""
        if subject.url is None:
            raise Unsupported(f"{self.provider} takes a picture by its address alone, and this one has none.")
        refuse_pictures(request, self.provider)
        quality = _quality(request)
        size = _size(request, subject, quality)
        fields: dict[str, Any] = {
            **self._words(request),
            "size": size,
            "quality": quality,
            "background": "transparent" if request.behind == "transparent" else "opaque",
            "output_compression": request.output_quality,
            "output_format": "png" if request.output_format is None else request.output_format,
        }
        _, heard = hear(DIALECT, Call(fields, {_PICTURE: b""}), subject, self.provider)
        told = meant(heard) | {name: getattr(request, name) for name in ("light", "light_source")}
        if request.fit == "crop" and size != "auto":
            told |= {"width": request.width, "height": request.height}
        refuse_unheard(request, told, self.provider)
        if not _lights(request):
            raise Unsupported(f"{self.provider} needs a light, and none was asked for: {_known()}.")
        return Sent("POST", f"/v2/{self.model}", json={_PICTURE: subject.url, **fields})

    def _words(self, request: RelightRequest) -> dict[str, str]:
        """The four words of a request's light; without one, which is refused once the rest was looked at, just any.

        Raises:
            Unsupported: the API has no words for it.
        """
        lights = _lights(request)
        found = _words(lights) if lights else {**OPEN, "light_direction": "back"}
        words = {name: word for name, word in found.items() if word is not None}
        if len(words) < len(WORDS):
            name = "light_source" if request.light is None else "light"
            knob = f"{name} {shown(getattr(request, name))}"
            raise Unsupported(f"{self.provider} cannot honour {knob}: {_known()}.")
        return words

    def understand(self, received: Received, sent: Sent) -> Outcome:
        """As in :class:`~iclight_local.dialects.sending.Sender`."""
        return segmind_sending.understand(received, sent, self.provider)


SENDERS = (SegmindRelightingV2Sender(),)


def _lights(request: RelightRequest) -> tuple[Light, ...]:
    if request.light is not None:
        return parse_lights(request.light)
    return () if request.light_source == "none" else (Light(word=request.light_source),)


def _words(lights: tuple[Light, ...]) -> dict[str, str | None]:
    """The word of every field: of one light, and as wanted even light of the same colour beside it; None: no word."""
    even = [light for light in lights if light.word == "ambient"]
    lamps = [light for light in lights if light.word != "ambient"]
    if len(lamps) != 1 or len(even) > 1:
        return {}
    lamp, fill = lamps[0], even[0].intensity if even else 0.0
    temperatures = {_temperature(light) for light in lights}
    return {
        "light_direction": next((word for word in _SIDES if Light(word=word).direction == lamp.direction), None),
        "light_intensity": _intensity(lamp.intensity, fill),
        "light_temperature": temperatures.pop() if len(temperatures) == 1 else None,
        "light_type": OPEN["light_type"] if lamp.softness is None else lamp.softness,
    }


def _temperature(light: Light) -> str | None:
    if light.rgb not in (None, _WHITE):
        return None
    if light.kelvin is None:
        return OPEN["light_temperature"]
    return next((word for word, each in WORDS["light_temperature"].items() if each.kelvin == light.kelvin), None)


def _intensity(lamp: float, fill: float) -> str | None:
    levels = WORDS["light_intensity"].items()
    return next((word for word, each in levels if (each.lamp, each.fill) == (lamp, fill)), None)


def _known() -> str:
    """The lights that there are, as part of a sentence."""
    kelvins = ", ".join(f"{each.kelvin}K" for each in WORDS["light_temperature"].values())
    levels = ", ".join(
        f"{each.lamp}" + (f" with + ambient {each.fill}" if each.fill else "")
        for each in WORDS["light_intensity"].values()
    )
    return (
        f"it knows one light from {', '.join(WORDS['light_direction'])}, as wanted {kelvins}, "
        f"as wanted {', '.join(WORDS['light_type'])}, as wanted of intensity {levels}"
    )


def _quality(request: RelightRequest) -> str:
    """The best quality that has all the knobs which were asked for; the best of all where none has."""
    best_first = list(reversed(QUALITIES))
    fitting = (
        quality
        for quality in best_first
        if all(getattr(request, name) == value for name, value in QUALITIES[quality].items() if asked(request, name))
    )
    return next(fitting, best_first[0])


def _size(request: RelightRequest, subject: Subject, quality: str) -> str:
    """The size that was asked for, by the frame or by the picture itself; ``auto`` where it is none of the API's."""
    wanted = None
    if request.fit == "input" and subject.data is not None:
        wanted = open_picture(subject.data, "subject_image").size
    elif request.fit == "crop" and (asked(request, "width") or asked(request, "height")):
        scale = QUALITIES[quality]["highres_scale"]
        wanted = highres_size(request.width, scale), highres_size(request.height, scale)
    return next((word for word, size in SIZES.items() if size is not None and size == wanted), "auto")
