"""Sources: every spelling a user may give, and one sentence for every failure."""

from __future__ import annotations

import base64
import os
import pickle
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from iclight_local.errors import InvalidRequest
from iclight_local.imaging import sources
from iclight_local.imaging.sources import Fetched, file_path, read_source, scheme_of, url_name
from iclight_local.request import RelightRequest

BODY = b"\x89PNG not decoded here"


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str]]
    hold = threading.Event()

    def do_GET(self) -> None:
        Handler.seen.append((self.path, self.headers["User-Agent"]))
        if self.path.startswith("/hop/"):
            left = int(self.path.rsplit("/", 1)[1])
            return self._redirect(f"/hop/{left - 1}" if left else "/ok")
        if self.path.startswith("/to/"):
            return self._redirect(self.path.removeprefix("/to/"))
        if self.path == "/loop":
            return self._redirect("/loop")
        if self.path == "/missing":
            return self.send_error(404)
        if self.path == "/slow":
            Handler.hold.wait(5)
        self._answer()
        return None

    def _answer(self) -> None:
        body = {"/empty": b"", "/endless": bytes(1 << 18)}.get(self.path, BODY)
        announced = {"/announced": 65 * 2**20, "/short": len(body) + 5}.get(self.path, len(body))
        self.send_response(200)
        if self.path != "/endless":
            self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, target: str) -> None:
        self.send_response(302)
        self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    Handler.seen = []
    Handler.hold.clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    Handler.hold.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


def refusal(source: object, *, offline: bool = False) -> str:
    with pytest.raises(InvalidRequest) as caught:
        read_source(source, offline=offline)  # type: ignore[arg-type]
    sentence = str(caught.value)
    assert sentence.endswith("."), sentence
    assert "\n" not in sentence
    assert not re.search(r"\. [A-Z]", sentence), f"more than one sentence: {sentence}"
    return sentence


def test_path_as_text_and_as_object(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(BODY)
    assert read_source(str(path)) == (BODY, "photo.jpg")
    assert read_source(path) == (BODY, "photo.jpg")


def test_path_that_looks_unusual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("data.png", "https", "ümläut 日本.png", "a:b.png"):
        Path(name).write_bytes(BODY)
        assert read_source(name) == (BODY, name)


def test_bytes_of_every_kind() -> None:
    for given in (BODY, bytearray(BODY), memoryview(BODY)):
        data, name = read_source(given)  # type: ignore[arg-type]
        assert (data, type(data), name) == (BODY, bytes, "the picture given as bytes")


def test_what_was_fetched_beforehand_keeps_its_name() -> None:
    asked = RelightRequest(subject_image="a.png", matte=Fetched(b"m", "m.png"))
    request = RelightRequest(subject_image=Fetched(BODY, "photo.jpg"), matte=asked.matte)
    data, name = read_source(request.subject_image)
    assert (data, type(data), name) == (BODY, bytes, "photo.jpg")
    assert read_source(pickle.loads(pickle.dumps(request.matte))) == (b"m", "m.png")
    assert refusal(Fetched(b"", "photo.jpg")).startswith("photo.jpg is empty")


@pytest.mark.parametrize(
    ("source", "scheme"),
    [
        ("a.png", ""),
        ("a:b.png", ""),
        ("C:/a.png", ""),
        ("HTTPS://host/a.png", "https"),
        ("s3://bucket/a.png", "s3"),
        ("Data:,x", "data"),
    ],
)
def test_what_an_address_begins_with(source: str, scheme: str) -> None:
    assert scheme_of(source) == scheme


def test_the_path_of_a_file_address() -> None:
    assert file_path("file:///data/mein%20bild%20%C3%BC#1.png") == "/data/mein bild ü#1.png"
    assert file_path("file://localhost/data/a.png") == "/data/a.png"
    for wrong in ("file://a.png", "file://nas/share/a.png", "file:///%ff.png"):
        with pytest.raises(InvalidRequest):
            file_path(wrong)


def test_the_name_in_a_url() -> None:
    assert url_name("https://host/shots/mein%20bild.png?token=a/secret.png#part/2") == "mein bild.png"
    assert url_name("https://host/shots/") == "shots"


def test_pil_image_passes_through(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 2))
    assert read_source(image) == (image, "the given image")
    image.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        assert read_source(opened)[1] == "a.png"


