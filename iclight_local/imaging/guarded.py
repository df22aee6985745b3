"""Fetching what a stranger named, for the server: pictures by URL, and webhooks.

A stranger's URL may point back into the network that the server stands in. Therefore each hop is read strictly,
resolved once, refused unless every address it resolves to is allowed, and connected to at that very address: a name
that changes its answer afterwards changes nothing. The user's own URLs (`sources`) need none of this.
"""

from __future__ import annotations

import functools
import http.client
import io
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.imaging.addresses import Network, Target, parse_target, reach, unwrapped
from iclight_local.imaging.sources import URL_MAX_BYTES, URL_MAX_REDIRECTS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Resolver = Callable[[str, int, int, int], Sequence[tuple[int, int, int, str, tuple[Any, ...]]]]
"""Host, port, family (0) and socket type to addresses, as `socket.getaddrinfo` does it."""
Connector = Callable[[str, int, float], socket.socket]
"""Address in numbers, port and seconds to a connected socket; raises OSError."""

CONNECT_SECONDS = 5.0
"""Seconds that one of a host's addresses may take to accept a connection before the next one is tried."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16


def open_socket(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address by TCP, without looking anything up.

    Args:
        address: IPv4 or IPv6 in numbers.
        port: 1 to 65535.
        seconds: how long it may take, above 0.

    Raises:
        OSError: nobody answers there, or not in time (TimeoutError).
    """
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        opened.settimeout(seconds)
        opened.connect((address, port))
    except OSError:
        opened.close()
        raise
    return opened


@dataclass(frozen=True)
class Guard:
    """What strangers may have fetched.

    Ports below 1024 other than 80 and 443 are refused at every address: mail, logins and file shares live there, and
    a stranger must not speak to other people's in this server's name. From 1024 on a public address may have any:
    what must be protected is told by its address, and pictures are served from ports such as 8080 and 8443.

    Attributes:
        schemes: ``http`` and ``https``, or ``https`` alone.
        allow_private: whether loopback and private addresses are fetched, too. Cloud metadata, link-local, multicast
            and reserved addresses are not even then.
        allowed_hosts: ``host:port`` (``[::1]:8080``; the name in lower case and ASCII) that may be private and may
            have any port.
        allowed_networks: ranges that may be private.
        max_bytes: bytes one picture may have.
        seconds: what one call may take altogether: names, redirects, handshakes and bodies.
        redirects: redirects that one fetch may follow, 0 or more; a webhook's are never followed.
        offline: refuse everything.
        resolve: looks names up; once for each hop.
        connect: opens the connection to an address that was checked.
    """

    schemes: frozenset[str] = frozenset({"http", "https"})
    allow_private: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    allowed_networks: tuple[Network, ...] = ()
    max_bytes: int = URL_MAX_BYTES
    seconds: float = 30.0
    redirects: int = URL_MAX_REDIRECTS
    offline: bool = False
    resolve: Resolver = socket.getaddrinfo
    connect: Connector = open_socket


def fetch(url: str, guard: Guard) -> bytes:
    """Fetch a picture that a stranger named.

    Args:
        url: an http(s) URL.
        guard: what is allowed.

    Returns:
        The body of the answer with the status 200: 1 to ``guard.max_bytes`` bytes, not decoded.

    Raises:
        InvalidRequest: the URL or one it redirects to is not allowed or cannot be fetched in time, or the answer is
            another one, compressed, empty, cut off or too large. The sentence tells no address that a name stands
            for and nothing of the answer but its status.
    """
    call = _Call(guard, "image", "GET")
    target = call.start(url)
    for _ in range(guard.redirects + 1):
        with _answer(call, target) as response:
            if response.status not in _REDIRECTS:
                return _body(call, target, response)
            location = response.headers.get("Location")
        if location is None:
            raise call.refusal(target, "redirects without saying where to")
        target = target.redirected(location, call.noun, guard.schemes)
    raise call.refusal(target, f"redirects more than {guard.redirects} times: the final address is needed")


def post(url: str, body: bytes, guard: Guard, headers: Mapping[str, str]) -> int:
    """Send a webhook to where a stranger named.

    Args:
        url: an http(s) URL.
        body: what is sent, such as JSON.
        guard: what is allowed.
        headers: the server's own, Content-Type among them; Host, Connection, Content-Length and Accept-Encoding are
            set here.

    Returns:
        The status of the answer, 100 to 999, whatever it is; a redirect is not followed, and the answer's body is
        not read.

    Raises:
        InvalidRequest: the URL is not allowed or cannot be reached in time; the sentence tells no address that a name
            stands for.
    """
    call = _Call(guard, "webhook", "POST", body, headers)
    target = call.start(url)
    with _answer(call, target) as response:
        return response.status


class _Call:
    """One fetch or post: what every hop of it shares, its deadline above all."""

    def __init__(
        self, guard: Guard, noun: str, method: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        self.guard = guard
        self.noun = noun
        self.method = method
        self.body = body
        self.headers = {"User-Agent": f"iclight-local/{__version__}", **({} if headers is None else headers)}
        self._deadline = time.monotonic() + guard.seconds

    def start(self, url: str) -> Target:
        """The first hop."""
        if self.guard.offline:
            raise InvalidRequest(f"the {self.noun}'s URL is not followed, because this server is offline.")
        return parse_target(url, self.noun, self.guard.schemes)

    def left(self) -> float:
        """Seconds that are left, above 0; TimeoutError when none are."""
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def refusal(self, target: Target, fault: str) -> InvalidRequest:
        """The error that says what is wrong with a hop."""
        return InvalidRequest(f"the {self.noun} at {target.shown} {fault}.")


class _Wire(io.RawIOBase):
    """A socket whose every operation has the time that is left of the call, however slowly the bytes drip."""

    def __init__(self, sock: socket.socket, call: _Call) -> None:
        self._sock = sock
        self._call = call

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._sock.settimeout(self._call.left())
        return self._sock.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._call.left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)


@contextmanager
def _answer(call: _Call, target: Target) -> Iterator[http.client.HTTPResponse]:
    """Send the request to one hop; gives status and headers, and whatever fails meanwhile is one sentence."""
    try:
        with _connected(call, target) as plain, _secured(call, target, plain) as sock:
            # It does all of a socket that http.client uses, which opens none, so that no proxy comes between.
            wire = cast(socket.socket, _Wire(sock, call))
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = wire
            fixed = {"Host": target.authority, "Connection": "close", "Accept-Encoding": "identity"}
            connection.request(call.method, target.path, call.body, {**call.headers, **fixed})
            with http.client.HTTPResponse(wire, method=call.method) as response:
                response.begin()
                yield response
    # What these say may quote the answer or an address, so they are told in our own words.
    except TimeoutError as error:
        raise call.refusal(target, f"did not come in time (at most {call.guard.seconds:g} s)") from error
    except ssl.SSLCertVerificationError as error:
        raise call.refusal(target, "has no certificate that is trusted for this host") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise call.refusal(target, "cannot be reached, or answers with no valid HTTP") from error


def _connected(call: _Call, target: Target) -> socket.socket:
    fault: OSError = TimeoutError()
    for address in _checked_addresses(call, target):
        try:
            return call.guard.connect(address, target.port, min(call.left(), CONNECT_SECONDS))
        except OSError as error:
            fault = error
    raise fault


def _secured(call: _Call, target: Target, plain: socket.socket) -> socket.socket:
    if target.scheme == "http":
        return plain
    plain.settimeout(call.left())
    return _tls().wrap_socket(plain, server_hostname=target.host)


@functools.cache
def _tls() -> ssl.SSLContext:
    # Once, because reading the system's certificates takes tens of milliseconds.
    return ssl.create_default_context()


def _checked_addresses(call: _Call, target: Target) -> list[str]:
    guard = call.guard
    named = target.place in guard.allowed_hosts
    if not named and target.port < 1024 and target.port not in (80, 443):
        raise call.refusal(target, f"has the port {target.port}: 80, 443 or one from 1024 on is needed")
    addresses = _resolved(call, target)
    # All of them: a name with a public and a private address is made to slip through.
    if addresses and all(_allowed(address, guard, private=named or guard.allow_private) for address in addresses):
        return addresses
    # The same for a name that does not exist: a stranger must not learn which names this network knows.
    raise call.refusal(target, "has no public address that this server may use: one on the internet is needed")


def _allowed(address: str, guard: Guard, *, private: bool) -> bool:
    kind = reach(address)
    if kind != "private":
        return kind == "public"
    return private or any(unwrapped(address) in network for network in guard.allowed_networks)


def _resolved(call: _Call, target: Target) -> list[str]:
    """The host's addresses, each once, in the resolver's order; none for a name that nobody knows."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = call.guard.resolve(target.host, target.port, 0, socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError):
            answers.put([])

    # In a thread of its own, because a lookup takes no timeout and a stranger's name server may let it wait.
    threading.Thread(target=ask, name="lookup", daemon=True).start()
    try:
        return answers.get(timeout=call.left())
    except queue.Empty as error:
        raise TimeoutError from error


def _body(call: _Call, target: Target, response: http.client.HTTPResponse) -> bytes:
    if response.status != 200:
        raise call.refusal(target, f"cannot be fetched (the answer has the status {response.status})")
    # Unpacked, a few compressed bytes may have any size.
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    transfer = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if coding != "identity" or transfer != "chunked":
        raise call.refusal(target, "comes compressed, which was not asked for")
    limit = call.guard.max_bytes
    too_large = call.refusal(target, f"is larger than {limit} bytes, the most that is fetched")
    expected = response.length
    if expected is not None and expected > limit:
        raise too_large
    received = bytearray()
    while chunk := response.read1(_CHUNK):
        received += chunk
        if len(received) > limit:
            raise too_large
    if not received or (expected is not None and len(received) < expected):
        raise call.refusal(target, "is empty or broke off")
    return bytes(received)
