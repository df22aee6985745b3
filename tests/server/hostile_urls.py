"""Hostile calls: URLs that lead inside, in every field that takes one.

``INSIDE`` and ``SIX`` stand for the ports of what must not be reached.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from iclight_local.dialects.house import PICTURES
from tests.server.hostile import (
    API,
    HOUSE,
    IC_LIGHT,
    IC_LIGHT_JOBS,
    PHOTOROOM,
    PICTURE,
    PICTURE_FIELD,
    PIXELDOJO,
    PROPER,
    RELIGHTING_V2,
    Hostile,
    part,
    sent_form,
    sent_json,
)
from tests.server.hostile_world import NAMES, REBINDING

_FOUR = """
    127.0.0.1 127.0.0.1. 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.1 0X7F.0.0.1 0177.0.0.1 017700000001
    0 0.0.0.0 localhost LOCALHOST localhost. 127%2e0%2e0%2e1 %6c%6f%63alhost
    127\u30020\u30020\u30021 127\uff0e0\uff0e0\uff0e1 \uff11\uff12\uff17.0.0.1 \u2460\u2461\u2466.0.0.1
    \u24dbocalhost loca\u200blhost 127.0.0.1%00.public.test
    169.254.169.254 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192
    10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 198.18.0.1 192.0.2.1
    224.0.0.1 239.255.255.250 255.255.255.255 240.0.0.1
