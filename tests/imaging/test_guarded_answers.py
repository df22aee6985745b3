"""Guarded fetching: answers that are traps, webhooks, certificates."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging import guarded
from iclight_local.imaging.guarded import fetch, post
from tests.imaging.hostile_server import BODY, PUBLIC, Handler, Names, redirect, refusal, serving

# Answers that are traps


@pytest.mark.parametrize("kind", ["slowbody", "slowheaders", "slowchunk", "silent", "continues"])
def test_a_slow_answer_ends_at_the_deadline(names: Names, kind: str) -> None:
    start = time.monotonic()
    assert "did not come in time (at most 0.2 s)" in refusal(f"http://pictures.test/{kind}", names.guard(seconds=0.2))
    assert time.monotonic() - start < 1.5


def test_the_deadline_is_one_for_all_redirects(names: Names) -> None:
    names.answers["pictures.test"] = lambda: [time.sleep(0.08) or PUBLIC]
    assert "did not come in time" in refusal("http://pictures.test/hop/4", names.guard(seconds=0.2))
    assert len(Handler.seen) < 4


def test_a_slow_name_server_ends_at_the_deadline(names: Names) -> None:
    names.answers["pictures.test"] = lambda: [str(Handler.done.wait(5)) and PUBLIC]
    assert "did not come in time" in refusal("http://pictures.test/", names.guard(seconds=0.2))
    assert names.reached == []


@pytest.mark.parametrize("kind", ["endless", "endlesschunks", "huge"])
def test_a_large_body_is_left(names: Names, kind: str) -> None:
    start = time.monotonic()
    assert "larger than 100000 bytes" in refusal(f"http://pictures.test/{kind}", names.guard(max_bytes=100_000))
    assert time.monotonic() - start < 2


def test_the_limit_is_the_last_size_that_is_fetched(names: Names) -> None:
    assert fetch("http://pictures.test/ok", names.guard(max_bytes=len(BODY))) == BODY
    assert fetch("http://pictures.test/chunks", names.guard(max_bytes=5)) == b"abcde"
    assert "larger than 4 bytes" in refusal("http://pictures.test/chunks", names.guard(max_bytes=4))
    assert "larger" in refusal("http://pictures.test/ok", names.guard(max_bytes=len(BODY) - 1))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("bomb", "compressed"),
        ("transferbomb", "compressed"),
        ("short", "broke off"),
        ("brokenchunks", "no valid HTTP"),
        ("empty", "empty"),
        ("longheader", "no valid HTTP"),
        ("manyheaders", "no valid HTTP"),
        ("garbage", "no valid HTTP"),
        *((f"status/{status}", f"status {status}") for status in (201, 204, 206, 304, 401, 404, 500)),
    ],
)
def test_odd_answers_are_refused(names: Names, kind: str, word: str) -> None:
    assert word in refusal(f"http://pictures.test/{kind}?token=1", names.guard())


# Webhooks


@pytest.mark.parametrize("status", [200, 202, 302, 308, 404, 500])
def test_a_webhook_is_sent_once_whatever_the_answer(names: Names, status: int) -> None:
    headers = {"Content-Type": "application/json", "X-Signature": "abc"}
    assert post(f"http://pictures.test/hook/{status}?a=b", b'{"id": 1}', names.guard(), headers) == status
    [(command, path, sent, body)] = Handler.seen
    assert (command, path, body) == ("POST", f"/hook/{status}?a=b", b'{"id": 1}')
    assert headers.items() <= sent.items() and sent["Content-Length"] == "9"


def test_a_header_cannot_smuggle_another(names: Names) -> None:
    with pytest.raises(InvalidRequest):
        post("http://pictures.test/hook/200", b"", names.guard(), {"X": "a\r\nCookie: b"})
    assert Handler.seen == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for pictures.test that signs itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate, and is not installed")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pictures.test"
    names = ["-addext", f"subjectAltName=DNS:pictures.test,IP:{PUBLIC}"]
    out = ["-keyout", str(path), "-out", str(path.with_name("cert.pem"))]
    subprocess.run([*command.split(), *names, *out], check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_name("cert.pem").read_text())
    return path


@pytest.fixture
def secure(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """Names that lead to a server with TLS, whose certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert.pem")))
    guarded._tls.cache_clear()
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # Shaken hands in the handler's thread: a client that refuses the certificate fails there.
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    with serving(httpd) as port:
        yield Names(port, pictures_test=[PUBLIC], other_test=[PUBLIC])
    guarded._tls.cache_clear()


def test_a_certificate_for_the_host_is_needed(secure: Names) -> None:
    assert fetch("https://pictures.test/", secure.guard()) == BODY
    assert fetch("https://Pictures.test.:8443/chunks", secure.guard()) == b"abcde"
    assert post("https://pictures.test/hook/200", b"{}", secure.guard(), {}) == 200
    hits = len(Handler.seen)
    assert "no certificate" in refusal("https://other.test/", secure.guard())
    assert len(Handler.seen) == hits and secure.reached[-1] == PUBLIC


def test_an_address_is_checked_against_the_certificate_too(secure: Names) -> None:
    assert fetch(f"https://{PUBLIC}/", secure.guard()) == BODY
    with pytest.raises(InvalidRequest, match="no certificate"):
        fetch("https://93.184.216.35/", secure.guard())


def test_an_unknown_signer_is_not_trusted(secure: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    guarded._tls.cache_clear()
    assert "no certificate" in refusal("https://pictures.test/", secure.guard())
    assert Handler.seen == []


@pytest.mark.parametrize("location", ["http://pictures.test/ok", "HTTP://other.test:8080/"])
def test_a_redirect_does_not_lead_from_https_to_http(secure: Names, location: str) -> None:
    url = redirect(location).replace("http:", "https:", 1)
    assert "from https to http" in refusal(url, secure.guard())
    assert len(Handler.seen) == 1


def test_a_redirect_keeps_https_or_wins_it(secure: Names, port: int) -> None:
    plain = Names(port)

    def connect(address: str, number: int, seconds: float) -> socket.socket:
        return (secure if number == 443 else plain).connect(address, number, seconds)

    assert fetch(redirect("https://pictures.test/ok"), secure.guard(connect=connect)) == BODY
    assert fetch(redirect("//pictures.test/ok").replace("http:", "https:", 1), secure.guard()) == BODY


def test_tls_without_an_answer_ends_at_the_deadline(names: Names) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        names.port = silent.getsockname()[1]
        assert "in time" in refusal("https://pictures.test/", names.guard(seconds=0.2))


def test_plain_http_where_tls_should_be(names: Names) -> None:
    assert "cannot be reached" in refusal("https://pictures.test/", names.guard())
