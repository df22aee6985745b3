"""Calls to Photoroom's ``/v2/edit``, as far as it relights.

The picture keeps its size, and its subject its place. A picture that is a file goes into a form, one that has an
address is asked for by it: the API takes each only so.
"""

from __future__ import annotations

from iclight_local.dialects.base import Call
from iclight_local.dialects.hearing import asked, hear, meant, refuse_pictures, refuse_unheard
from iclight_local.dialects.photoroom import DIALECT, MAX_SIDE
from iclight_local.dialects.photoroom_files import QUALITIES
from iclight_local.dialects.sending import Bill, Outcome, Pictures, Received, Sent, Subject, Upload
from iclight_local.dialects.understanding import media_type_of, nonsense, one_line, refusal
from iclight_local.errors import Unsupported
from iclight_local.imaging.opening import open_picture
from iclight_local.request import RelightRequest

_PATH = "/v2/edit"
_MODES = {"colour": "ai.preserve-hue-and-saturation"}
_AUTO = "ai.auto"


class PhotoroomSender:
    """``POST /v2/edit``, or ``GET`` with a picture's address."""

    dialect = DIALECT.name
    model = "edit"
    provider = "Photoroom"
    uploads = True

    def encode(self, request: RelightRequest, subject: Subject) -> Sent:
        """As in :class:`~iclight_local.dialects.sending.Sender`."""
        refuse_pictures(request, self.provider)
        upload = None if subject.data is None else self._upload(subject.data)
        fields = _fields(request)
        _, heard = hear(DIALECT, Call(fields, {"imageFile": b""}), subject, self.provider)
        told = meant(heard) | {"output_format": request.output_format}
        if request.behind == "colour":
            told |= {"background_mode": "colour", "background_colour": request.background_colour}
        # The quality is the format's own; a PNG has none.
        output_format = fields["export.format"]
        told["output_quality"] = request.output_quality if output_format == "png" else QUALITIES[output_format]
        refuse_unheard(request, told, self.provider)
        if upload is not None:
            return Sent("POST", _PATH, form=fields, files={"imageFile": upload})
        return Sent("GET", _PATH, query={"imageUrl": str(subject.url), **fields})

    def understand(self, received: Received, sent: Sent) -> Outcome:
        """As in :class:`~iclight_local.dialects.sending.Sender`; it makes pictures at once and has no jobs."""
        if received.status != 200:
            return refusal(self.provider, received, sent)
        if media_type_of(received.body) is None:
            return nonsense(self.provider, received, sent, "a picture")
        unsupported = one_line(received.headers.get("pr-unsupported-attributes"))
        remarks = (f"{self.provider} says: {unsupported}.",) if unsupported else ()
        return Pictures((received.body,), Bill(), remarks=remarks)

    def _upload(self, data: bytes) -> Upload:
        kind = media_type_of(data)
        if kind is None:
            raise Unsupported(f"{self.provider} takes PNG, JPEG and WebP files, and this picture is none of them.")
        width, height = open_picture(data, "subject_image").size
        if max(width, height) > MAX_SIDE:
            raise Unsupported(
                f"{self.provider} relights pictures of up to {MAX_SIDE} x {MAX_SIDE} pixels, and this one has "
                f"{width} x {height}: scale it down, or use another engine."
            )
        # Not the name that the file has here.
        return Upload(f"image.{kind.removeprefix('image/')}", kind, data)


SENDERS = (PhotoroomSender(),)


def _fields(request: RelightRequest) -> dict[str, str]:
    """The call but for its picture; texts all of them, as forms and queries have."""
    cut_out = asked(request, "background_mode") and request.behind in ("transparent", "colour")
    fields = {
        "lighting.mode": _MODES.get(request.kept, _AUTO),
        "removeBackground": "true" if cut_out else "false",
        "referenceBox": "originalImage",
        "export.format": "png" if request.output_format is None else request.output_format,
    }
    if cut_out:
        fields["keepExistingAlphaChannel"] = "auto"
    if request.behind == "colour":
        fields["background.color"] = request.background_colour.removeprefix("#")
    return fields