"""
_SIX = """
    [::1] [::] [0:0:0:0:0:0:0:1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::ffff:10.0.0.1]
    [::ffff:169.254.169.254] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b:1::1] [2002:7f00:1::] [2001::1]
    [fe80::1] [fe80::1%25lo] [fc00::1] [fdff::1] [fd00:ec2::254] [fd20:ce::254] [ff02::1] [fec0::1] [::1
"""
_ODD = {
    "a file of a host": "file://127.0.0.1/etc/passwd",
    "gopher": "gopher://127.0.0.1:INSIDE/_GET%20/",
    "ftp": "ftp://127.0.0.1:INSIDE/a.png",
    "dict": "dict://127.0.0.1:INSIDE/info",
    "ldap": "ldap://127.0.0.1:INSIDE/a",
    "jar": "jar:http://127.0.0.1:INSIDE/a.jar!/a.png",
    "unix": "unix:///var/run/docker.sock",
    "a picture's data of another type": "data:text/html;base64,PGI+aGk8L2I+",
    "a user before the host": "http://public.test@127.0.0.1:INSIDE/a.png",
    "a password before the host": "http://a:b@127.0.0.1:INSIDE/a.png",
    "a host behind a backslash": "http://public.test\\@127.0.0.1:INSIDE/",
    "a fragment that looks like a host": "http://127.0.0.1:INSIDE#@public.test/",
    "a query that looks like a host": "http://127.0.0.1:INSIDE?@public.test/",
    "line ends in the path": "http://127.0.0.1:INSIDE/a\r\nX-Injected: 1\r\n\r\n",
    "line ends in the host": "http://public.test\r\nHost: 127.0.0.1/",
    "a tab in the host": "http://127.0.\t0.1:INSIDE/",
    "a NUL in the host": "http://127.0.0.1\0.public.test/",
    "no host": "http:///a.png",
    "one slash": "http:/127.0.0.1:INSIDE/a.png",
    "four slashes": "http:////127.0.0.1:INSIDE/a.png",
    "two ports": "http://127.0.0.1:INSIDE:80/",
    "port 0": "http://public.test:0/",
    "port 65536": "http://public.test:65536/",
    "a negative port": "http://public.test:-80/",
    "a port of mail": "http://public.test:25/",
    "a port of logins": "http://public.test:22/",
    "a port of names": "http://public.test:53/",
    "a port in other digits": "http://public.test:\u0668\u0660/",
    "a very long name": f"http://{'a' * 64}.test/",
    "a very long host": f"http://{'a.' * 5000}test/",
    "a very long path": f"http://public.test/{'a' * 9000}",
    "a host of dots": "http://.../",
    "half a letter in the host": "http://\ud800.test/",
}


def _to(location: str, status: int = 302) -> str:
    """A URL of the internet that redirects."""
    return f"http://public.test/to/{status}/{quote(location, safe='')}"


_LED = {
    **{
        f"a redirect ({status}) inside": _to("http://127.0.0.1:INSIDE/a.png", status) for status in (301, 303, 307, 308)
    },
    "a redirect to the cloud's metadata": _to("http://169.254.169.254/latest/meta-data/"),
    "a redirect to a name inside": _to("http://loopback.test:INSIDE/a.png"),
    "a redirect without a scheme": _to("//127.0.0.1:INSIDE/a.png"),
    "a redirect by way of another": _to(_to("http://127.0.0.1:INSIDE/a.png")),
    "a redirect to IPv6": _to("http://[::1]:SIX/a.png"),
    "a redirect to a file": _to("file:///etc/passwd"),
    "a redirect to gopher": _to("gopher://127.0.0.1:INSIDE/_"),
    "a redirect with a user": _to("http://a@127.0.0.1:INSIDE/"),
    "a redirect to a port of mail": _to("http://public.test:25/"),
    "endless redirects": "http://public.test/hop/99",
    "an answer that never ends": "http://public.test/endless",
    "an answer that drips": "http://public.test/slowbody",
    "headers that drip": "http://public.test/slowheaders",
    "an answer of a terabyte": "http://public.test/huge",
    "an answer that is compressed": "http://public.test/bomb",
    "an answer that breaks off": "http://public.test/short",
    "an answer that is no HTTP": "http://public.test/garbage",
    "an answer with endless headers": "http://public.test/manyheaders",
    "an answer with a status of its own": "http://public.test/status/404",
    "a page in place of a picture": "http://public.test/chunks",
}
_SOME = {
    "loopback": "http://127.0.0.1:INSIDE/a.png",
    "loopback as one number": "http://2130706433:INSIDE/a.png",
    "loopback in octal": "http://0177.0.0.1:INSIDE/a.png",
    "loopback in IPv6's clothes": "http://[::ffff:127.0.0.1]:INSIDE/a.png",
    "loopback in IPv6": "http://[::1]:SIX/a.png",
    "the cloud's metadata": "http://169.254.169.254/latest/meta-data/",
    "a name inside": "http://loopback.test:INSIDE/a.png",
    "a name with two answers": "http://mixed.test:INSIDE/a.png",
    "a user before the host": "http://public.test@127.0.0.1:INSIDE/a.png",
    "a redirect inside": _to("http://127.0.0.1:INSIDE/a.png"),
}
"""One of each kind, for the fields that are not tried with all."""


def _rebinding(field: str) -> str:
    """A name that is public, leads to itself, and is this machine by then."""
    host = f"{REBINDING}-{field.replace('.', '-').replace('_', '-').lower()}.test"
    return f"http://{host}/to/302/{quote(f'http://{host}:INSIDE/a.png', safe='')}"


def _with(path: str, field: str, url: str) -> dict[str, Any]:
    proper = {HOUSE: {"model": "fbc"} if field == "background_image" else {}}.get(path, {})
    return {**PROPER[path], **proper, field: url}


def everywhere() -> list[Hostile]:
    """Every spelling of an address inside and every trap, where the house takes a picture."""
    urls = {f"the host {host}": f"http://{host}:INSIDE/a.png" for host in _FOUR.split()}
    urls |= {f"the host {host}": f"http://{host}:SIX/a.png" for host in _SIX.split()}
    urls |= {f"the name {name}": f"http://{name}:INSIDE/a.png" for name in NAMES if name != "public.test"}
    urls |= {"a name that nobody knows": "http://nobody.test/a.png", **_ODD, **_LED}
    return [sent_json(f"fetch: {what}", HOUSE, {"subject_image": url}) for what, url in urls.items()]


def each_field() -> list[Hostile]:
    """One URL of each kind in every field that takes a picture by URL."""
    fields = [(HOUSE, name) for name in PICTURES if name != "subject_image"]
    fields += [(path, PICTURE_FIELD[path]) for path in (IC_LIGHT, RELIGHTING_V2, PHOTOROOM)]
    found = [
        sent_json(f"{API[path]} {field}: {what}", path, _with(path, field, url))
        for path, field in fields
        for what, url in {**_SOME, "rebinding": _rebinding(f"{API[path]}-{field}")}.items()
    ]
    for what, url in {**_SOME, "rebinding": _rebinding("pixeldojo-picture")}.items():
        body = {**PROPER[PIXELDOJO], "subject_image": url}
        found.append(sent_json(f"pixeldojo subject_image: {what}", PIXELDOJO, body, expected=202, fails=True))
    for what, url in {**_SOME, "rebinding": _rebinding("ic-light-jobs")}.items():
        body = {**PROPER[IC_LIGHT], "subject_image": url}
        found.append(sent_json(f"ic-light as a job: {what}", IC_LIGHT_JOBS, body, expected=200, fails=True))
    for what, url in {**_SOME, "rebinding": _rebinding("photoroom-query")}.items():
        # The ports are put in later, and need no quoting.
        path = f"{PHOTOROOM}?lighting.mode=ai.auto&imageUrl={quote(url, safe='')}"
        found.append(Hostile(f"photoroom imageUrl of a GET: {what}", "GET", path))
    for field, extra in (("background.imageUrl", {}), ("background.guidance.imageUrl", {"background.prompt": "x"})):
        for what, url in {**_SOME, "rebinding": _rebinding(f"photoroom-{field}")}.items():
            parts = [part("imageFile", PICTURE, "a.png"), *(part(name, value) for name, value in extra.items())]
            found.append(sent_form(f"photoroom {field}: {what}", PHOTOROOM, [*parts, part(field, url)]))
    return found


def webhooks() -> list[Hostile]:
    """Webhooks that lead inside: what can be told from the URL is refused, the rest is not called."""
    # It is called twice: the first answer is not good enough, and by then the name is this machine.
    urls = {"rebinding": f"http://{REBINDING}-webhook.test:INSIDE/hook/500", **_SOME}
    told = ("a user before the host",)
    found = [
        sent_json(
            f"pixeldojo webhook_url: {what}",
            PIXELDOJO,
            {**PROPER[PIXELDOJO], "webhook_url": url},
            expected=400 if what in told else 202,
        )
        for what, url in urls.items()
    ]
    odd = ("line ends in the path", "a NUL in the host", "a host behind a backslash", "port 65536", "two ports")
    return found + [
        sent_json(
            f"pixeldojo webhook_url: {what}",
            PIXELDOJO,
            {**PROPER[PIXELDOJO], "webhook_url": _ODD[what]},
            says="webhook_url",
        )
        for what in odd
    ]


def offline() -> list[Hostile]:
    """What a server that is offline does not fetch, however public it is."""
    url = "http://public.test/ok.png"
    return [
        sent_json(f"offline {name}", HOUSE, {**PROPER[HOUSE], **extra, name: url}, says="offline")
        for name, extra in (("subject_image", {}), ("background_image", {"model": "fbc"}), ("matte", {}))
    ] + [
        sent_json("offline ic-light", IC_LIGHT, {**PROPER[IC_LIGHT], "subject_image": url}, says="offline"),
        sent_json("offline v2", RELIGHTING_V2, {**PROPER[RELIGHTING_V2], "image": url}, says="offline"),
        sent_json("offline photoroom", PHOTOROOM, {**PROPER[PHOTOROOM], "imageUrl": url}, says="offline"),
        sent_json(
            "offline pixeldojo", PIXELDOJO, {**PROPER[PIXELDOJO], "subject_image": url}, expected=202, fails=True
        ),
        sent_json(
            "offline webhook",
            PIXELDOJO,
            {**PROPER[PIXELDOJO], "webhook_url": "http://public.test/hook/200"},
            expected=202,
        ),
    ]
