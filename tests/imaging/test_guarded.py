"""Guarded fetching: who is fetched from, and that nobody is ever sent inside."""

from __future__ import annotations

import socket
from http.server import ThreadingHTTPServer
from ipaddress import ip_network

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.guarded import Guard, fetch, open_socket, post
from tests.imaging.hostile_server import BODY, PUBLIC, Handler, Names, redirect, refusal, serving

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
    "location",
    ["/ok?a#b", "../../ok", "//pictures.test/ok", "http://pictures.test:8080/ok", "/À b", "HTTP://PICTURES.test"],
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
    127\u30020\u30020\u30021 127\uff0e0\uff0e0\uff0e1 127\uff610\uff610\uff611 \uff11\uff12\uff17.0.0.1
    \u2460\u2461\u2466.0.0.1 \u24dbocalhost loca\u200blhost 169.254.169.254 2852039166
    0xa9fea9fe 10.0.0.1 172.16.0.1 192.168.1.1 100.64.0.1 100.100.100.200 224.0.0.1 255.255.255.255 240.0.0.1
    192.0.0.192 168.63.129.16 198.18.0.1 [fe80::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [ff02::1] [fec0::1]
"""


@pytest.mark.parametrize("host", LOCAL.split())
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


@pytest.mark.parametrize(
    "url",
    ["http://good:secret@127.0.0.1/", "http://a\\@127.0.0.1/", "file:///etc/passwd", "http://[::1%lo]/", "http:///a"],
)
def test_an_odd_url_is_not_even_looked_up(names: Names, url: str) -> None:
    refusal(url, names.guard(allow_private=True))
    assert names.asked == [] and Handler.seen == []


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
