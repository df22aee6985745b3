"""A hub, a mirror and a home for tests of fetching, with what goes over the line."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from iclight_local.errors import EngineError, ICLightError
from iclight_local.store.hub import CHUNK
from iclight_local.store.manifest import load_manifest
from iclight_local.store.pull import Destination, Pulled, pull
from tests.store.hub_server import HubServer
from tests.store.small_manifest import Made, write_manifest

SIZE = 3 * CHUNK + 1234
LIGHT = "iclight_sd15_fc.safetensors"


def contents(size: int = SIZE, seed: int = 0) -> bytes:
    """Bytes of which no two stretches are the same."""
    return np.random.default_rng(seed).bytes(size)


DATA, WRONG = contents(), contents(seed=1)


class Shop(NamedTuple):
    """Two servers, and a home to fetch to."""

    server: HubServer
    mirror: HubServer
    home: Path

    def publish(self, *entries: Made) -> None:
        """Have the hub offer what entries consist of."""
        for entry in entries:
            for path, data in entry.files.items():
                self.server.put(entry.repository, path, data)

    def pull(self, *entries: Made, bundle: str = "sd15", overwrite: bool = False) -> list[Pulled]:
        """Fetch all entries."""
        manifest = load_manifest(write_manifest(self.home.parent / "manifest.toml", *entries))
        to = Destination(self.home, bundle, overwrite)
        return pull(list(manifest.entries.values()), to, lambda transfer: None)

    @property
    def light(self) -> Path:
        """Where the offsets belong."""
        return self.home / "weights" / "sd15" / LIGHT

    @property
    def parts(self) -> list[Path]:
        """The parts that are kept."""
        return [path for path in self.home.rglob(".partial/*") if path.name != "lock"]


def closed_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def offsets(*mirrors: str, known: bool = True, github: bool = False) -> Made:
    return Made("light", "offsets", {LIGHT: DATA}, mirrors, known, github)


def refused(shop: Shop, *entries: Made, error: type[ICLightError] = EngineError) -> str:
    """The sentence with which a pull is refused, after which nothing has a final name that had none."""
    before = {path for path in shop.home.rglob("*") if path.is_file() and ".partial" not in path.parts}
    with pytest.raises(ICLightError) as caught:
        shop.pull(*entries)
    assert type(caught.value) is error, caught.value
    after = {path for path in shop.home.rglob("*") if path.is_file() and ".partial" not in path.parts}
    assert {path for path in after - before if path.name != "hashes.json"} == set()
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence
