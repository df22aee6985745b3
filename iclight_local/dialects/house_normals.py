"""The house's own spelling of a normal map: the knobs of a relight, less those that its four runs set themselves."""

from __future__ import annotations

from iclight_local.dialects.base import Task
from iclight_local.dialects.house import House


class HouseNormals(House):
    """As :class:`~iclight_local.dialects.house.House` reads and delivers it."""

    name = "house_normals"
    task: Task = "normals"


DIALECT = HouseNormals()
