"""Each copy of a relight is true: it is made, and asks for the same."""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iclight_local.cli.parser import Parser, given
from iclight_local.cli.relight import add_arguments
from iclight_local.dialects.base import Asked, Link
from iclight_local.jobs.base import Job
from iclight_local.request import RelightRequest
from iclight_local.ui.copying import ELSEWHERE, HERE, PICTURE, copies
from tests.fake_engine import FakeEngine
from tests.server.live import Live, png, serving

SEED = 2**63 - 1
KNOBS: dict[str, Any] = {
    "prompt": 'it\'s $HOME; type=x, `dusk` "now" ümlaut',
    "negative_prompt": "-bad",
    "light": "azimuth=-30 elevation=10 #ff8800 softbox 0.5",
    "steps": 12,
    "cfg": 1.75,
    "width": 512,
    "fit": "input",
    "seed": "3",
}
AT_FILE = {"prompt": "@photo.jpg", "negative_prompt": "<photo.jpg"}
EACH_KNOB = [
    KNOBS,
    AT_FILE,
    {"output_format": "webp", "output_quality": 40},
    {"number_of_images": 3},
    {"background_mode": "colour", "background_colour": "#10ff20", "contact_shadow": True},
]


def job(values: Mapping[str, Any], pictures: Mapping[str, bytes | Link]) -> Job:
    return Job("id", "secret", "me", "house", Asked(values, pictures), "done", 0, 1, seeds=(SEED,))


def texts(values: Mapping[str, Any], **pictures: bytes | Link) -> dict[str, str]:
    return dict(copies(job(values, {"subject_image": b"", **pictures}), {"subject": {"name": "subject.png"}}))


def asked_on(words: list[str]) -> RelightRequest:
    parser = Parser(prog="iclight relight")
    add_arguments(parser)
    parsed: argparse.Namespace = parser.parse_args(words)
    return RelightRequest(**given(parsed, RelightRequest))


def same(found: RelightRequest, values: Mapping[str, Any], pictures: Mapping[str, Any]) -> None:
    wanted = RelightRequest(**{**values, "seed": SEED}, **pictures)
    assert found == wanted
    assert found.seed == SEED


@pytest.mark.parametrize("values", EACH_KNOB)
def test_the_command_line_asks_for_the_same(values: dict[str, Any]) -> None:
    words = shlex.split(texts(values, matte=b"")["Command line"])
    assert words[:2] == ["iclight", "relight"]
    same(asked_on(words[2:]), values, {"subject_image": "subject.png", "matte": "matte.png"})
    assert words[-2:] == ["-o", f"relit.{values.get('output_format', 'png')}"]


@pytest.mark.parametrize("values", EACH_KNOB)
def test_python_asks_for_the_same(values: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("subject.png", "matte.png"):
        Path(name).write_bytes(png())
    engine = FakeEngine()
    monkeypatch.setattr("iclight_local.open_engine", lambda: engine, raising=False)
    exec(texts(values, matte=b"")["Python"], {})
    same(engine.requests[0], values, {"subject_image": "subject.png", "matte": "matte.png"})
    made = sorted(path.name for path in tmp_path.glob("relit*"))
    suffix = values.get("output_format", "png")
    count = values.get("number_of_images", 1)
    assert made == ([f"relit-{number}.{suffix}" for number in range(1, 4)] if count == 3 else [f"relit.{suffix}"])
    with Image.open(made[0]) as image:
        assert image.format == suffix.upper()


def test_an_address_stays_one_and_a_strange_name_does_not_reach_a_shell() -> None:
    found = dict(copies(job({}, {"subject_image": Link("https://example.org/a b.png?x='1'")}), {}))
    assert shlex.split(found["Command line"])[2] == "https://example.org/a b.png?x='1'"
    assert "--form-string 'subject_image=https" in found["curl: this server's own API"]
    for name in ("-x.png", "$(touch a).png", "a;type=b.png", "the picture given as bytes", "../up.png/"):
        found = dict(copies(job({}, {"subject_image": b""}), {"subject": {"name": name}}))
        assert shlex.split(found["Command line"])[2] == PICTURE, name


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    def fetch(url: str) -> bytes:
        assert url == ELSEWHERE
        return png()

    with serving(tmp_path_factory.mktemp("copying"), fetch=fetch) as found:
        yield found


def run(text: str, live: Live, folder: Path) -> str:
    """What a shell makes of a text; a refusal is an error."""
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\nnoproxy = *\n")
    done = subprocess.run(
        ["/bin/sh", "-c", text.replace(HERE, live.url)],
        cwd=folder, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    made = "".join(path.read_text(errors="replace")[:300] for path in folder.glob("relit*"))
    assert done.returncode == 0, (text, done.stderr, made)
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("curl", path="/usr/bin:/bin") is None:
        pytest.skip("there is no curl on this machine")
    for name in ("subject.png", "matte.png", PICTURE):
        (tmp_path / name).write_bytes(png((40, 30)))
    return tmp_path


@pytest.mark.parametrize("values", EACH_KNOB)
def test_the_call_of_the_own_api_asks_for_the_same(values: dict[str, Any], live: Live, folder: Path) -> None:
    run(texts(values, matte=b"")["curl: this server's own API"], live, folder)
    data = png((40, 30))
    same(live.engine.requests[-1], values, {"subject_image": data, "matte": data})
    if values.get("number_of_images"):
        assert len(json.loads((folder / "relit.json").read_text())["images"]) == 3
    else:
        suffix = values.get("output_format", "png")
        assert Image.open(folder / f"relit.{suffix}").format == suffix.upper()


HOSTED = [name for name in texts({}) if name.startswith("curl") and "own API" not in name]
PROMPTED = {"prompt": 'it\'s\na "lamp" & more', "light": "left"}


@pytest.mark.parametrize("name", HOSTED)
def test_the_calls_of_hosted_apis_are_taken_here(name: str, live: Live, folder: Path) -> None:
    # Some know no prompt, and some no light but by name.
    done = [text for values in (PROMPTED, {"light": "left"}, {}) if not (text := texts(values)[name]).startswith("# ")]
    out = run(done[0], live, folder)
    made = [path.name for path in folder.glob("relit*")]
    if made:
        assert made == ["relit.png"] and Image.open(folder / "relit.png").size[0] > 0
    else:
        # The API takes it as a job.
        assert json.loads(out)["jobId"]


def test_a_seed_that_nobody_asked_for_is_no_reason_to_refuse() -> None:
    assert "cannot honour seed" in texts({"seed": 3})["curl: Photoroom"]
    assert texts({})["curl: Photoroom"].startswith("curl ")


def test_what_an_api_cannot_do_is_said_in_its_sentence() -> None:
    found = texts({"light": "left"}, matte=b"")
    assert HOSTED and all(found[name].startswith("# ") and "matte" in found[name] for name in HOSTED)


def test_an_uploaded_picture_is_sent_from_its_file(live: Live, folder: Path) -> None:
    """A whole picture stands in no command line, but reaches the API."""
    run(texts(PROMPTED)["curl: Segmind's ic-light"], live, folder)
    asked = live.engine.requests[-1]
    assert isinstance(asked.subject_image, Image.Image) and asked.subject_image.size == (40, 30)
    assert asked.prompt == PROMPTED["prompt"] and asked.seed == SEED
