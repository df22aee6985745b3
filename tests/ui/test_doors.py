"""What a browser may ask of the page, and what it may not: another's pictures, files of the machine, other hosts."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.live import Live, Reply, png
from tests.ui.at_page import AtPage, page_served, painted, picture

GONE = "A picture is no longer here: drop it again."


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("doors")


@pytest.fixture(scope="module")
def served(home: Path) -> Iterator[Live]:
    with page_served(home / "jobs") as live:
        yield live


@pytest.fixture
def ann(served: Live) -> AtPage:
    return AtPage(served)


@pytest.fixture
def bob(served: Live) -> AtPage:
    return AtPage(served)


def kept(home: Path) -> list[str]:
    return [path.read_text(errors="replace") for path in (home / "jobs" / "page").rglob("*") if path.is_file()]


def refused(answer: Reply) -> bool:
    """Whether a press of a button ended with the sentence for a picture that is not there."""
    assert answer.status == 200
    (told, *rest) = answer.json["data"]
    return told == {"error": GONE} if not rest else rest[1]["value"] == GONE


@pytest.mark.parametrize("button", ["Show the cut-out", "Relight", "Relight them all", "Estimate the normals"])
def test_no_file_of_the_machine_is_read(button: str, ann: AtPage, home: Path) -> None:
    secret = home / "secret.txt"
    secret.write_text("a secret of this machine")
    for path in (str(secret), f"{home}/jobs/page/../../secret.txt", "/etc/passwd", str(home / "jobs" / "jobs.sqlite")):
        answer = ann.call(*ann.pressed(button, {"Picture": picture(path)}))
        assert refused(answer)
        assert ann.get(f"/gradio_api/file={path}").status == 404
    assert not any("secret of this" in text or "root:" in text for text in kept(home))


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/healthz", "https://example.org/a.png", "//example.org/a"])
def test_no_address_is_fetched_by_gradio(url: str, ann: AtPage, served: Live, home: Path) -> None:
    url = url.format(port=served.port)
    answer = ann.call(*ann.pressed("Relight", {"Picture": picture(url)}))
    assert refused(answer)
    assert ann.get(f"/gradio_api/file={url}").status == 404
    assert ann.get(f"/gradio_api/proxy={url}").status == 404
    assert "ok\n" not in kept(home)


def test_a_picture_is_its_owners_alone(ann: AtPage, bob: AtPage) -> None:
    path = ann.upload(png())
    assert ann.get(f"/gradio_api/file={path}").data == png()
    assert bob.get(f"/gradio_api/file={path}").status == 404
    assert refused(bob.call(*bob.pressed("Relight", {"Picture": picture(path)})))
    own = {"Picture": picture(bob.upload(png()))}
    layered = {**own, "Light map": painted(path), "The light comes from": "a painted map"}
    assert refused(bob.call(*bob.pressed("Relight", layered)))
    # Nor is what is no path at all.
    assert refused(bob.call(*bob.pressed("Relight", {**own, "background": {**picture(path), "path": [path]}})))


def test_a_cut_out_is_its_owners_alone(ann: AtPage, bob: AtPage) -> None:
    own = bob.upload(png())
    _, cut, _ = ann.press("Show the cut-out", {"Picture": picture(ann.upload(png()))})
    number, data = bob.pressed("Relight", {"Picture": picture(own)})
    told = bob.call(number, [{**cut, "subject": own} if value == {} else value for value in data])
    assert told.json["data"] == [{"error": "The cut-out is no longer here: show it again."}]


def test_uploads_lie_where_no_other_user_reads_and_are_removed_at_the_end(tmp_path: Path) -> None:
    with page_served(tmp_path / "jobs") as live:
        path = Path(AtPage(live).upload(png()))
        assert path.is_relative_to(tmp_path / "jobs" / "page") and path.read_bytes() == png()
        for folder in (path.parent, path.parents[1], path.parents[2]):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (tmp_path / "jobs" / "page").exists()


@pytest.mark.parametrize(
    ("name", "data"),
    [("x.html", b"<script>alert(1)</script>"), ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>")],
)
def test_what_is_no_picture_is_not_handed_out_as_something_to_run(name: str, data: bytes, ann: AtPage) -> None:
    answer = ann.get(f"/gradio_api/file={ann.upload(data)}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/openapi.json"),
        ("GET", "/gradio_api/deep_link?session_hash=a"),
        ("GET", "/gradio_api/queue/data?session_hash=a"),
        ("GET", "/gradio_api/heartbeat/a"),
        ("GET", "/gradio_api/runs"),
        ("GET", "/gradio_api/run-history/buckets"),
        ("GET", "/gradio_api/custom_component/a/client/b/c"),
        ("GET", "/gradio_api/stream/a/b/1/playlist-file"),
        ("GET", "/monitoring"),
        ("GET", "/monitoring/summary"),
        ("POST", "/gradio_api/queue/join"),
        ("POST", "/gradio_api/call/relight"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/vibe-edit"),
        ("POST", "/gradio_api/run-history/connect"),
        ("POST", "/gradio_api/cancel"),
        ("POST", "/"),
        ("DELETE", "/gradio_api/upload"),
        ("GET", "/static/../../../../routes.py"),
        ("GET", "/assets/%2e%2e/%2e%2e/%2e%2e/routes.py"),
    ],
)
def test_what_the_page_does_not_need_is_shut(method: str, path: str, ann: AtPage, served: Live) -> None:
    answer = served.call(method, f"/ui{path}", b"{}" if method == "POST" else None, ann.headers)
    assert answer.status in (403, 404)
    assert b"import" not in answer.data


def test_no_connection_is_held_open(ann: AtPage) -> None:
    """A browser that shows the page shall not hold the server's end up."""
    assert ann.config["connect_heartbeat"] is False
    assert all(each["queue"] is False for each in ann.config["dependencies"] if each["backend_fn"])
    began = time.monotonic()
    assert ann.get("/gradio_api/upload_progress?upload_id=a").data == b'data: {"msg": "done"}\n\n'
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "body",
    [
        {"fn_index": 999, "data": []},
        {"fn_index": True, "data": []},
        {"fn_index": "8", "data": []},
        {"fn_index": None, "data": [], "session_hash": "a"},
        {"fn_index": 3, "data": []},
        {"data": []},
        {"fn_index": 8, "data": {}},
        {"fn_index": 8},
    ],
)
def test_only_functions_of_the_page_are_called(body: Any, ann: AtPage, served: Live) -> None:
    answer = served.json("/ui/gradio_api/run/predict", body, ann.headers)
    # Gradio's scripts know it, and load the page again.
    assert (answer.status, answer.json) == (401, {"error": "Connection errored out. "})