def test_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(BODY,), daemon=True)
    writer.start()
    assert read_source(path) == (BODY, "pipe")
    writer.join()


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64," + base64.b64encode(BODY).decode(),
        "DATA:image/png;charset=x;BASE64," + base64.b64encode(BODY).decode(),
        "data:;base64," + base64.urlsafe_b64encode(BODY).decode().rstrip("="),
        "data:;base64," + base64.b64encode(BODY).decode().replace("=", "%3D"),
        "data:;base64,\n" + base64.encodebytes(BODY).decode(),
        "data:image/png," + "".join(f"%{byte:02x}" for byte in BODY),
    ],
)
def test_data_uri(uri: str) -> None:
    assert read_source(uri) == (BODY, "the data URI")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:image/png;base64,@@@@", "no valid base64"),
        ("data:image/png;base64,A", "no valid base64"),
        ("data:image/png;base64,", "empty"),
    ],
)
def test_broken_data_uri(uri: str, words: str) -> None:
    assert words in refusal(uri)


def test_missing_folder_empty_device(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "file").write_bytes(BODY)
    assert "does not exist" in refusal(tmp_path / "no.png")
    assert "does not exist" in refusal(tmp_path / "file" / "no.png")
    assert "is a folder" in refusal(tmp_path)
    assert refusal(".").endswith("name a file in it, or relight all of it with `iclight batch`.")
    assert refusal(tmp_path / "empty.png").startswith("empty.png is empty (0 bytes)")
    assert "device" in refusal("/dev/zero")
    assert "the path is empty" in refusal("")
    assert "empty" in refusal(b"")


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(BODY)

    def deny(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    # Tests run as root, whom no permission stops.
    monkeypatch.setattr(Path, "read_bytes", deny)
    assert "may not be read by this user" in refusal(path)


def test_a_path_that_the_system_refuses() -> None:
    assert "null" in refusal("a\0b.png")


def test_naked_base64_is_recognised() -> None:
    sentence = refusal(base64.b64encode(bytes(50000)).decode())
    assert "data:image/png;base64," in sentence
    assert len(sentence) < 300


@pytest.mark.parametrize("source", [None, 3, [b"x"], {"url": "x"}])
def test_other_types(source: object) -> None:
    assert type(source).__name__ in refusal(source)


@pytest.mark.parametrize("url", ["ftp://host/a.png", "file:///etc/hostname", "s3://bucket/a.png"])
def test_other_schemes(url: str) -> None:
    assert url.split(":")[0] + "://" in refusal(url)


@pytest.mark.parametrize("url", ["http://", "http://host:port/a.png", "https://[::1/a.png"])
def test_malformed_urls(url: str) -> None:
    assert "no valid URL" in refusal(url)


def test_url(server: str) -> None:
    host = server.removeprefix("http://")
    assert read_source(f"{server}/ok?token=secret#part") == (BODY, f"the image from http://{host}/…")
    path, agent = Handler.seen[0]
    assert path == "/ok?token=secret"
    assert agent.startswith("iclight-local/")


def test_url_with_spaces_and_umlauts(server: str) -> None:
    assert read_source(f"{server}/mein bild ü%20.png")[0] == BODY
    assert Handler.seen[0][0] == "/mein%20bild%20%C3%BC%20.png"


def test_url_name_keeps_secrets(server: str) -> None:
    sentence = refusal(server.replace("http://", "http://user:password@") + "/missing?token=secret")
    assert "secret" not in sentence
    assert "password" not in sentence


def test_url_is_refused_offline_without_a_request(server: str) -> None:
    assert "offline mode" in refusal(f"{server}/ok", offline=True)
    assert Handler.seen == []


def test_offline_leaves_other_sources_alone() -> None:
    assert read_source(BODY, offline=True)[0] == BODY


def test_url_failures(server: str) -> None:
    assert "404" in refusal(f"{server}/missing")
    assert "empty" in refusal(f"{server}/empty")
    assert "larger than 64 MiB" in refusal(f"{server}/announced")
    assert f"broke off after {len(BODY)} of {len(BODY) + 5}" in refusal(f"{server}/short")


def test_url_larger_than_the_limit_without_announcement(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "URL_MAX_BYTES", 100_000)
    assert "larger than" in refusal(f"{server}/endless")


def test_redirects_up_to_five(server: str) -> None:
    assert read_source(f"{server}/hop/4")[0] == BODY
    assert len(Handler.seen) == 6
    assert "redirects more than 5 times" in refusal(f"{server}/hop/5")


def test_redirect_loop_and_redirect_to_a_file(server: str) -> None:
    assert "redirects more than 5 times" in refusal(f"{server}/loop")
    assert len(Handler.seen) == 6
    assert "not allowed" in refusal(f"{server}/to/file:///etc/hostname")
    assert "not http or https" in refusal(f"{server}/to/ftp://127.0.0.1/a.png")


def test_slow_server(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "URL_TIMEOUT_S", 0.2)
    assert "no answer in time" in refusal(f"{server}/slow")


def test_download_that_drips_past_the_deadline(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "URL_DEADLINE_S", -1.0)
    assert "took longer" in refusal(f"{server}/ok")


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert "cannot be fetched" in refusal(f"http://127.0.0.1:{port}/a.png")
