"""Which entries are meant by the names that a user gives, and where they belong."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.segmenters.rembg_session import looked_in
from iclight_local.store.bundles import offsets_path
from iclight_local.store.entries import Entry
from iclight_local.store.manifest import load_manifest
from iclight_local.store.places import file_places, place
from iclight_local.store.selection import select
from tests.store.small_manifest import Made, write_manifest


def names(entries: list[Entry]) -> list[str]:
    return [entry.name for entry in entries]


USUAL = ["realistic-vision-v51", "iclight-fc", "iclight-fbc"]


def test_the_usual_ones() -> None:
    """What makes the default bundle whole, and what cuts subjects out; fcon only where it is named."""
    manifest = load_manifest()
    assert names(select(manifest, [])) == [*USUAL, "birefnet-general-lite"]
    assert names(select(manifest, ["sd15"])) == USUAL
    assert names(select(manifest, ["iclight-fcon", "sd15", "iclight-fc"])) == ["iclight-fcon", *USUAL]


def test_for_commercial_use_the_bundle_stands_on_the_first_base_that_may(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "iclight_local")
    found = select(load_manifest(), [], commercial=True)
    assert names(found) == ["stable-diffusion-v1-5", "iclight-fc", "iclight-fbc", "birefnet-general-lite"]
    assert caplog.messages == [
        "The base is stable-diffusion-v1-5: realistic-vision-v51 is not known to be free for commercial use."
    ]


@pytest.mark.parametrize("name", ["realistic-vision-v51", "bria-rmbg", "silueta"])
def test_what_is_named_is_refused_for_commercial_use(name: str) -> None:
    with pytest.raises(WeightsError, match=name):
        select(load_manifest(), ["iclight-fc", name], commercial=True)
    assert names(select(load_manifest(), [name])) == [name]


def test_no_base_may_be_used_commercially(tmp_path: Path) -> None:
    base, light = (
        Made("plain", "base", {"a": b"a"}, commercial="no"),
        Made("light", "offsets", {"iclight_sd15_fc.safetensors": b"b"}),
    )
    with pytest.raises(WeightsError, match="No base of sd15 may be used commercially"):
        select(load_manifest(write_manifest(tmp_path / "manifest.toml", base, light)), [], commercial=True)


@pytest.mark.parametrize("name", ["sd16", "", "iclight", "ICLIGHT-FC"])
def test_no_such_name(name: str) -> None:
    manifest = load_manifest()
    with pytest.raises(InvalidRequest) as caught:
        select(manifest, [name])
    assert str(caught.value).startswith(f"There are no published weights {name!r}: ")
    assert str(caught.value).endswith(f"nown are sd15, {', '.join(manifest.entries)}.")


def test_every_entry_has_its_place(tmp_path: Path) -> None:
    """And it is the one that the rest of the package looks at."""
    for entry in load_manifest().entries.values():
        folder = place(entry, tmp_path, "mine")
        for file in entry.files:
            assert file_places(entry, file, tmp_path, "mine")[0] == folder / file.saved_as
        if entry.kind == "segmenter" and entry.files:
            assert file_places(entry, entry.files[0], tmp_path) == looked_in(entry.name)
        if entry.kind == "base":
            assert folder == tmp_path / "weights" / "mine" / "base"
    fbc = load_manifest().entry("iclight-fbc")
    assert file_places(fbc, fbc.files[0], tmp_path) == [offsets_path(tmp_path / "weights" / "sd15", "fbc")]
