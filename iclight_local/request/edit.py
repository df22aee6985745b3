"""The whole request of an edit: a cut-out, its light, its place, what stands behind it and what it casts."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from iclight_local.errors import InvalidRequest
from iclight_local.request.finish import BackgroundMode
from iclight_local.request.knobs import Source
from iclight_local.request.placing import Placing, Scaling
from iclight_local.request.relight import RelightRequest

OwnAlpha = Literal["auto", "never"]
Blur = Literal["none", "gaussian", "bokeh"]
Shadow = Literal["none", "soft", "hard", "floating", "auto"]
Metadata = Literal["none", "camera", "xmp", "rights", "rights_xmp"]

_COLOUR = r"#[0-9a-fA-F]{6}([0-9a-fA-F]{2})?"


class EditRequest(Placing):
    """A picture, and what is to become of it beside its light.

    The subject is relit where a light, a prompt or an exposure is asked for, and keeps its own detail then; with
    ``background_mode`` generate the prompt says the scene around it, and the subject takes the scene's light.

    Raises:
        InvalidRequest: a bad value, or values that contradict each other; one sentence with the cure.
    """

    fit: Literal["input"] = Field("input", description="An edit always keeps the picture's own pixels.")
    keep: Literal["detail", "colour", "all"] | None = Field(
        None,
        description="What a relit subject keeps of the picture. detail: the fine detail. colour: hue and saturation. "
        "all: both; the light alone is new.",
        json_schema_extra={"default_text": "detail"},
    )
    background_mode: BackgroundMode | None = Field(
        None,
        description="What stands behind the subject, over background_colour. transparent, colour: nothing else. "
        "image: background_image. keep: the picture's own background. generate: a scene that the prompt says.",
        json_schema_extra={"default_text": "image, colour or transparent, by what is given"},
    )
    background_image: Source | None = Field(
        None, description="A picture that stands behind the subject, and lights it, too, with model fbc."
    )
    own_alpha: OwnAlpha = Field(
        "auto",
        description="auto: a picture's own transparency is its matte, and an opaque alpha channel means that nothing "
        "is cut out. never: it is cut out all the same.",
    )
    background_colour: str = Field(
        "transparent",
        pattern=rf"^(transparent|{_COLOUR})$",
        description="What lies under everything else.",
        json_schema_extra={"accepts": "transparent, or a colour like #ff8800 or #ff880080"},
    )
    background_scaling: Scaling = Field(
        "fill", description="fill: the background picture covers the result. fit: the whole of it is shown."
    )
    background_blur: Blur = Field(
        "none", description="Blur of what stands behind the subject: as a Gaussian, or as a lens does it (bokeh)."
    )
    background_blur_radius: float = Field(
        0.01, ge=0, le=0.05, description="Its standard deviation or disc, relative to the result's longer side."
    )
    outline_colour: str | None = Field(
        None,
        pattern=rf"^{_COLOUR}$",
        description="Colour of a line around the subject.",
        json_schema_extra={"accepts": "a colour like #ff8800 or #ff880080"},
    )
    outline_width: float = Field(0.03, ge=0, le=0.1, description="Its width, relative to the result's longer side.")
    outline_blur: float = Field(
        0, ge=0, le=0.025, description="Standard deviation of its blur, relative to the result's longer side."
    )
    shadow: Shadow = Field(
        "none", description="A shadow that the subject casts, drawn from its silhouette; auto: away from the light."
    )
    shadow_direction: float | None = Field(
        None,
        ge=0,
        le=360,
        description="Where it falls, in degrees: 0 behind the subject, 90 to its left, 180 in front, 270 to its right.",
        json_schema_extra={"default_text": "away from the light, else the shadow's own"},
    )
    shadow_spread: float | None = Field(
        None,
        ge=0,
        le=90,
        description="How long it is, from 0 to 90 degrees.",
        json_schema_extra={"default_text": "the shadow's own"},
    )
    shadow_softness: float | None = Field(
        None, ge=0, le=1, description="How soft it is.", json_schema_extra={"default_text": "the shadow's own"}
    )
    shadow_intensity: float | None = Field(
        None, ge=0, le=1, description="How dark it is.", json_schema_extra={"default_text": "the shadow's own"}
    )
    shadow_pose: float | None = Field(
        None,
        ge=0,
        le=90,
        description="How upright the subject stands, in degrees: 0 lies flat under the camera, 90 stands.",
        json_schema_extra={"default_text": "90"},
    )
    dpi: float | None = Field(None, ge=72, le=1200, description="Pixel density that the file names; no pixel changes.")
    metadata: Metadata = Field(
        "camera",
        description="What the file keeps of the picture's metadata. camera: exposure, author and place. xmp: its XMP. "
        "rights: copyright and comment (a jpeg or webp has no record then). rights_xmp: the same, as XMP, too.",
    )

    @model_validator(mode="after")
    def _possible(self) -> EditRequest:
        check_edit(self)
        return self

    @property
    def behind(self) -> BackgroundMode:
        """What stands behind the subject, over ``background_colour``."""
        if self.background_mode is not None:
            return self.background_mode
        if self.background_image is not None:
            return "image"
        return "transparent" if self.background_colour == "transparent" else "colour"

    @property
    def cuts_out(self) -> bool:
        """Whether the subject leaves its own background."""
        return self.behind != "keep"

    @property
    def has_background(self) -> bool:
        """Whether the background picture lights the subject, and does not only stand behind it."""
        return self.background_image is not None and self.model == "fbc"

    @property
    def on_canvas(self) -> bool:
        """Whether the model sees the subject in its new place, because what lights it is there."""
        return self.behind == "generate" or self.has_background

    @property
    def between(self) -> bool:
        """Whether something is drawn between the subject and what stands behind it, or parts the two."""
        return self.shadow != "none" or self.outline_colour is not None or self.background_blur != "none"

    @property
    def relit(self) -> bool:
        """Whether the model has anything to do."""
        lights = self.light is not None or self.light_source != "none" or self.has_map
        exposed = self.exposure is not None or self.exposure_compensation is not None
        return self.on_canvas or lights or exposed or bool(self.prompt.strip())

    def light_of(self, **pictures: Any) -> RelightRequest:
        """The relight within the edit: what was asked of the light and the sampling.

        Args:
            pictures: the relight's own pictures and its ``background_mode``; None leaves one out.
        """
        asked = (self.model_fields_set & RelightRequest.model_fields.keys()) - _NOT_OF_THE_LIGHT
        given = {name: value for name, value in pictures.items() if value is not None}
        return RelightRequest(**{**{name: getattr(self, name) for name in asked}, "fit": self.fit, **given})


_NOT_OF_THE_LIGHT = frozenset(
    (
        *("background_image", "background_mode", "background_colour", "background_flip"),
        *("output_format", "matte", "subject_image"),
    )
)
"""What an edit says by the names of a relight, and does itself."""
_NEED = {
    "outline_colour": ("outline_width", "outline_blur"),
    "shadow": ("shadow_direction", "shadow_spread", "shadow_softness", "shadow_intensity", "shadow_pose"),
    "background_blur": ("background_blur_radius",),
    "background_image": ("background_scaling",),
}
"""Parameters, and those that change nothing without them."""
_CURES = {
    "outline_colour": "--outline-colour '#ffffff'",
    "shadow": "--shadow auto",
    "background_blur": "--background-blur gaussian",
    "background_image": "--background-image FILE",
}


def check_edit(request: EditRequest) -> None:
    """Refuse what contradicts itself in an edit.

    Raises:
        InvalidRequest: one sentence with the way out.
    """
    sized = request.output_size not in ("original", "subject")
    if sized and (request.max_width is not None or request.max_height is not None):
        raise InvalidRequest(
            f"output_size {request.output_size} says the size of the result, and so do max_width and max_height: "
            "leave one of them out."
        )
    if request.contact_shadow:
        raise InvalidRequest(
            "contact_shadow keeps a shadow in its old place, and an edit moves the subject: use shadow soft instead."
        )
    if request.behind == "generate" and not request.prompt.strip():
        raise InvalidRequest("background_mode generate needs a prompt that says the scene: add --prompt TEXT.")
    if request.background_image is not None and request.behind != "image":
        raise InvalidRequest(
            f"A background picture was given, and background_mode {request.behind} puts something else behind the "
            "subject: leave one of them out."
        )
    if request.behind == "colour" and request.background_colour == "transparent":
        raise InvalidRequest("background_mode colour needs a colour: add --background-colour '#ffffff'.")
    for owner, names in _NEED.items():
        if getattr(request, owner) in (None, "none"):
            idle = next((name for name in names if name in request.model_fields_set), None)
            if idle is not None and getattr(request, idle) is not None:
                raise InvalidRequest(
                    f"{idle} changes nothing without {owner}, which was not given: add {_CURES[owner]}."
                )
