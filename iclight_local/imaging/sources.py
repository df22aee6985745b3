"""Where a picture comes from: a path, a URL, a data URI, bytes or a PIL image."""

from __future__ import annotations

import base64
import binascii
import errno
import http.client
import os
import re
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Self, SupportsIndex
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit

from PIL import Image

from iclight_local import __version__
from iclight_local.errors import InvalidRequest
from iclight_local.request import ImageSource

URL_TIMEOUT_S = 30.0
"""Seconds without a byte before a download is given up."""
URL_DEADLINE_S = 300.0
"""Seconds one download may take altogether."""
URL_MAX_BYTES = 64 * 2**20
"""Bytes one download may have."""
URL_MAX_REDIRECTS = 5
"""Redirects that one download may follow."""

AS_BYTES = "the picture given as bytes"
"""What a picture without a name is called."""

_NEEDED = "a path, an http(s) URL, a data URI, bytes or a PIL image is needed"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_URL_SAFE = "%/:=&?~#+!$,;'@()*[]"
_CHUNK = 1 << 16


class Fetched(bytes):
    """The bytes of a picture that were fetched beforehand, and the name by which messages and records know it."""

    name: str

    def __new__(cls, data: bytes, name: str) -> Self:
        """Bytes that keep a name, in a copy for another process, too."""
        fetched = super().__new__(cls, data)
        fetched.name = name
        return fetched

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple[type[Self], tuple[bytes, str]]:
        return type(self), (bytes(self), self.name)


def scheme_of(source: str) -> str:
    """What an address begins with, in lower case: ``https``, ``s3``, ``data``; empty for a path."""
    if source[:5].lower() == "data:":
        return "data"
    found = _SCHEME.match(source)
    return "" if found is None else found[1].lower()


def file_path(uri: str) -> str:
    """The path that a ``file://`` address names, percent-encoding undone.

    Raises:
        InvalidRequest: it is relative, on another machine, or no UTF-8.
    """
    host, slash, rest = uri[len("file://") :].partition("/")
    if not slash or host.lower() not in ("", "localhost"):
        raise InvalidRequest(f"{uri[:80]!r} names no file of this machine: file:///folder/file is needed.")
    try:
        unquote(rest, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{uri[:80]!r} holds bytes that are no UTF-8: rename the file.") from error
    return urllib.request.url2pathname(f"/{rest}")


def url_name(url: str) -> str:
    """The last part of a URL's path, percent-encoding undone; the query, which may hold secrets, stays out."""
    return unquote(re.split("[?#]", url, maxsplit=1)[0].rstrip("/").rpartition("/")[2])


def read_source(source: ImageSource, *, offline: bool = False) -> tuple[bytes | Image.Image, str]:
    """Fetch the raw bytes of a picture (a PIL image is passed through) and a short name for messages.

    Args:
        source: path, http(s) URL, data URI, the bytes of a picture file, or a PIL image.
        offline: refuse URLs instead of fetching them.

    Returns:
        The undecoded bytes (never empty) or the PIL image itself, and a name such as ``photo.jpg``,
        ``the data URI`` or ``the image from https://host/…``.

    Raises:
        InvalidRequest: the source is missing, unreadable, empty, too large or of no known kind.
    """
    if isinstance(source, Image.Image):
        return source, _image_name(source)
    data, name = _read_bytes(source, offline=offline)
    if not data:
        raise InvalidRequest(f"{name} is empty (0 bytes): a picture is needed; copy or download it again.")
    return data, name


def _read_bytes(source: str | os.PathLike[str] | bytes, *, offline: bool) -> tuple[bytes, str]:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source), source.name if isinstance(source, Fetched) else AS_BYTES
    if isinstance(source, str):
        scheme = scheme_of(source)
        if scheme == "data":
            return _read_data_uri(source), "the data URI"
        if scheme:
            return _read_url(source, scheme, offline=offline)
    if isinstance(source, str | os.PathLike):
        return _read_path(os.fspath(source))
    raise InvalidRequest(f"a picture cannot be read from {type(source).__name__}: {_NEEDED}.")


def _image_name(image: Image.Image) -> str:
    filename = getattr(image, "filename", "")
    if isinstance(filename, str) and filename:
        return Path(filename).name
    return "the given image"


def _read_path(text: str) -> tuple[bytes, str]:
    if not text.strip():
        raise InvalidRequest(f"the path is empty: {_NEEDED}.")
    name = Path(text).name if Path(text).name else repr(text)
    try:
        mode = Path(text).stat().st_mode
        if stat.S_ISDIR(mode):
            raise InvalidRequest(
                f"{text} is a folder: one picture is needed; name a file in it, or relight all of it with "
                "`iclight batch`."
            )
        # A device such as /dev/zero has no end; a pipe (`<(…)` in a shell) has one.
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise InvalidRequest(f"{text} is a device or socket: the path of a picture file is needed.")
        return Path(text).read_bytes(), name
    except (OSError, ValueError) as error:
        raise InvalidRequest(_path_sentence(text, error)) from error


