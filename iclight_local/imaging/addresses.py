"""What a stranger's URL names: a strictly read target, and how far out of this network an address lies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal
from urllib.parse import quote, urljoin

from iclight_local.errors import InvalidRequest

Reach = Literal["public", "private", "never"]
"""Where an address lies: out on the internet, inside a network, or where no guest of ours may ever be sent."""
Network = IPv4Network | IPv6Network
"""A range of addresses."""

URL_MAX_CHARS = 8192
"""Characters one URL may have; signed links have some 2000."""

_HOST_MAX_CHARS = 253
_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*(?:\?[^#]*)?)(?:#.*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::([0-9]{0,5}))?")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")
_SAFE = "%/:=&?~+!$,;'@()*[]"


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


# IANA's special-purpose registries, spelt out: what `is_global` says differs between versions of Python, and it
# counts multicast, 6to4 and the whole of ::/96 as global.
_PRIVATE = _networks(
    "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"
)
# Where clouds hand out their machines' keys: inside a private range, or (Azure) at an address that looks public.
_METADATA = _networks("100.100.100.200/32", "168.63.129.16/32", "169.254.0.0/16", "fd00:ec2::/32", "fd20:ce::/32")
_SPECIAL = _networks(
    "0.0.0.0/8",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    # Teredo and 6to4 wrap an IPv4 address of the sender's choice, and no web server lives there any more.
    "2001::/23",
    "2002::/16",
    "2001:db8::/32",
    "3fff::/20",
)
_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")


def unwrapped(address: str) -> IPv4Address | IPv6Address:
    """Read an address; an IPv4 address in the clothes of IPv6 (mapped, or through NAT64) is the IPv4 address.

    Args:
        address: IPv4 or IPv6 in numbers, as a resolver returns it; a zone is allowed.

    Raises:
        ValueError: it is no address.
    """
    read = ip_address(address)
    if isinstance(read, IPv6Address) and (read in _MAPPED or read in _NAT64):
        return IPv4Address(int(read) & 0xFFFFFFFF)
    return read


def reach(address: str) -> Reach:
    """Tell how far out an address lies.

    Args:
        address: IPv4 or IPv6 in numbers, as a resolver returns it; a zone is allowed.

    Returns:
        ``public`` for the internet; ``private`` for loopback, RFC 1918, RFC 4193 and the carriers' 100.64.0.0/10;
        ``never`` for all else: link-local, cloud metadata, multicast, unspecified, reserved, Teredo, 6to4.

    Raises:
        ValueError: it is no address.
    """
    read = unwrapped(address)
    if any(read in network for network in (*_METADATA, *_SPECIAL)):
        return "never"
    if any(read in network for network in _PRIVATE):
        return "private"
    # Of IPv6 only this eighth is given out; of IPv4 whatever is not listed above.
    return "public" if isinstance(read, IPv4Address) or read in _UNICAST else "never"


@dataclass(frozen=True)
class Target:
    """One strictly read http(s) URL: exactly these parts are looked up, connected to and sent.

    Attributes:
        scheme: ``http`` or ``https``.
        host: the name in lower case and ASCII without a trailing dot, or an address without brackets.
        port: 1 to 65535.
        path: path and query as they are sent, in ASCII and percent-encoded, beginning with ``/``.
    """

    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """``host:port``, with brackets around an IPv6 address."""
        return f"{self._bracketed}:{self.port}"

    @property
    def authority(self) -> str:
        """``host``, and ``:port`` if it is not the scheme's own: what the Host header says."""
        return self._bracketed if self.port == _DEFAULT_PORTS.get(self.scheme) else self.place

    @property
    def shown(self) -> str:
        """The URL for messages; path and query stay out, because signed links carry secrets in them."""
        return f"{self.scheme}://{self.authority}/…"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    def redirected(self, location: str, noun: str, schemes: Collection[str]) -> Target:
        """Where a redirect leads.

        Args:
            location: the Location header as http.client gives it (bytes as Latin-1; UTF-8 is needed), absolute or
                relative.
            noun: what is asked for, for messages: ``image``.
            schemes: the schemes that are allowed, in lower case.

        Raises:
            InvalidRequest: as `parse_target` raises it, or the redirect leads from https to http.
        """
        try:
            text = location.encode("latin-1").decode()
            # Before joining, which would drop tabs and line ends silently.
            _refuse_odd_characters(text, noun)
            joined = urljoin(f"{self.scheme}://{self.authority}{self.path}", text)
        except ValueError as error:
            raise InvalidRequest(f"the {noun} at {self.shown} redirects to something that is no URL.") from error
        target = parse_target(joined, noun, schemes)
        if (self.scheme, target.scheme) == ("https", "http"):
            raise InvalidRequest(
                f"the {noun} at {self.shown} redirects from https to http, where anyone could change it: "
                "an address that stays with https is needed."
            )
        return target


