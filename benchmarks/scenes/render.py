"""A scene: a subject that can be lit again and again, in linear light."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from benchmarks.scenes.geometry import Surface, rasterise
from benchmarks.scenes.lights import Lights
from benchmarks.scenes.materials import Appearance, paint
from benchmarks.scenes.primitives import Array
from benchmarks.scenes.shading import Shader
from benchmarks.scenes.subjects import draw_subject


@dataclass(frozen=True)
class Scene:
    """A subject's surface and looks, without light.

    Attributes:
        surface: smooth geometry; ``surface.matte`` ``[H, W]`` 0..1.
        appearance: albedo, roughness, metal.
        normal: ``[H, W, 3]`` unit normals with relief (x right, y up, z to the viewer), zero outside the matte.
        words: what the subject is called in prompts.
        stands: whether it stands on a floor (False: it is cut by the lower edge, as portraits are).
    """

    surface: Surface
    appearance: Appearance
    normal: Array
    words: str = "an object"
    stands: bool = True
    split: str = field(default="train", compare=False)

    @property
    def matte(self) -> Array:
        """``[H, W]`` coverage 0..1."""
        return self.surface.matte

    @property
    def albedo(self) -> Array:
        """``[H, W, 3]`` linear 0..1, zero outside the matte."""
        return self.appearance.albedo

    @property
    def size(self) -> int:
        """Side of the frame in pixels."""
        return self.surface.size

    @cached_property
    def _shader(self) -> Shader:
        return Shader(self.surface, self.appearance, self.normal)

    def light_stack(self, lights: Lights) -> Array:
        """One linear radiance picture per light, ``[L, H, W, 3]``, zero outside the matte; not multiplied by it."""
        stack = np.zeros((len(lights), self.size, self.size, 3), np.float32)
        for picture, light in zip(stack, lights, strict=True):
            picture[self.surface.window] = self._shader.lit(light)
        return stack

    def relight(self, lights: Lights) -> Array:
        """Linear radiance ``[H, W, 3]`` under all lights: the sum of the stack, so it is linear in the lights."""
        total = np.zeros((self.size, self.size, 3), np.float32)
        for light in lights:
            total[self.surface.window] += self._shader.lit(light)
        return total


def draw_scene(rng: np.random.Generator, size: int, split: str = "train") -> Scene:
    """A random subject with random materials, ``size`` x ``size`` pixels."""
    subject = draw_subject(rng)
    surface = rasterise(subject.parts, size)
    appearance, normal = paint(surface, subject.materials, rng, split)
    return Scene(surface, appearance, normal, subject.words, subject.stands, split)


def over(front: Array, matte: Array, behind: Array) -> Array:
    """Composite linear pictures ``[H, W, 3]``: ``matte`` ``[H, W]`` of ``front``, the rest ``behind``."""
    return np.asarray(behind + (front - behind) * matte[..., None])
