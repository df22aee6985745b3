"""The whole request: pictures, light, sampling, finish."""

from __future__ import annotations

from pydantic import Field, model_validator

from iclight_local.errors import InvalidRequest
from iclight_local.request.finish import BackgroundMode, OutputOptions
from iclight_local.request.knobs import Source, check_combination


class RelightRequest(OutputOptions):
    """A picture, the light that is wanted for it, and how the result should be written.

    Raises:
        InvalidRequest: a bad value, or values that contradict each other; one sentence with the cure.
    """

    subject_image: Source = Field(description="The picture whose subject is relit.")
    background_image: Source | None = Field(
        None, description="A picture that lights the subject and stands behind it (model fbc)."
    )
    matte: Source | None = Field(
        None,
        description="Grey picture of the subject's size: white is subject, black is not.",
        json_schema_extra={"default_text": "the picture's own transparency, else segmentation"},
    )
    light_map: Source | None = Field(
        None, description="A painted light in place of light_source: bright where the light comes from."
    )
    light_reference: Source | None = Field(
        None, description="A picture whose large-scale light and colour is taken in place of light_source."
    )

    @model_validator(mode="after")
    def _combination(self) -> RelightRequest:
        check_combination(self, has_background=self.has_background, has_map=self.has_map)
        check_finish(self)
        return self

    @property
    def behind(self) -> BackgroundMode:
        """What stands behind the subject: a background picture that was given, unless another is asked for."""
        if self.background_mode is None and self.background_image is not None and self.fit == "input":
            return "image"
        return super().behind

    @property
    def has_background(self) -> bool:
        """Whether a background picture was given that lights the subject, and does not only stand behind it."""
        only_behind = self.behind == "image" and self.model in ("fc", "fcon")
        return self.background_image is not None and not only_behind

    @property
    def has_map(self) -> bool:
        """Whether the light is a picture."""
        return self.light_map is not None or self.light_reference is not None


def check_finish(request: RelightRequest) -> None:
    """Refuse what contradicts itself in the way a result is finished.

    Raises:
        InvalidRequest: one sentence with the way out.
    """
    if request.behind == "image" and request.background_image is None:
        raise InvalidRequest(
            "background_mode image puts the background picture behind the subject, and none was given: "
            "add --background-image FILE."
        )
    if request.exposure is not None and request.exposure_compensation is not None:
        raise InvalidRequest(
            "exposure says how bright the subject shall be, and exposure_compensation how much brighter than it was: "
            "leave one of them out."
        )
    if request.behind == "transparent" and request.output_format == "jpeg":
        raise InvalidRequest(
            "background_mode transparent needs a format that knows transparency, and jpeg does not: choose png or webp."
        )
