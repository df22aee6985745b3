"""Fetching weights from servers that have them not, deny them, ask to wait or say nothing."""

from __future__ import annotations

import logging
from dataclasses import replace
from email.utils import formatdate
from types import SimpleNamespace

import huggingface_hub.constants
import huggingface_hub.utils._http
import pytest

from iclight_local.store import hub as hub_module
from iclight_local.store.hub import CHUNK, at_endpoint
from tests.store.hub_server import HubServer, Trouble
from tests.store.shop import DATA, LIGHT, SIZE, Shop, closed_port, offsets, refused
from tests.store.small_manifest import Made


def _never(seconds: float) -> None:
    raise AssertionError(f"the library itself waits for {seconds} s")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr(hub_module, "time", SimpleNamespace(sleep=waited.append))
    monkeypatch.setattr(huggingface_hub.utils._http, "time", SimpleNamespace(sleep=_never))
    return waited


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
            ({"Retry-After": "9" * 5000}, hub_module.PAUSE_S),
            ({"RateLimit": "x;t=" + "9" * 5000}, hub_module.PAUSE_S),
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

    @pytest.mark.parametrize("status", [408, 429])
    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_each_time_as_asked(self, shop: Shop, pauses: list[float], method: str, status: int) -> None:
        shop.publish(offsets())
        troubles = [Trouble(status=status, headers={"Retry-After": after}, method=method, times=1) for after in "37"]
        shop.server.trouble(LIGHT, *troubles)
        shop.pull(offsets())
        assert pauses == [3, 7]
        assert shop.light.read_bytes() == DATA

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_for_too_long(self, shop: Shop, pauses: list[float], method: str) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "86400"}, method=method))
        sentence = refused(shop, offsets())
        assert "asks to wait for 86400 s, and 600 s are the most for one file): run the same command again" in sentence
        assert pauses == []

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_for_too_long_in_all(self, shop: Shop, pauses: list[float], method: str) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "250"}, method=method))
        assert "asks to wait for 250 s after 500 s of waiting, and 600 s are the most" in refused(shop, offsets())
        assert pauses == [250, 250]

    @pytest.mark.parametrize("method", ["HEAD", "GET"])
    def test_again_and_again(self, shop: Shop, pauses: list[float], method: str) -> None:
        shop.publish(offsets())
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "1"}, method=method))
        assert f"answered 429 {hub_module.TRIES} times, 3 s apart in all" in refused(shop, offsets())
        assert pauses == [1] * (hub_module.TRIES - 1)
        asked = [seen for seen in shop.server.seen if seen.method == method and seen.status == 429]
        assert len(asked) == hub_module.TRIES

    def test_in_the_middle_of_a_file(self, shop: Shop, pauses: list[float]) -> None:
        """What has come is kept, the tries are counted over the breaks of the line, and the next pull goes on."""
        shop.publish(offsets())
        later = Trouble(status=429, headers={"Retry-After": "1"}, method="GET", times=2)
        cut = Trouble(cut_after=CHUNK, method="GET", times=1)
        shop.server.trouble(LIGHT, cut, later, replace(cut), replace(later, times=9))
        assert "answered 429 4 times" in refused(shop, offsets())
        assert pauses == [1, 1, 1]
        assert [part.read_bytes() for part in shop.parts] == [DATA[: 2 * CHUNK]]
        shop.server.troubles.clear()
        shop.pull(offsets())
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies() == [CHUNK, CHUNK, SIZE - 2 * CHUNK]

    def test_a_mirror_is_waited_for_anew(self, shop: Shop, pauses: list[float]) -> None:
        shop.publish(offsets())
        shop.mirror.mirror(f"copy/{LIGHT}", DATA)
        shop.server.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "1"}, method="GET"))
        shop.mirror.trouble(LIGHT, Trouble(status=429, headers={"Retry-After": "2"}, method="GET", times=3))
        assert shop.pull(offsets(f"{shop.mirror.url}/copy/"))[0].source == f"{shop.mirror.url}/copy/{LIGHT}"
        assert pauses == [1, 1, 1, 2, 2, 2]
