"""Fetching weights: where they go, and what becomes of them when lines break, hashes are wrong and disks are full."""

from __future__ import annotations

import hashlib
import resource
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from iclight_local.errors import EngineError, InvalidRequest, WeightsError
from iclight_local.store.hub import CHUNK
from iclight_local.store.manifest import load_manifest
from iclight_local.store.pull import Destination, Transfer, pull
from tests.store.hub_server import Trouble
from tests.store.shop import DATA, LIGHT, SIZE, WRONG, Shop, offsets, refused
from tests.store.small_manifest import Made

CUTS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 7, 2 * CHUNK + CHUNK // 2, SIZE - 1]


class TestPlaces:
    ALL = (
        Made("plain", "base", {"unet/config.json": b"{}", "unet/model.safetensors": DATA}),
        Made("light", "offsets", {LIGHT: WRONG}),
        Made("fast", "lora", {"fast.safetensors": b"fast"}),
        Made("small", "vae", {"config.json": b"{ }"}),
        Made("u2netp", "segmenter", {"u2netp.onnx": b"onnx"}),
    )

    def test_each_kind_goes_where_it_is_looked_for(
        self, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
        shop.publish(*self.ALL)
        pulled = shop.pull(*self.ALL)
        weights = shop.home / "weights"
        places = {
            weights / "sd15" / "base" / "unet" / "config.json": b"{}",
            weights / "sd15" / "base" / "unet" / "model.safetensors": DATA,
            weights / "sd15" / LIGHT: WRONG,
            weights / "loras" / "fast.safetensors": b"fast",
            weights / "taesd" / "config.json": b"{ }",
            tmp_path / "u2net" / "models" / "u2netp" / "u2netp.onnx": b"onnx",
        }
        assert {file.path: file.path.read_bytes() for file in pulled} == places
        for file in pulled:
            assert (file.size, file.checked) == (len(places[file.path]), True)
            assert file.sha256 == hashlib.sha256(places[file.path]).hexdigest()
            assert str(file.source).startswith(shop.server.url)
        assert shop.parts == []
        asked = len(shop.server.seen)
        assert [file.source for file in shop.pull(*self.ALL)] == [None] * 6
        assert len(shop.server.seen) == asked, "what is there and right is not even asked for"

    def test_another_bundle(self, shop: Shop) -> None:
        shop.publish(self.ALL[0])
        shop.pull(self.ALL[0], bundle="plain")
        assert (shop.home / "weights" / "plain" / "base" / "unet" / "config.json").is_file()

    def test_a_segmenter_where_older_versions_of_rembg_keep_it(
        self, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("U2NET_HOME", str(tmp_path))
        (tmp_path / "u2netp.onnx").write_bytes(b"onnx")
        assert [file.path for file in shop.pull(self.ALL[4])] == [tmp_path / "u2netp.onnx"]
        assert shop.server.seen == []

    def test_a_base_comes_last_and_whole(self, shop: Shop) -> None:
        """A bundle is one that has a base, so that a half one would be taken for the real weights."""
        shop.publish(*self.ALL[:2])
        shop.server.trouble("model.safetensors", Trouble(status=500, method="GET"))
        with pytest.raises(EngineError):
            shop.pull(*self.ALL[:2])
        assert shop.light.read_bytes() == WRONG
        assert not (shop.home / "weights" / "sd15" / "base").exists()

    def test_two_bases(self, shop: Shop) -> None:
        sentence = refused(shop, self.ALL[0], Made("other", "base", {"a": b"a"}), error=InvalidRequest)
        assert sentence.startswith("plain and other are bases, of which a bundle has one")
        assert shop.server.seen == []

    def test_a_bundle_whose_base_is_one_file(self, shop: Shop) -> None:
        single = shop.home / "weights" / "sd15" / "base.safetensors"
        single.parent.mkdir(parents=True)
        single.write_bytes(b"base")
        assert refused(shop, self.ALL[0], error=WeightsError).startswith(f"{single} is the base of sd15 already")

    def test_a_home_that_cannot_be_written(self, shop: Shop) -> None:
        shop.home.write_text("a file")
        assert "cannot be written (Not a directory)" in refused(shop, offsets())


class TestInterrupted:
    @pytest.mark.parametrize("cut", CUTS)
    def test_the_next_pull_fetches_only_the_rest(self, shop: Shop, cut: int) -> None:
        shop.publish(offsets())
        gone = Trouble(status=503, method="GET")
        shop.server.trouble(LIGHT, Trouble(cut_after=cut, method="GET", times=1), gone)
        sentence = refused(shop, offsets())
        assert "answered 503): run the same command again later, and it goes on from here." in sentence
        kept = cut // CHUNK * CHUNK
        assert [part.stat().st_size for part in shop.parts] == [kept]
        shop.server.troubles.clear()
        assert shop.pull(offsets())[0].checked
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies() == [cut, SIZE - kept]
        assert shop.parts == []

    def test_a_line_that_breaks_again_and_again(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, *(Trouble(cut_after=CHUNK + 1, method="GET", times=1) for _ in range(2)))
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies() == [CHUNK + 1, CHUNK + 1, SIZE - 2 * CHUNK]

    def test_a_server_that_gives_no_rests(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.ranges = False
        shop.server.trouble(LIGHT, Trouble(cut_after=2 * CHUNK, method="GET", times=1))
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies() == [2 * CHUNK, SIZE]

    def test_a_whole_part_is_not_fetched_again(self, shop: Shop) -> None:
        base = Made("plain", "base", {"a.safetensors": DATA, "b.safetensors": WRONG})
        shop.publish(base)
        shop.server.trouble("b.safetensors", Trouble(status=503, method="GET"))
        refused(shop, base)
        shop.server.troubles.clear()
        shop.pull(base)
        assert shop.server.bodies("a.safetensors") == [SIZE]

    def test_a_file_that_has_changed_in_between(self, shop: Shop) -> None:
        """Where no hash is known the hub's tag tells one state of a file from another."""
        shop.publish(offsets(known=False))
        shop.server.trouble(
            LIGHT, Trouble(cut_after=CHUNK, method="GET", times=1), Trouble(status=503, method="GET", times=1)
        )
        refused(shop, offsets(known=False))
        shop.server.put("maker/light", LIGHT, WRONG)
        shop.pull(offsets(known=False))
        assert shop.light.read_bytes() == WRONG

    def test_progress_counts_what_is_here(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.trouble(
            LIGHT, Trouble(cut_after=CHUNK, method="GET", times=1), Trouble(status=503, method="GET", times=1)
        )
        refused(shop, offsets())
        seen: list[Transfer] = []
        manifest = load_manifest(shop.home.parent / "manifest.toml")
        pull(list(manifest.entries.values()), Destination(shop.home), seen.append)
        assert [transfer.done for transfer in seen] == [CHUNK, 2 * CHUNK, 3 * CHUNK, SIZE]
        assert {transfer.total for transfer in seen} == {SIZE}


class TestHashes:
    def test_wrong_bytes_are_thrown_away_and_the_mirror_is_asked(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(body=WRONG))
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        assert shop.pull(offsets(f"{shop.mirror.url}/copy/"))[0].source == f"{shop.mirror.url}/copy/{LIGHT}"
        assert shop.light.read_bytes() == DATA
        assert shop.mirror.bodies() == [SIZE]

    def test_wrong_everywhere(self, shop: Shop) -> None:
        shop.server.put("maker/light", LIGHT, WRONG)
        shop.mirror.mirror(f"copy/{LIGHT}", WRONG)
        sentence = refused(shop, offsets(f"{shop.mirror.url}/copy/"))
        assert hashlib.sha256(WRONG).hexdigest() in sentence
        assert hashlib.sha256(DATA).hexdigest() in sentence
        assert shop.parts == []

    def test_a_part_that_came_from_a_wrong_server(self, shop: Shop) -> None:
        shop.server.put("maker/light", LIGHT, WRONG)
        shop.server.trouble(LIGHT, Trouble(cut_after=CHUNK, method="GET", times=1), Trouble(status=500, method="GET"))
        refused(shop, offsets())
        shop.server.troubles.clear()
        shop.publish(offsets())
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies() == [CHUNK, SIZE - CHUNK, SIZE]

    def test_a_part_that_is_too_long(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(cut_after=CHUNK, method="GET", times=1), Trouble(status=500, method="GET"))
        refused(shop, offsets())
        shop.parts[0].write_bytes(DATA + b"more")
        shop.server.troubles.clear()
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA

    def test_an_unknown_hash_is_told_and_the_size_has_to_hold(self, shop: Shop) -> None:
        base = Made("plain", "base", {"a.json": b"{}", "b.safetensors": DATA}, known=False)
        shop.publish(base)
        pulled = shop.pull(base)
        assert [(file.checked, file.size) for file in pulled] == [(False, 2), (False, SIZE)]
        assert pulled[1].sha256 == hashlib.sha256(DATA).hexdigest()
        assert [file.source for file in shop.pull(base)] == [None, None]
        assert shop.server.bodies() == [2, SIZE]

    @pytest.mark.parametrize("body", [WRONG, DATA[:-5], DATA + b"more"], ids=["other", "short", "long"])
    def test_an_unknown_hash_still_has_to_be_the_one_that_the_hub_states(self, shop: Shop, body: bytes) -> None:
        shop.publish(offsets(known=False))
        shop.server.trouble(LIGHT, Trouble(body=body, method="GET"))
        assert "gave a" in refused(shop, offsets(known=False))
        assert not shop.light.exists()

    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("there", [WRONG, DATA[:100]], ids=["other", "short"])
    def test_another_file_in_the_place(self, shop: Shop, known: bool, there: bytes) -> None:
        shop.publish(offsets(known=known))
        shop.light.parent.mkdir(parents=True)
        shop.light.write_bytes(there)
        sentence = refused(shop, offsets(known=known), error=WeightsError)
        assert sentence.startswith(f"{shop.light} is there and is not the {LIGHT} of light (it")
        assert "--overwrite" in sentence
        assert shop.light.read_bytes() == there
        shop.pull(offsets(known=known), overwrite=True)
        assert shop.light.read_bytes() == DATA

    def test_a_file_that_nobody_can_be_asked_about(self, shop: Shop) -> None:
        shop.light.parent.mkdir(parents=True)
        shop.light.write_bytes(DATA)
        pulled = shop.pull(offsets(known=False))
        assert (pulled[0].source, pulled[0].checked) == (None, False)


class TestDisk:
    def test_too_small_for_what_is_missing(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        lora = Made("fast", "lora", {"fast.safetensors": WRONG})
        shop.publish(offsets(), lora)
        free = [2 * SIZE - 1]
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free[0]))
        sentence = refused(shop, offsets(), lora, error=InvalidRequest)
        assert f"{2 * SIZE:,} bytes are to be fetched" in sentence
        assert f"has {2 * SIZE - 1:,} free" in sentence
        assert str(shop.home / "weights") in sentence
        assert shop.server.bodies() == []
        free[0] += 1
        assert len(shop.pull(offsets(), lora)) == 2

    def test_what_is_here_needs_no_room(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(cut_after=CHUNK, method="GET", times=1), Trouble(status=500, method="GET"))
        refused(shop, offsets())
        shop.server.troubles.clear()
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=SIZE - CHUNK))
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA

    @pytest.mark.parametrize("room", [CHUNK + 100, SIZE - 100])
    def test_a_limit_on_files_in_the_middle(self, shop: Shop, room: int) -> None:
        shop.publish(offsets())
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            sentence = refused(shop, offsets())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert sentence.startswith(f"The disk of {shop.light.parent} is full (File too large): make room for ")
        assert [part.read_bytes() for part in shop.parts] == [DATA[:room]]
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies()[-1] == SIZE - room