def _path_sentence(text: str, error: OSError | ValueError) -> str:
    reason = getattr(error, "errno", None)
    # Nobody has a path this long: it is base64 as some hosted APIs take it, without the prefix.
    if len(text) > 1024 or reason == errno.ENAMETOOLONG:
        return (
            f"a text of {len(text)} characters that begins with {text[:16]!r} names no file: {_NEEDED}; "
            "write data:image/png;base64, before a picture in base64."
        )
    if reason in (errno.ENOENT, errno.ENOTDIR):
        return f"{text!r} does not exist: {_NEEDED}; check the spelling and the folder it is in."
    if reason == errno.EACCES:
        return f"{text!r} may not be read by this user: change its permissions or give another picture."
    detail = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{text!r} cannot be read ({detail}): {_NEEDED}."


def _read_data_uri(text: str) -> bytes:
    header, comma, payload = text[5:].partition(",")
    if not comma:
        raise InvalidRequest("the data URI has no comma: data:image/png;base64,… is needed; write the data behind one.")
    if not header.lower().rstrip().endswith(";base64"):
        return unquote_to_bytes(payload)
    packed = b"".join(unquote_to_bytes(payload).split()).translate(bytes.maketrans(b"-_", b"+/"))
    try:
        # Padding is optional in the wild; base64 without it is still unambiguous.
        return base64.b64decode(packed.rstrip(b"=") + b"=" * (-len(packed.rstrip(b"=")) % 4), validate=True)
    except binascii.Error as error:
        raise InvalidRequest(
            f"the data URI is no valid base64 ({error}): data:image/png;base64,… is needed; encode it again."
        ) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows few redirects, and only to http and https."""

    max_redirections = URL_MAX_REDIRECTS + 2
    max_repeats = URL_MAX_REDIRECTS + 2

    def __init__(self, name: str) -> None:
        self.name = name
        self.hops = 0

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.hops += 1
        known = urlsplit(newurl).scheme.lower() in ("http", "https")
        if known and self.hops <= URL_MAX_REDIRECTS:
            return super().redirect_request(req, fp, code, msg, headers, newurl)
        fp.close()
        found = f"more than {URL_MAX_REDIRECTS} times" if known else "to something that is not http or https"
        raise InvalidRequest(f"{self.name} redirects {found}: give the picture's final address or download it first.")


def _read_url(url: str, scheme: str, *, offline: bool) -> tuple[bytes, str]:
    if scheme not in ("http", "https"):
        raise InvalidRequest(f"a picture cannot be read from a {scheme}:// address: {_NEEDED}.")
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
        host = parts.hostname
    except ValueError as error:
        raise InvalidRequest(f"{url[:80]!r} is no valid URL ({error}): {_NEEDED}.") from error
    if not host:
        raise InvalidRequest(f"{url[:80]!r} is no valid URL (it names no host): {_NEEDED}.")
    # Path, query and password stay out of messages: signed links carry secrets in them.
    name = f"the image from {scheme}://{host}{port}/…"
    if offline:
        raise InvalidRequest(
            f"{name} is not fetched, because offline mode is on: download it and give its path, or go online."
        )
    return _fetch(quote(url, safe=_URL_SAFE), name), name


def _fetch(url: str, name: str) -> bytes:
    # Only these handlers: urllib's defaults would also open file:, ftp: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        _Redirects(name),
    ):
        opener.add_handler(handler)
    opener.addheaders = [("User-Agent", f"iclight-local/{__version__}"), ("Accept", "image/*,*/*;q=0.5")]
    mend = "check the address, or download the picture and give its path"
    try:
        with opener.open(url.partition("#")[0], timeout=URL_TIMEOUT_S) as response:
            return _drain(response, name)
    except urllib.error.HTTPError as error:
        error.close()
        raise InvalidRequest(
            f"{name} cannot be fetched (the server answered {error.code} {error.reason}): {mend}."
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        detail = "no answer in time" if isinstance(reason, TimeoutError) else str(reason)
        raise InvalidRequest(f"{name} cannot be fetched ({detail}): {mend}.") from error


def _drain(response: http.client.HTTPResponse, name: str) -> bytes:
    announced = response.headers.get("Content-Length", "")
    expected = int(announced) if announced.isdecimal() else None
    too_large = f"{name} is larger than {URL_MAX_BYTES >> 20} MiB: download it and give its path."
    if expected is not None and expected > URL_MAX_BYTES:
        raise InvalidRequest(too_large)
    deadline = time.monotonic() + URL_DEADLINE_S
    received = bytearray()
    while chunk := response.read1(_CHUNK):
        received += chunk
        if len(received) > URL_MAX_BYTES:
            raise InvalidRequest(too_large)
        if time.monotonic() > deadline:
            raise InvalidRequest(f"{name} took longer than {URL_DEADLINE_S:.0f} s: download it and give its path.")
    if expected is not None and len(received) < expected:
        raise InvalidRequest(
            f"{name} broke off after {len(received)} of {expected} bytes: try again, or download it first."
        )
    return bytes(received)
