"""What leaves this machine, what is noted of it, and what nobody ever gets to see: the key."""

from __future__ import annotations

import io
import json
import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from iclight_local.accounts import find_account
from iclight_local.assemble import open_engine
from iclight_local.cli import main
from iclight_local.dialects import find_senders
from iclight_local.engines.fallback import FallbackEngine
from iclight_local.engines.remote import RemoteEngine
from iclight_local.errors import EngineError, ICLightError, InvalidRequest, Unsupported
from iclight_local.imaging.files import decode
from iclight_local.providers import list_providers
from iclight_local.providers.base import Account, Secret
from iclight_local.request import RelightRequest
from tests.providers.hostile_provider import PNG, Script, hostile
from tests.providers.hosting import KEY, remote

EVERYBODY = list_providers()


@pytest.fixture
def provider() -> Iterator[Script]:
    with hostile() as found:
        yield found


def photograph() -> bytes:
    """A turned JPEG with everything a camera writes into it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "Jane Doe"
    exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 8.0, 0.0)}
    buffer = io.BytesIO()
    Image.open(io.BytesIO(PNG)).save(buffer, "JPEG", exif=exif, comment=b"taken at home")
    return buffer.getvalue()


class TestWhatLeaves:
    def test_the_pixels_alone(self, provider: Script, tmp_path: Path) -> None:
        path = tmp_path / "jane-at-home.jpg"
        path.write_bytes(photograph())
        remote("photoroom", provider.url, tmp_path).relight(RelightRequest(subject_image=path))
        ((_, headers, body),) = provider.seen
        assert headers["x-api-key"] == KEY and headers["user-agent"].startswith("iclight-local/")
        start = body.index(b"\x89PNG")
        sent = body[start : body.index(b"IEND", start) + 8]
        assert not any(word in body for word in (b"jane", b"Jane", b"home", b"Exif", b"eXIf", b"tEXt", b"GPS"))
        assert {sent[at - 4 : at] for at in (sent.index(b"IHDR") + 4, sent.index(b"IDAT") + 4)} == {b"IHDR", b"IDAT"}
        shown = decode(path)
        assert shown.size == (32, 48)
        assert (np.asarray(Image.open(io.BytesIO(sent))) == shown.rgb).all()

    def test_a_line_of_the_log_is_there_before_the_picture(self, provider: Script, tmp_path: Path) -> None:
        log = tmp_path / "audit.jsonl"
        seen: list[list[dict[str, Any]]] = []
        engine = remote("photoroom", provider.url, tmp_path)
        note = provider.seen.append
        provider.seen = _Watched(lambda call: (seen.append(lines(log)), note(call)))
        result = engine.relight(RelightRequest(subject_image=PNG))
        ((line,),) = seen
        assert line | {"time": "", "id": ""} == {
            "time": "", "event": "sending", "id": "", "provider": "photoroom", "as": "file",
            "bytes": result.record["sent"]["bytes"], "sha256": result.record["sent"]["sha256"],
            "width": 48, "height": 32,
        }  # fmt: skip
        assert [each["event"] for each in lines(log)] == ["sending", "done"]
        assert {each["id"] for each in lines(log)} == {result.record["sent"]["id"]}
        assert stat.S_IMODE(log.stat().st_mode) == 0o600

    def test_nothing_where_the_log_cannot_be_written(self, provider: Script, tmp_path: Path) -> None:
        (tmp_path / "audit.jsonl").mkdir()
        with pytest.raises(EngineError, match="so nothing is sent"):
            remote("photoroom", provider.url, tmp_path).relight(RelightRequest(subject_image=PNG))
        assert provider.paid_calls == 0

    @pytest.mark.parametrize("name", EVERYBODY)
    def test_nothing_where_a_knob_cannot_be_honoured(self, name: str, provider: Script, tmp_path: Path) -> None:
        engine = remote(name, provider.url, tmp_path)
        picture = PNG if engine.sender.uploads else f"{provider.url}/result.png"
        knobs = {"prompt": "cat"} if name == "segmind-ic-light" else {}
        with pytest.raises(Unsupported, match="cannot honour contact_shadow"):
            engine.relight(RelightRequest(subject_image=picture, contact_shadow=True, **knobs))
        assert provider.paid_calls == 0 and not (tmp_path / "audit.jsonl").exists()

    def test_no_normals(self, provider: Script, tmp_path: Path) -> None:
        with pytest.raises(Unsupported, match="no normal maps"):
            remote("photoroom", provider.url, tmp_path).normals(RelightRequest(subject_image=PNG))
        assert provider.seen == []

    def test_nothing_without_a_key(self, provider: Script, tmp_path: Path) -> None:
        account = Account(EVERYBODY["photoroom"], provider.url, None)
        engine = RemoteEngine(account, remote("photoroom", provider.url, tmp_path).options)
        with pytest.raises(Unsupported, match="set PHOTOROOM_API_KEY"):
            engine.relight(RelightRequest(subject_image=PNG))
        assert provider.seen == []


class TestTheKey:
    @pytest.mark.parametrize(
        ("name", "trick"),
        [
            ("photoroom", "echo"),
            ("photoroom", "401"),
            ("segmind-ic-light", "echo_job"),
            ("segmind-ic-light", "echo"),
            ("segmind-ic-light", "echo_escaped"),
        ],
    )
    def test_it_is_told_by_nobody(
        self, name: str, trick: str, provider: Script, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        provider.paid, provider.polls = [trick], ["echo"]
        engine = remote(name, provider.url, tmp_path)
        try:
            result = engine.relight(RelightRequest(subject_image=PNG, prompt="cat" if "ic-light" in name else ""))
            told = [repr(result), json.dumps(dict(result.record)), *result.warnings]
        except ICLightError as error:
            told = [str(error), repr(error), repr(error.__cause__)]
        told += [repr(engine.account), repr(vars(engine)), str(engine.account.key), f"{engine.account.key}"]
        told += [record.getMessage() for record in caplog.records]
        told += [(tmp_path / "audit.jsonl").read_text()]
        assert provider.paid_calls == 1 and provider.seen[0][1]["x-api-key"] == KEY
        assert not [text for text in told if KEY in text or KEY[3:] in text]

    def test_the_command_shows_whether_it_is_there(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        for variable in ("SEGMIND_API_KEY", "PIXELDOJO_API_KEY", "PHOTOROOM_API_KEY"):
            monkeypatch.setenv(variable, KEY)
        monkeypatch.setenv("PHOTOROOM_BASE_URL", "http://127.0.0.1:8188")
        monkeypatch.setenv("PIXELDOJO_BASE_URL", "http://pixeldojo.example.com")
        monkeypatch.setenv("ICLIGHT_PROVIDERS", "photoroom, segmind-ic-light")
        assert main(["providers", "--home", str(tmp_path)]) == 0
        text = capsys.readouterr().out
        assert main(["providers", "--home", str(tmp_path), "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert KEY not in text and KEY not in json.dumps(report)
        table = {each["name"]: each for each in report["providers"]}
        assert table["photoroom"]["host"] == "127.0.0.1:8188" and table["photoroom"]["key"] == "PHOTOROOM_API_KEY"
        assert "begins with http://" in table["pixeldojo"]["problem"]
        assert [name for name, each in table.items() if each["allowed"]] == ["photoroom", "segmind-ic-light"]
        assert report["order"] == ["local", "photoroom", "segmind-ic-light"]
        assert "Now: a picture is relit by local, then by photoroom, then by segmind-ic-light" in text
        assert main(["providers", "--home", str(tmp_path), "--offline"]) == 0
        assert "none leaves it, because offline mode is on" in capsys.readouterr().out

    @pytest.mark.parametrize("key", ["short", "with blank in it", "zeilen\numbruch", "schlüssel-lang-genug"])
    def test_one_that_is_none(self, key: str) -> None:
        with pytest.raises(InvalidRequest, match="The key in SEGMIND_API_KEY is none") as caught:
            find_account(EVERYBODY["segmind-ic-light"], {"SEGMIND_API_KEY": key})
        assert key not in str(caught.value)

    def test_the_keyring_is_asked_where_the_environment_is_silent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        keyring, errors = ModuleType("keyring"), ModuleType("keyring.errors")
        asked: list[tuple[str, str]] = []
        keyring.get_password = lambda *names: asked.append(names) or KEY  # type: ignore[attr-defined]
        keyring.errors, errors.KeyringError = errors, type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "keyring", keyring)
        monkeypatch.setitem(sys.modules, "keyring.errors", errors)
        account = find_account(EVERYBODY["photoroom"], {"PHOTOROOM_API_KEY": "from-the-environment"})
        assert account.key is not None and account.key.reveal() == "from-the-environment" and asked == []
        account = find_account(EVERYBODY["photoroom"], {})
        assert account.key is not None and account.key.reveal() == KEY
        assert asked == [("iclight-local", "PHOTOROOM_API_KEY")] and account.key_from == "the system's keyring"

    def test_no_keyring(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "keyring", None)
        assert find_account(EVERYBODY["photoroom"], {}).key is None


class TestAddresses:
    @pytest.mark.parametrize("url", ["http://127.0.0.1:8188", "http://relight.lan", "http://gpu", "https://a.example"])
    def test_those_that_a_key_may_go_to(self, url: str) -> None:
        found = find_account(EVERYBODY["photoroom"], {"PHOTOROOM_BASE_URL": f"{url}/", "PHOTOROOM_API_KEY": KEY})
        assert found.base_url == url

    @pytest.mark.parametrize(
        "url", ["http://a.example", "http://93.184.216.34", "ftp://gpu", "gpu:80", "https://u:p@a"]
    )
    def test_those_that_it_may_not(self, url: str) -> None:
        with pytest.raises(InvalidRequest, match="PHOTOROOM_BASE_URL"):
            find_account(EVERYBODY["photoroom"], {"PHOTOROOM_BASE_URL": url, "PHOTOROOM_API_KEY": KEY})

    def test_every_provider_has_its_sender(self) -> None:
        for provider in EVERYBODY.values():
            sender = find_senders(provider.dialect)[provider.model]
            assert (sender.dialect, sender.model) == (provider.dialect, provider.model)
            assert provider.base_url.startswith("https://") and find_account(provider, {}).base_url == provider.base_url
        models = {(each.dialect, each.model) for each in EVERYBODY.values()}
        assert len(models) == len(EVERYBODY) == 7


class TestWhoIsAllowed:
    def test_nobody_by_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEGMIND_API_KEY", KEY)
        with pytest.raises(ICLightError, match="There is no bundle"):
            open_engine(home=tmp_path, weights="nowhere")

    def test_those_that_the_settings_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ICLIGHT_PROVIDERS", "segmind-ic-light,photoroom")
        engine = open_engine(home=tmp_path, weights="nowhere")
        assert isinstance(engine, FallbackEngine)
        (tmp_path / "config.toml").write_text('providers = ["photoroom"]\nlocal_first = false\n')
        monkeypatch.delenv("ICLIGHT_PROVIDERS")
        alone = open_engine(home=tmp_path)
        with pytest.raises(Unsupported, match=r"^Photoroom needs a key, and there is none: set PHOTOROOM_API_KEY\.$"):
            alone.relight(RelightRequest(subject_image=PNG))

    def test_nobody_offline(self, tmp_path: Path) -> None:
        names = ("photoroom",)
        with pytest.raises(ICLightError, match="There is no bundle"):
            open_engine(home=tmp_path, weights="nowhere", providers=names, offline=True)
        with pytest.raises(InvalidRequest, match="photoroom was asked for, and offline mode is on"):
            open_engine(home=tmp_path, providers=names, local_first=False, offline=True)
        with pytest.raises(InvalidRequest, match="nobody is left"):
            open_engine(home=tmp_path, local_first=False)

    def test_nobody_who_is_unknown(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match="must be names of providers, with commas between: photoroom"):
            open_engine(home=tmp_path, providers=("segmind",))


class _Watched(list[Any]):
    """A list that tells of what is put into it before it is there."""

    def __init__(self, told: Any) -> None:
        super().__init__()
        self.append = told  # type: ignore[method-assign]


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_secret_is_hidden() -> None:
    secret = Secret(KEY)
    assert KEY not in repr(secret) + str(secret) + f"{secret}" + repr({"key": secret})
    assert not hasattr(secret, "__dict__")
