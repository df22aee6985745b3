"""Calls to Segmind's ``ic-light``: the knobs of IC-Light by their own names, every one of them said."""

from __future__ import annotations

import base64
from typing import Any

from iclight_local.dialects import segmind_sending
from iclight_local.dialects.base import Call
from iclight_local.dialects.hearing import hear, meant, plain_light, refuse_pictures, refuse_unheard
from iclight_local.dialects.segmind_ic_light import DIALECT, FORMATS, LIGHTS
from iclight_local.dialects.sending import Outcome, Received, Sent, Subject
from iclight_local.request import RelightRequest

_PICTURE = "subject_image"
_SAME = (
    *("prompt", "appended_prompt", "negative_prompt", "cfg", "steps", "seed", "width", "height"),
    *("lowres_denoise", "highres_scale", "highres_denoise", "number_of_images", "output_quality"),
)
_LIGHTS = {word: spoken for spoken, word in LIGHTS.items()}
_FORMATS = {word: spoken for spoken, word in FORMATS.items()}


class SegmindIcLightSender:
    """``POST /v2/ic-light``."""

    dialect = DIALECT.name
    model = "ic-light"
    provider = "Segmind's ic-light"
    uploads = True

    def encode(self, request: RelightRequest, subject: Subject) -> Sent:
        """As in :class:`~iclight_local.dialects.sending.Sender`; the picture goes along in base64."""
        refuse_pictures(request, self.provider)
        request = plain_light(request)
        values = meant(request)
        fields: dict[str, Any] = {name: values[name] for name in _SAME if values[name] is not None}
        output_format = "png" if request.output_format is None else request.output_format
        fields["output_format"] = _FORMATS[output_format]
        fields["light_source"] = _LIGHTS.get(request.light_source, request.light_source)
        _, heard = hear(DIALECT, Call(fields, {_PICTURE: b""}), subject, self.provider)
        refuse_unheard(request, meant(heard), self.provider)
        return Sent("POST", f"/v2/{self.model}", json={_PICTURE: _picture(subject), **fields})

    def understand(self, received: Received, sent: Sent) -> Outcome:
        """As in :class:`~iclight_local.dialects.sending.Sender`."""
        return segmind_sending.understand(received, sent, self.provider)


SENDERS = (SegmindIcLightSender(),)


def _picture(subject: Subject) -> str | None:
    # Plain, without a prefix, as the gateway's own clients send it.
    return subject.url if subject.data is None else base64.b64encode(subject.data).decode()