def test_what_is_no_call_gets_a_sentence(ann: AtPage, served: Live) -> None:
    for body, told in ((b"[]", "The body must be a JSON object"), (b"{", "The body is no valid JSON")):
        kind = {**ann.headers, "content-type": "application/json"}
        answer = served.call("POST", "/ui/gradio_api/run/predict", body, kind)
        assert (answer.status, answer.json) == (400, {"error": told})
    answer = served.form("/ui/gradio_api/upload", {"other": b"x"}, ann.headers)
    assert (answer.status, answer.json) == (400, {"error": "The form has no file of the name files."})


def test_no_session_is_kept(ann: AtPage, served: Live) -> None:
    number, data = ann.pressed("Relight", {})
    body = {"fn_index": number, "data": data, "session_hash": "mine", "event_id": "mine"}
    assert served.json("/ui/gradio_api/run/predict", body, ann.headers).status == 200
    assert "mine" not in sessions()


def sessions() -> set[str]:
    """What Gradio keeps of every page that stands in this process."""
    import gc

    from gradio.state_holder import StateHolder

    return {name for each in gc.get_objects() if isinstance(each, StateHolder) for name in each.session_data}


def test_a_body_that_is_too_large_is_refused(ann: AtPage, served: Live) -> None:
    answer = served.form("/ui/gradio_api/upload", {"files": os.urandom(2 << 20)}, ann.headers)
    assert (answer.status, answer.json) == (413, {"error": "The body is larger than this server takes."})


def test_the_page_speaks_of_itself_as_a_proxy_calls_it(tmp_path: Path) -> None:
    with page_served(tmp_path / "jobs", public_url="https://relight.example.org") as live:
        answer = live.get("/ui/", {"host": "relight.example.org"})
        assert b'"root":"https://relight.example.org/ui"' in answer.data
        assert "Secure" in answer.headers["set-cookie"]
        assert f'"root":"{live.url}/ui"'.encode() in live.get("/ui/").data
