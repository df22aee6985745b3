"""URLs of strangers, read strictly, and where the addresses lie that they lead to."""

from __future__ import annotations

import pytest

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.addresses import parse_target, reach

BOTH = ("http", "https")


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
        ("http://a:\uff18\uff10/", "host and port"),
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
        ("http://good.test\uff0fa/", "host name"),
        ("http://good.test\uff20127.0.0.1/", "host name"),
        ("http://good.test\uff1a80/", "host name"),
        ("http://good.test\u2100/", "host name"),
        ("http://" + "a" * 64 + ".test/", "host name"),
        ("http://" + "a." * 200 + "test/", "host name"),
        ("http://" + "ü" * 5000 + "/", "host name"),
        ("http://a/" + "a" * 8192, "8201 characters"),
    ],
)
def test_urls_are_read_strictly(url: str, word: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_target(url, "image", BOTH)
    sentence = str(caught.value)
    assert word in sentence and sentence.endswith(".") and "\n" not in sentence and "secret" not in sentence


@pytest.mark.parametrize(
    ("url", "host", "place", "path"),
    [
        ("http://EXAMPLE.com", "example.com", "example.com:80", "/"),
        ("hTTpS://example.com.", "example.com", "example.com:443", "/"),
        ("http://example.com:?a", "example.com", "example.com:80", "/?a"),
        ("http://example.com#@evil/", "example.com", "example.com:80", "/"),
        ("http://example.com/@x//y/../z", "example.com", "example.com:80", "/@x//y/../z"),
        ("http://bücher.example/ö", "xn--bcher-kva.example", "xn--bcher-kva.example:80", "/%C3%B6"),
        ("http://a\u3002b\uff0ec\uff61d/", "a.b.c.d", "a.b.c.d:80", "/"),
        ("http://\u2460\u2461\u2466.0.0.1/", "127.0.0.1", "127.0.0.1:80", "/"),
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
