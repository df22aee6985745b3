"""Guarded fetching: against real servers on loopback, with names that lie and answers that are traps."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging import guarded
from iclight_local.imaging.addresses import parse_target, reach
from iclight_local.imaging.guarded import Guard, fetch, open_socket, post

PUBLIC = "93.184.216.34"
BODY = b"\x89PNG not decoded here"
BOTH = ("http", "https")


class Handler(BaseHTTPRequestHandler):
    seen: list[tuple[str, str, dict[str, str], bytes]]
    done: threading.Event
    location: str

    def do_GET(self) -> None:
        self._note(b"")
        kind, _, rest = self.path[1:].partition("/")
        if kind == "to":
            status, _, location = rest.partition("/")
            return self._send(int(status), {"Location": unquote(location, "latin-1"), "Content-Length": "0"})
        if kind == "hop":
            return self._send(302, {"Location": f"/hop/{int(rest) - 1}" if rest != "0" else "/ok"})
        if kind == "status":
            return self._send(int(rest), {"X-Secret": "hidden"}, b"secret words")
        if kind == "odd":
            return self._send(302, {"Location": Handler.location})
        getattr(self, f"_{kind}", self._ok)()
        return None

    def do_POST(self) -> None:
        self._note(self.rfile.read(int(self.headers["Content-Length"])))
        status = int(self.path.rsplit("/", 1)[1])
        self._send(status, {"Location": "/ok", "Content-Length": str(10**12)})

    def _note(self, body: bytes) -> None:
        Handler.seen.append((self.command, self.path, dict(self.headers), body))

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _ok(self) -> None:
        self._send(200, {"Content-Length": str(len(BODY))}, BODY)

    def _drip(self, head: bytes) -> None:
        """Byte by byte, each well before any timeout of a single read."""
        self.wfile.write(head)
        while not Handler.done.wait(0.02):
            self.wfile.write(b"a")

    def _slowbody(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\n\r\n")

    def _slowheaders(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX: ")

    def _slowchunk(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;")

    def _silent(self) -> None:
        Handler.done.wait(5)

    def _endless(self) -> None:
        self._send(200, {})
        while not Handler.done.is_set():
            self.wfile.write(bytes(1 << 14))

    def _endlesschunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not Handler.done.is_set():
            self.wfile.write(b"400\r\n" + bytes(1024) + b"\r\n")

    def _chunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")

    def _brokenchunks(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30\r\nabc")

    def _huge(self) -> None:
        self._send(200, {"Content-Length": str(10**15)})
        Handler.done.wait(5)

    def _bomb(self) -> None:
        self._send(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(10**6)))

    def _transferbomb(self) -> None:
        self._send(200, {"Transfer-Encoding": "gzip, chunked"}, gzip.compress(bytes(10**6)))

    def _short(self) -> None:
        self._send(200, {"Content-Length": "100"}, BODY)

    def _empty(self) -> None:
        self._send(200, {"Content-Length": "0"})

    def _longheader(self) -> None:
        self._send(200, {"X": "a" * 70_000}, BODY)

    def _manyheaders(self) -> None:
        self._send(200, {f"X-{number}": "a" for number in range(200)}, BODY)

    def _continues(self) -> None:
        while not Handler.done.is_set():
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _garbage(self) -> None:
        self.wfile.write(b"SSH-2.0-secret\r\n")

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return None


@contextmanager
def serving(httpd: HTTPServer) -> Iterator[int]:
    Handler.seen = []
    Handler.done = threading.Event()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield httpd.server_port
    Handler.done.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture(scope="module")
def httpd() -> Iterator[int]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield port


@pytest.fixture
def port(httpd: int) -> Iterator[int]:
    Handler.seen = []
    Handler.done.clear()
    yield httpd
    Handler.done.set()


class Names:
    """A resolver of made-up names, and the way to them: public addresses lead to the local server, and are noted."""

    def __init__(self, port: int, **answers: list[str] | Callable[[], list[str]]) -> None:
        self.port = port
        self.answers = {name.replace("_", "."): answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.reached: list[str] = []

    def resolve(self, host: str, port: int, family: int, kind: int) -> list[tuple[Any, Any, int, str, tuple[Any, ...]]]:
        self.asked.append(host)
        if host not in self.answers:
            return socket.getaddrinfo(host, port, family, kind)  # type: ignore[return-value]
        answer = self.answers[host]
        found = answer() if callable(answer) else answer
        if not found:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.reached.append(address)
        if address == "93.184.216.99":
            raise ConnectionRefusedError(f"[Errno 111] {address}")
        return open_socket("127.0.0.1", self.port, seconds)

    def guard(self, **changes: Any) -> Guard:
        return replace(Guard(seconds=3.0, resolve=self.resolve, connect=self.connect), **changes)


@pytest.fixture
def names(port: int) -> Names:
    return Names(port, pictures_test=[PUBLIC], inside_test=["10.0.0.7"])


def refusal(url: str, guard: Guard) -> str:
    with pytest.raises(InvalidRequest) as caught:
        fetch(url, guard)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    for secret in ("secret", "hidden", "token", "10.0.0.7", "93.184"):
        assert secret not in sentence
    return sentence


def redirect(location: str, status: int = 302) -> str:
    return f"http://pictures.test/to/{status}/{quote(location, safe='')}"


# What goes well


def test_a_public_picture_is_fetched_from_the_address_that_was_checked(names: Names) -> None:
    assert fetch("HTTP://Pictures.TEST./a b/ü.png?x=1&y=%20#part", names.guard()) == BODY
    assert names.asked == ["pictures.test"] and names.reached == [PUBLIC]
    command, path, headers, _ = Handler.seen[0]
    assert (command, path) == ("GET", "/a%20b/%C3%BC.png?x=1&y=%20")
    assert headers["Host"] == "pictures.test" and headers["Accept-Encoding"] == "identity"
    assert "Cookie" not in headers and "Authorization" not in headers


def test_the_host_header_names_a_port_of_its_own(names: Names) -> None:
    fetch("http://pictures.test:8080", names.guard())
    assert Handler.seen[0][1] == "/" and Handler.seen[0][2]["Host"] == "pictures.test:8080"


def test_chunks_are_joined(names: Names) -> None:
    assert fetch("http://pictures.test/chunks", names.guard()) == b"abcde"


def test_the_next_address_is_tried(names: Names) -> None:
    names.answers["pictures.test"] = ["93.184.216.99", PUBLIC]
    assert fetch("http://pictures.test/", names.guard()) == BODY
    names.answers["pictures.test"] = ["93.184.216.99"]
    assert "cannot be reached" in refusal("http://pictures.test/", names.guard())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["/ok", "ok?a#b", "//pictures.test/ok", "http://pictures.test:8080/ok", "/À b", "HTTP://PICTURES.test"]
)
def test_redirects_are_followed(names: Names, status: int, location: str) -> None:
    assert fetch(redirect(location, status), names.guard()) == BODY
    assert len(Handler.seen) == len(names.asked) == 2


def test_as_many_redirects_as_allowed(names: Names) -> None:
    assert fetch("http://pictures.test/hop/4", names.guard()) == BODY
    assert "more than 5 times" in refusal("http://pictures.test/hop/5", names.guard())
    assert "more than 0 times" in refusal("http://pictures.test/hop/0", names.guard(redirects=0))


def test_proxies_of_the_environment_are_not_asked(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert fetch("http://pictures.test/", names.guard()) == BODY


# Where nobody is sent

LOCAL = """
    127.0.0.1 127.0.0.1. 127.1 127.0.1 2130706433 0x7f000001 0x7f.1 0X7F.0.0.1 0177.0.0.1 017700000001 0 0.0.0.0 00
    localhost LOCALHOST localhost. [::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1]
    [::ffff:169.254.169.254] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::1] [2002:7f00:1::] [2001::1]
    127。0。0。1 127．0．0．1 127｡0｡0｡1 １２７.0.0.1 ①②⑦.0.0.1 ⓛocalhost loca\u200blhost 169.254.169.254 2852039166
    0xa9fea9fe 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 100.100.100.200 224.0.0.1 255.255.255.255 240.0.0.1
    192.0.0.192 168.63.129.16 198.18.0.1 [fe80::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [ff02::1] [fec0::1]
""".split()


@pytest.mark.parametrize("host", LOCAL)
def test_nobody_is_sent_inside(names: Names, host: str) -> None:
    inside = f"http://{host}:{names.port}/ok"
    refusal(inside, names.guard(connect=open_socket))
    with pytest.raises(InvalidRequest):
        post(inside, b"{}", names.guard(connect=open_socket), {})
    assert Handler.seen == []
    refusal(redirect(inside), names.guard())
    refusal(redirect(f"//{host}:{names.port}/ok"), names.guard())
    assert len(Handler.seen) == 2 and names.reached == [PUBLIC, PUBLIC]


def test_nobody_is_sent_to_a_server_on_ipv6_loopback(names: Names) -> None:
    class Six(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    try:
        six = Six(("::1", 0), Handler)
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback ({error})")
    with serving(six) as port:
        refusal(f"http://[::1]:{port}/", names.guard(connect=open_socket))
        refusal(redirect(f"http://[::1]:{port}/"), names.guard())
        assert [path for _, path, *_ in Handler.seen if not path.startswith("/to")] == []
        here = names.guard(connect=open_socket, allowed_hosts=frozenset({f"[::1]:{port}"}))
        assert fetch(f"http://[::1]:{port}/", here) == BODY
        assert Handler.seen[-1][2]["Host"] == f"[::1]:{port}"


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "FILE://localhost/etc/passwd",
        "ftp://pictures.test/a",
        "gopher://127.0.0.1:6379/_secret",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://token@pictures.test/ok",
        "http://pictures.test\\@127.0.0.1/ok",
        "\\\\127.0.0.1\\ok",
        "//pictures.test:0/ok",
        "http://[::1",
        "http://",
        "/a\tb",
        "ht\ttp://127.0.0.1/",
        "/a\x80b",
        "/" + "a" * 9000,
    ],
)
def test_odd_redirects_are_refused(names: Names, location: str) -> None:
    Handler.location = location
    refusal("http://pictures.test/odd", names.guard())
    assert len(Handler.seen) == 1 and names.asked == ["pictures.test"]


def test_a_redirect_to_nowhere_and_one_folded_over_lines(names: Names) -> None:
    assert "where to" in refusal("http://pictures.test/status/302", names.guard())
    refusal(redirect("http://pictures.test/\n ok"), names.guard())
    assert len(Handler.seen) == 2


def test_a_name_that_changes_its_answer_changes_nothing(names: Names) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"], [PUBLIC]])
    names.answers["rebinding.test"] = lambda: next(answers)
    assert fetch("http://rebinding.test/", names.guard()) == BODY
    assert names.asked == ["rebinding.test"] and names.reached == [PUBLIC]
    # The next look-up is checked as the first was.
    assert "no public address" in refusal("http://rebinding.test/", names.guard())
    assert names.reached == [PUBLIC]


def test_a_name_that_changes_its_answer_between_redirects(names: Names) -> None:
    answers = iter([[PUBLIC], ["127.0.0.1"]])
    names.answers["pictures.test"] = lambda: next(answers)
    assert "no public address" in refusal("http://pictures.test/hop/1", names.guard())
    assert names.reached == [PUBLIC] and len(Handler.seen) == 1


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fe80::1%lo", "nonsense"])
def test_one_address_inside_spoils_all(names: Names, inside: str) -> None:
    for answer in ([PUBLIC, inside], [inside, PUBLIC]):
        names.answers["mixed.test"] = answer
        refusal("http://mixed.test/", names.guard())
    assert names.reached == []


def test_a_name_inside_reads_like_one_that_nobody_knows(names: Names) -> None:
    names.answers["nobody.test"] = []
    inside = refusal("http://inside.test/", names.guard())
    assert inside.replace("inside.test", "nobody.test") == refusal("http://nobody.test/", names.guard())
    assert inside == (
        "the image at http://inside.test/… has no public address that this server may use: "
        "one on the internet is needed."
    )


def test_offline_refuses_everything_in_one_sentence(names: Names) -> None:
    offline = names.guard(offline=True, allow_private=True)
    assert refusal("http://pictures.test/", offline) == (
        "the image's URL is not followed, because this server is offline."
    )
    with pytest.raises(InvalidRequest, match="webhook's URL is not followed"):
        post("http://pictures.test/", b"", offline, {})
    assert names.asked == []


# What an owner may allow


def test_private_addresses_on_request(port: int) -> None:
    for host in ("127.0.0.1", "localhost", "2130706433"):
        assert fetch(f"http://{host}:{port}/", Guard(allow_private=True, seconds=3.0)) == BODY


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "0.0.0.0", "[::]", "224.0.0.1", "[fe80::1]"])
def test_some_addresses_are_never_allowed(port: int, host: str) -> None:
    everything = Guard(
        allow_private=True,
        allowed_hosts=frozenset({f"{host}:{port}"}),
        allowed_networks=(ip_network("0.0.0.0/0"), ip_network("::/0")),
    )
    assert "no public address" in refusal(f"http://{host}:{port}/", everything)
    assert Handler.seen == []


def test_one_host_and_port_may_be_private(port: int) -> None:
    guard = Guard(allowed_hosts=frozenset({f"localhost:{port}"}), seconds=3.0)
    assert fetch(f"http://LOCALHOST.:{port}/", guard) == BODY
    for other in (f"http://127.0.0.1:{port}/", f"http://localhost:{port + 1}/", "http://localhost/"):
        assert "no public address" in refusal(other, guard)


def test_one_network_may_be_private(port: int) -> None:
    assert fetch(f"http://127.0.0.1:{port}/", Guard(allowed_networks=(ip_network("127.0.0.0/30"),))) == BODY
    refusal(f"http://127.0.0.1:{port}/", Guard(allowed_networks=(ip_network("127.0.0.4/30"), ip_network("::/0"))))


@pytest.mark.parametrize("number", [1, 22, 25, 53, 81, 445, 1023])
def test_ports_of_other_services_are_refused(names: Names, number: int) -> None:
    assert f"port {number}:" in refusal(f"http://pictures.test:{number}/", names.guard(allow_private=True))
    assert names.asked == []
    assert (
        fetch(f"http://pictures.test:{number}/", names.guard(allowed_hosts=frozenset({f"pictures.test:{number}"})))
        == BODY
    )


@pytest.mark.parametrize("number", ["", ":", ":80", ":0080", ":443", ":1024", ":8080", ":65535"])
def test_ports_of_web_servers_are_allowed(names: Names, number: str) -> None:
    assert fetch(f"http://pictures.test{number}/", names.guard()) == BODY


def test_https_alone(names: Names) -> None:
    assert "begins with http://" in refusal("http://pictures.test/", names.guard(schemes=frozenset({"https"})))


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


# URLs and addresses


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "no URL"),
        ("pictures.test/a", "no URL"),
        ("//pictures.test/a", "no URL"),
        ("http:/pictures.test", "no URL"),
        ("http:pictures.test", "no URL"),
        ("data:image/png;base64,AAAA", "no URL"),
        (" http://pictures.test", "no URL"),
        ("file:///etc/passwd", "begins with file://"),
        ("ftp://pictures.test", "begins with ftp://"),
        ("gopher://pictures.test", "begins with gopher://"),
        ("http://good:secret@127.0.0.1/", "user or password"),
        ("http://good@127.0.0.1/", "user or password"),
        ("http://@pictures.test/", "user or password"),
        ("http://127.0.0.1#@pictures.test\\", "backslashes"),
        ("http://pictures.test\\@127.0.0.1/", "backslashes"),
        ("http://pictures.test/\r\nHost: a", "control"),
        ("http://pictures.test/\x00", "control"),
        ("http://pictures.test/\x7f", "control"),
        ("http://pictures.test/\ud800", "control"),
        ("http://pictures.test/\u2028", "control"),
        ("http://\t127.0.0.1/", "control"),
        ("http://", "host and port"),
        ("http:///a", "host and port"),
        ("http://:80/", "host and port"),
        ("http://a:b:c/", "host and port"),
        ("http://a:-1/", "host and port"),
        ("http://a:+80/", "host and port"),
        ("http://a:８０/", "host and port"),
        ("http://a:123456/", "host and port"),
        ("http://a:80 /", "host and port"),
        ("http://a:0/", "port 0"),
        ("http://a:65536/", "port 65536"),
        ("http://[fe80::1%25eth0]/", "host and port"),
        ("http://[fe80::1%eth0]/", "host and port"),
        ("http://[::1/", "host and port"),
        ("http://[v1.a]/", "host and port"),
        ("http://[]/", "host and port"),
        ("http://[::1]a/", "host and port"),
        ("http://[1.2.3.4]/", "IPv6"),
        ("http://[:::]/", "IPv6"),
        ("http://a..b/", "host name"),
        ("http://.a/", "host name"),
        ("http://./", "host name"),
        ("http://a../", "host name"),
        ("http://a b/", "host name"),
        ("http://a%00b/", "host name"),
        ("http://127%2e0.0.1/", "host name"),
        ("http://good.test／a/", "host name"),
        ("http://good.test＠127.0.0.1/", "host name"),
        ("http://good.test：80/", "host name"),
        ("http://good.test℀/", "host name"),
        ("http://" + "a" * 64 + ".test/", "host name"),
        ("http://" + "a." * 200 + "test/", "host name"),
        ("http://" + "ü" * 5000 + "/", "host name"),
        ("http://a/" + "a" * 8192, "8201 characters"),
    ],
)
def test_urls_are_read_strictly(names: Names, url: str, word: str) -> None:
    assert word in refusal(url, names.guard(allow_private=True))
    assert names.asked == [] and Handler.seen == []


@pytest.mark.parametrize(
    ("url", "host", "place", "path"),
    [
        ("http://EXAMPLE.com", "example.com", "example.com:80", "/"),
        ("hTTpS://example.com.", "example.com", "example.com:443", "/"),
        ("http://example.com:?a", "example.com", "example.com:80", "/?a"),
        ("http://example.com#@evil/", "example.com", "example.com:80", "/"),
        ("http://example.com/@x//y/../z", "example.com", "example.com:80", "/@x//y/../z"),
        ("http://bücher.example/ö", "xn--bcher-kva.example", "xn--bcher-kva.example:80", "/%C3%B6"),
        ("http://a。b．c｡d/", "a.b.c.d", "a.b.c.d:80", "/"),
        ("http://①②⑦.0.0.1/", "127.0.0.1", "127.0.0.1:80", "/"),
        ("http://my_host/%5C%0d", "my_host", "my_host:80", "/%5C%0d"),
        ("http://[2606:4700:0::1111]:8080/", "2606:4700::1111", "[2606:4700::1111]:8080", "/"),
    ],
)
def test_what_a_url_is_read_as(url: str, host: str, place: str, path: str) -> None:
    target = parse_target(url, "image", BOTH)
    assert (target.host, target.place, target.path) == (host, place, path)


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("8.8.8.8", "public"),
        ("172.15.255.255", "public"),
        ("172.32.0.0", "public"),
        ("100.128.0.0", "public"),
        ("223.255.255.255", "public"),
        ("2606:4700::1111", "public"),
        ("64:ff9b::808:808", "public"),
        ("::ffff:8.8.8.8", "public"),
        ("100.127.255.255", "private"),
        ("172.31.255.255", "private"),
        ("127.255.255.255", "private"),
        ("::ffff:192.168.0.1", "private"),
        ("64:ff9b::10.0.0.1", "private"),
        ("fdff::1", "private"),
        ("0.255.255.255", "never"),
        ("100.100.100.200", "never"),
        ("169.254.0.1", "never"),
        ("64:ff9b::169.254.169.254", "never"),
        ("2001:0:808:808::", "never"),
        ("2002:808:808::1", "never"),
        ("::8.8.8.8", "never"),
        ("::ffff:0:8.8.8.8", "never"),
        ("4000::1", "never"),
        ("ff0e::1", "never"),
    ],
)
def test_where_an_address_lies(address: str, where: str) -> None:
    assert reach(address) == where
