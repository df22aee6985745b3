"""Fetching weights from a server on this machine that goes wrong in every way that servers and lines do."""

from __future__ import annotations

import hashlib
import logging
import resource
import shutil
import socket
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import huggingface_hub.constants
import huggingface_hub.file_download
import numpy as np
import pytest
from huggingface_hub.utils import disable_progress_bars, enable_progress_bars

from iclight_local.errors import EngineError, ICLightError, InvalidRequest, WeightsError
from iclight_local.store import hub as hub_module
from iclight_local.store.hub import CHUNK, at_endpoint
from iclight_local.store.manifest import load_manifest
from iclight_local.store.pull import Destination, Pulled, Transfer, pull
from tests.store.hub_server import HubServer, Trouble
from tests.store.small_manifest import Made, write_manifest

SIZE = 3 * CHUNK + 1234
LIGHT = "iclight_sd15_fc.safetensors"
CUTS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 7, 2 * CHUNK + CHUNK // 2, SIZE - 1]


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


@pytest.fixture(scope="module", autouse=True)
def client() -> Iterator[None]:
    """One client for all tests, because making one takes long, and one that reaches nothing but this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
        patch.setenv("NO_PROXY", "127.0.0.1")
        huggingface_hub.close_session()
        disable_progress_bars()
        yield
        enable_progress_bars()
        huggingface_hub.close_session()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 10 * CHUNK)
    monkeypatch.setattr(huggingface_hub.file_download, "time", SimpleNamespace(sleep=lambda seconds: None))
    with HubServer() as server, HubServer() as mirror:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        yield Shop(server, mirror, tmp_path / "home")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(hub_module, "time", SimpleNamespace(sleep=waited.append))
    return waited


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


class TestMirrors:
    @pytest.mark.parametrize("status", [404, 410, 500, 503, 401, 403])
    @pytest.mark.parametrize("method", ["", "GET"])
    def test_a_maker_that_does_not_give_it(
        self, shop: Shop, status: int, method: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "iclight_local")
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(status=status, method=method))
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        pulled = shop.pull(offsets(f"{shop.mirror.url}/copy/"))
        assert pulled[0].source == f"{shop.mirror.url}/copy/{LIGHT}"
        assert shop.light.read_bytes() == DATA
        assert f"{LIGHT}: {shop.server.url[7:]} answered {status}, trying {shop.mirror.url[7:]}." in caplog.messages

    def test_the_mirror_goes_on_where_the_maker_stopped(self, shop: Shop) -> None:
        shop.publish(offsets())
        shop.server.trouble(
            LIGHT, Trouble(cut_after=2 * CHUNK, method="GET", times=1), Trouble(status=500, method="GET")
        )
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        shop.pull(offsets(f"{shop.mirror.url}/copy/"))
        assert shop.mirror.bodies() == [SIZE - 2 * CHUNK]

    def test_a_release_that_cannot_be_reached(self, shop: Shop) -> None:
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        assert (
            shop.pull(offsets(f"{shop.mirror.url}/copy/", github=True))[0].source == f"{shop.mirror.url}/copy/{LIGHT}"
        )

    def test_a_server_that_sends_on_to_another(self, shop: Shop) -> None:
        """As that of releases does, which tells neither size nor hash by itself."""
        with HubServer() as cdn:
            shop.mirror.cdn = cdn
            shop.mirror.mirror(f"copy/{LIGHT}", DATA)
            shop.pull(offsets(f"{shop.mirror.url}/copy/", github=True))
            assert cdn.bodies() == [SIZE]
        assert shop.light.read_bytes() == DATA

    def test_a_mirror_that_does_not_know_head(self, shop: Shop) -> None:
        shop.mirror.heads = False
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        shop.pull(offsets(f"{shop.mirror.url}/copy/"))
        assert shop.light.read_bytes() == DATA

    def test_a_mirror_of_another_size_is_passed_over(self, shop: Shop) -> None:
        shop.mirror.mirror(f"copy/{LIGHT}", DATA[:-1])
        sentence = refused(shop, offsets(f"{shop.mirror.url}/copy/"))
        assert f"{shop.mirror.url[7:]} has {SIZE - 1:,} bytes, and {SIZE:,} are needed" in sentence
        assert shop.mirror.bodies() == []

    def test_all_fail(self, shop: Shop) -> None:
        nobody = f"http://127.0.0.1:{closed_port()}/"
        shop.server.trouble(LIGHT, Trouble(status=500))
        sentence = refused(shop, offsets(nobody, f"{shop.mirror.url}/copy/"))
        assert sentence.startswith(f"{LIGHT} of light could not be fetched ({shop.server.url[7:]} answered 500; ")
        assert f"{nobody[7:-1]} could not be reached (" in sentence
        assert f"{shop.mirror.url[7:]} answered 404): run the same command again later" in sentence

    def test_one_missing_file_is_found_out_before_another_is_fetched(self, shop: Shop) -> None:
        shop.publish(offsets())
        refused(shop, offsets(), Made("gone", "lora", {"gone.safetensors": b"gone"}))
        assert shop.server.bodies() == []

    def test_no_answer_in_time(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_ETAG_TIMEOUT", 0.2)
        shop.server.trouble(LIGHT, Trouble(wait=1))
        assert "did not answer in time" in refused(shop, offsets())

    def test_a_body_that_stops_coming(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(slow=1, method="GET"))
        assert "did not answer in time" in refused(shop, offsets())

    @pytest.mark.parametrize("status", [401, 403])
    def test_denied(self, shop: Shop, status: int) -> None:
        shop.server.trouble(LIGHT, Trouble(status=status))
        sentence = refused(shop, offsets())
        assert f"answered {status}): accept the licence on {shop.server.url}/maker/light" in sentence
        assert "set HF_TOKEN" in sentence

    def test_the_token_is_for_the_hub_alone(self, shop: Shop) -> None:
        with HubServer() as cdn:
            shop.server.cdn = cdn
            shop.publish(offsets())
            shop.pull(offsets())
            assert {seen.headers.get("authorization") for seen in shop.server.seen} == {"Bearer hf_secret"}
            assert {seen.headers.get("authorization") for seen in cdn.seen} == {None}
            assert cdn.bodies() == [SIZE]
        shop.light.unlink()
        shop.server.trouble(LIGHT, Trouble(status=404))
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        shop.pull(offsets(f"{shop.mirror.url}/copy/"))
        assert {seen.headers.get("authorization") for seen in shop.mirror.seen} == {None}

    def test_an_endpoint_of_ones_own_stands_for_the_hub(self, shop: Shop) -> None:
        assert at_endpoint("https://huggingface.co/a/b/resolve/main/c") == f"{shop.server.url}/a/b/resolve/main/c"
        assert at_endpoint("https://github.com/a") == "https://github.com/a"


class TestAskedToWait:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"Retry-After": "7"}, 7),
            ({"RateLimit": '"resolvers";r=0;t=42'}, 42),
            ({}, hub_module.PAUSE_S),
            ({"Retry-After": "soon"}, hub_module.PAUSE_S),
            ({"Retry-After": formatdate(0, usegmt=True)}, 0),
        ],
    )
    def test_it_is_waited(self, shop: Shop, pauses: list[float], headers: dict[str, str], seconds: int) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(status=429, headers=headers, times=2))
        shop.pull(offsets())
        assert pauses == [seconds, seconds]
        assert shop.light.read_bytes() == DATA

    def test_for_too_long(self, shop: Shop, pauses: list[float]) -> None:
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "86400"}))
        assert "asks to wait for 86400 s" in refused(shop, offsets())
        assert pauses == []

    def test_again_and_again(self, shop: Shop, pauses: list[float]) -> None:
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "1"}))
        assert "answered 429" in refused(shop, offsets())
        assert pauses == [1] * (hub_module.TRIES - 1)


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
