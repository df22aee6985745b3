"""Calls to PixelDojo's ``image-relighting``, one sender for each ``model_type``.

Magic Lighting has the knobs of IC-Light, and every one of them is said. The other three are models that edit a picture
by words: they share the fields that are not for Magic Lighting alone, and of these what was asked for is said.
"""

from __future__ import annotations

from typing import Any

from iclight_local.dialects.base import Call
from iclight_local.dialects.hearing import asked, hear, meant, plain_light, refuse_pictures, refuse_unheard
from iclight_local.dialects.pixeldojo import API_ID, DIALECT
from iclight_local.dialects.pixeldojo_fields import HERE, MODEL_TYPES, RATIOS, SIZES
from iclight_local.dialects.sending import Bill, Outcome, Pending, Pictures, Received, Sent, Subject
from iclight_local.dialects.understanding import (
    failed_job,
    job_of,
    nonsense,
    object_of,
    one_line,
    part,
    pictures_of,
    quantity_of,
    refusal,
    seed_of,
)
from iclight_local.errors import Unsupported
from iclight_local.plan import highres_size
from iclight_local.request import RelightRequest

INTERVAL_S = 2.0
"""Seconds between two questions about a job, as the API's examples wait."""

_PICTURE = "subject_image"
_MAGIC = (
    *("prompt", "appended_prompt", "negative_prompt", "light_source", "steps", "cfg", "lowres_denoise"),
    *("highres_scale", "highres_denoise", "number_of_images", "output_quality", "seed"),
)
_WORDED = ("prompt", "negative_prompt", "light_source", "number_of_images", "output_quality", "seed")
_SILENT = (("prompt", ""), ("light_source", "none"))
_FORMATS = {"png": "png", "jpeg": "jpg", "webp": "webp"}


class PixelDojoSender:
    """``POST /api/v1/models/image-relighting/run`` with one ``model_type``."""

    dialect = DIALECT.name
    uploads = False

    def __init__(self, model: str) -> None:
        self.model = model
        self.provider = f"PixelDojo's {model}"

    def encode(self, request: RelightRequest, subject: Subject) -> Sent:
        """As in :class:`~iclight_local.dialects.sending.Sender`; the API documents addresses of pictures alone."""
        if subject.url is None:
            raise Unsupported(f"{self.provider} takes a picture by its address alone, and this one has none.")
        refuse_pictures(request, self.provider)
        fields = self._magic_lighting(request, subject) if self.model == HERE else self._worded(request, subject)
        body = {_PICTURE: subject.url, "model_type": self.model, **fields}
        return Sent("POST", f"/api/v1/models/{API_ID}/run", json=body)

    def understand(self, received: Received, sent: Sent) -> Outcome:
        """As in :class:`~iclight_local.dialects.sending.Sender`."""
        if received.status not in (200, 202):
            return refusal(self.provider, received, sent)
        body = object_of(received)
        found = None if body is None else self._of_job(body, sent)
        return nonsense(self.provider, received, sent, "a job") if found is None else found

    def _magic_lighting(self, request: RelightRequest, subject: Subject) -> dict[str, Any]:
        """All knobs; the size is that of the result, of which the frame is a part."""
        request = plain_light(request)
        values = meant(request)
        width, height = (highres_size(side, request.highres_scale) for side in (request.width, request.height))
        low, high = SIZES
        if not (low <= width <= high and low <= height <= high):
            raise Unsupported(
                f"{self.provider} makes pictures of {low} to {high} pixels on a side, and width, height and "
                f"highres_scale ask for {width} x {height}: change one of them, or use another engine."
            )
        fields = {name: values[name] for name in _MAGIC if values[name] is not None}
        # Where a text may say anything, none says nothing.
        fields = {name: value for name, value in fields.items() if (name, value) not in _SILENT}
        # Sizes are texts in the API's document.
        fields |= {"output_format": _format(request), "width": str(width), "height": str(height)}
        _, heard = hear(DIALECT, Call(fields, {_PICTURE: b""}), subject, self.provider)
        refuse_unheard(request, meant(heard), self.provider)
        return fields

    def _worded(self, request: RelightRequest, subject: Subject) -> dict[str, Any]:
        """What was asked for, as far as it is not for Magic Lighting alone; of a size its shape."""
        values = meant(request)
        said = {name: values[name] for name in _WORDED if asked(request, name)}
        said |= {"output_format": _format(request), "output_quality": request.output_quality}
        _, heard = hear(DIALECT, Call(said, {_PICTURE: b""}), subject, self.provider)
        told = {name: value for name, value in meant(heard).items() if name in (*_WORDED, "output_format")}
        fields: dict[str, Any] = {}
        if request.light is not None:
            # Any words may describe the light, and a model that reads them needs no map of it.
            fields["light_source"] = told["light"] = request.light
        if (asked(request, "width") or asked(request, "height")) and (shape := _shape(request)) is not None:
            fields["aspectRatio"] = shape
            told |= {"width": request.width, "height": request.height}
        refuse_unheard(request, told, self.provider)
        return {**said, **fields}

    def _of_job(self, body: dict[str, Any], sent: Sent) -> Outcome | None:
        """What the API says of a job; None where that is nothing."""
        status = body.get("status")
        job = job_of(body.get("jobId")) if sent.job is None else sent.job
        if not isinstance(status, str) or job is None:
            return None
        cost = quantity_of(body.get("creditCost"))
        bill = Bill(cost, quantity_of(body.get("creditsRemaining")), job)
        if status == "failed":
            error = body.get("error")
            said = one_line(error) or one_line(part(body, "error").get("message"))
            return failed_job(self.provider, said, unpaid=cost == 0)
        if status == "completed":
            images = pictures_of(_listed(body))
            return Pictures(images, bill, seed_of(body.get("seed"))) if images else None
        poll = Sent("GET", f"/api/v1/jobs/{job}", job=job)
        return Pending(poll, INTERVAL_S, running=status != "pending", bill=bill)


SENDERS = tuple(PixelDojoSender(model) for model in MODEL_TYPES)


def _listed(body: dict[str, Any]) -> list[object]:
    """Whatever a job lists as pictures, in one of the three places that clients of this API read."""
    output = part(body, "output")
    images, assets = output.get("images"), body.get("assets")
    if isinstance(images, list) and images:
        return images
    if "image" in output:
        return [output["image"]]
    listed = assets if isinstance(assets, list) else []
    return [each.get("url") if isinstance(each, dict) else None for each in listed]


def _format(request: RelightRequest) -> str:
    return _FORMATS["png" if request.output_format is None else request.output_format]


def _shape(request: RelightRequest) -> str | None:
    """The API's word for the shape of a request's frame; None where it has none."""
    for ratio in RATIOS:
        wide, tall = (int(side) for side in ratio.split(":"))
        if request.width * tall == request.height * wide:
            return ratio
    return None