def parse_target(url: str, noun: str, schemes: Collection[str]) -> Target:
    """Read a URL strictly: what browsers mend and what parsers disagree about is refused.

    Args:
        url: the URL, of at most `URL_MAX_CHARS` characters; a fragment is dropped, spaces and letters beyond ASCII
            in the path are percent-encoded, and such letters in the host name are written as IDNA.
        noun: what is asked for, for messages: ``image``.
        schemes: the schemes that are allowed, in lower case.

    Raises:
        InvalidRequest: no URL of these schemes, or one with a user, a password, control characters, backslashes, an
            IPv6 zone, or a bad host or port. The sentence quotes nothing but the scheme, the host and the port.
    """
    _refuse_odd_characters(url, noun)
    parts = _URL.fullmatch(url)
    if parts is None:
        raise InvalidRequest(f"the address of the {noun} is no URL: https://host/path is needed.")
    scheme = parts[1].lower()
    if scheme not in schemes:
        raise InvalidRequest(f"the address of the {noun} begins with {scheme[:20]}://: https://host/path is needed.")
    if "@" in parts[2]:
        raise InvalidRequest(
            f"the address of the {noun} has a user or password before its host: "
            "an address that needs none is needed, such as a signed link."
        )
    authority = _AUTHORITY.fullmatch(parts[2])
    if authority is None:
        raise InvalidRequest(f"the address of the {noun} names no valid host and port: https://host/path is needed.")
    literal, name, digits = authority.groups()
    port = int(digits) if digits else _DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise InvalidRequest(f"the address of the {noun} has the port {port}: 1 to 65535 is needed.")
    host = _ipv6(literal, noun) if name is None else _ascii_name(name, noun)
    path = quote(parts[3], safe=_SAFE)
    return Target(scheme, host, port, path if path.startswith("/") else f"/{path}")


def _refuse_odd_characters(text: str, noun: str) -> None:
    if len(text) > URL_MAX_CHARS:
        raise InvalidRequest(
            f"the address of the {noun} has {len(text)} characters: at most {URL_MAX_CHARS} are allowed."
        )
    # Besides control characters: half surrogates, which JSON can spell, and the line ends of Unicode.
    if any(char == "\\" or unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text):
        raise InvalidRequest(
            f"the address of the {noun} holds control characters or backslashes: percent-encode them (%5C)."
        )


def _ipv6(literal: str, noun: str) -> str:
    try:
        return str(IPv6Address(literal))
    except ValueError as error:
        raise InvalidRequest(
            f"the address of the {noun} has no valid IPv6 address in brackets: https://[2001:…]/path is needed."
        ) from error


def _ascii_name(name: str, noun: str) -> str:
    try:
        # The codec's work grows with the square of the length.
        ascii_name = name.encode("idna").decode("ascii").lower() if len(name) <= _HOST_MAX_CHARS else ""
    except UnicodeError:
        ascii_name = ""
    ascii_name = ascii_name.removesuffix(".")
    # Afterwards, because the codec also turns look-alikes into the dots and slashes that they look like.
    if _NAME.fullmatch(ascii_name) is None or len(ascii_name) > _HOST_MAX_CHARS:
        raise InvalidRequest(f"the address of the {noun} has no valid host name: https://host/path is needed.")
    return ascii_name
