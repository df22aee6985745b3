"""Places: where pictures, manifests and results lie, each a text.

A place is a local path, a ``file://``, http(s) or data URI, or any address that fsspec knows (``s3://``, ``gs://``,
``memory://`` …). Local files are read and written here as everywhere else; fsspec is asked for the rest.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from iclight_local.errors import EngineError, ICLightError, InvalidRequest
from iclight_local.imaging import write as local_files
from iclight_local.imaging.sources import Fetched, file_path, read_source, scheme_of, url_name

_BY_READ_SOURCE = ("http", "https", "data")
_ON_THIS_MACHINE = ("", "file", "data", "memory", "local")


def absolute(place: str, base: str) -> str:
    """A place that means the same wherever it is read; ``file://`` becomes a path.

    Args:
        place: as a manifest or a user writes it.
        base: the place of the folder that a relative path is relative to.

    Raises:
        InvalidRequest: it is empty, or a ``file://`` address that names no file of this machine.
    """
    scheme = scheme_of(place)
    if scheme == "file":
        return file_path(place)
    if scheme:
        return place
    if not place.strip():
        raise InvalidRequest("a picture's place is empty: a path, a URL or a data URI is needed.")
    return join(base, place)


def join(folder: str, name: str) -> str:
    """The place of something in a folder.

    Args:
        folder: a local path, or an address that fsspec knows.
        name: a path relative to it, with ``/`` between folders; an absolute path stands for itself.
    """
    if is_local(folder):
        return os.path.normpath(Path(folder, name))
    if Path(name).is_absolute():
        return name
    head, mark, path = folder.partition("://")
    return head + mark + posixpath.normpath(posixpath.join("/", path, name)).lstrip("/")


def parent(place: str) -> str:
    """The place of the folder that something lies in."""
    if is_local(place):
        return os.path.dirname(place)  # noqa: PTH120
    return place.rstrip("/").rpartition("/")[0]


def is_local(place: str) -> bool:
    """Whether it is a path of this machine."""
    return scheme_of(place) == ""


def is_near(place: str) -> bool:
    """Whether it is on this machine, and no network is waited for."""
    return scheme_of(place) in _ON_THIS_MACHINE


def name_of(place: str) -> str:
    """The last part of a place, by which messages and records know it: ``photo.jpg``."""
    scheme = scheme_of(place)
    if scheme == "data":
        return "the data URI"
    if scheme in _BY_READ_SOURCE:
        return url_name(place)
    if scheme == "file":
        return Path(file_path(place)).name
    return place.rstrip("/").rpartition("/")[2] if scheme else Path(place).name


def suffix_of(place: str) -> str:
    """What a place ends with, in lower case: ``.csv``; empty where there is no such thing."""
    return os.path.splitext(name_of(place))[1].lower()  # noqa: PTH122


def shown(place: str) -> str:
    """A place as a message shows it; user, password and query of an address stay out."""
    scheme = scheme_of(place)
    if scheme in ("", "data"):
        return repr(place) if scheme == "" else name_of(place)
    return f"{scheme}://…/{name_of(place)}"


def fetch(place: str, *, offline: bool = False) -> Fetched:
    """The bytes of a picture.

    Args:
        place: an absolute place.
        offline: refuse whatever is not on this machine.

    Raises:
        InvalidRequest: it is missing, unreadable, empty or of no known kind; or offline mode is on.
        EngineError: a remote place failed.
    """
    if is_local(place) or scheme_of(place) in _BY_READ_SOURCE:
        data, name = read_source(place, offline=offline)
        assert isinstance(data, bytes)
        return Fetched(data, name)
    return Fetched(read(place, offline=offline), name_of(place))


def read(place: str, *, offline: bool = False) -> bytes:
    """The contents of a file that lies in a folder; raises as :func:`fetch` does."""
    with sentences(place):
        if is_local(place):
            return Path(place).read_bytes()
        system, path = filesystem(place, offline=offline)
        return bytes(system.cat_file(path))


@contextmanager
def opened(place: str, *, offline: bool = False) -> Iterator[BinaryIO]:
    """A file to be read piece by piece; raises as :func:`fetch` does."""
    with sentences(place):
        if is_local(place):
            stream: BinaryIO = Path(place).open("rb")  # noqa: SIM115
        elif scheme_of(place) in _BY_READ_SOURCE:
            stream = io.BytesIO(fetch(place, offline=offline))
        else:
            system, path = filesystem(place, offline=offline)
            stream = system.open(path, "rb")
        with stream:
            yield stream


def stamp(place: str, *, offline: bool = False) -> str:
    """What tells cheaply whether a picture is still the same: size and time of a file, an address by itself.

    Raises:
        InvalidRequest, EngineError: as :func:`fetch` does.
    """
    if scheme_of(place) in _BY_READ_SOURCE:
        return hashlib.sha256(place.encode()).hexdigest()
    with sentences(place):
        if is_local(place):
            found = Path(place).stat()
            return f"{found.st_size}-{found.st_mtime_ns}"
        system, path = filesystem(place, offline=offline)
        return str(system.ukey(path))


def exists(place: str, *, offline: bool = False) -> bool:
    """Whether a file or folder is there; raises as :func:`fetch` does."""
    with sentences(place):
        if is_local(place):
            return os.path.lexists(place)
        system, path = filesystem(place, offline=offline)
        return bool(system.exists(path))


def is_folder(place: str, *, offline: bool = False) -> bool:
    """Whether it is a folder that is there; raises as :func:`exists` does."""
    if scheme_of(place) in _BY_READ_SOURCE:
        return False
    with sentences(place):
        if is_local(place):
            return Path(place).is_dir()
        system, path = filesystem(place, offline=offline)
        return bool(system.isdir(path))


def entries(folder: str, *, offline: bool = False) -> Iterator[tuple[str, bool]]:
    """Names of what lies in a folder, and whether each is a folder itself; raises as :func:`fetch` does.

    Links to folders are left out, because they can lead round in a circle; so is what is neither file nor folder.
    """
    with sentences(folder):
        if is_local(folder):
            with os.scandir(folder) as found:
                for entry in found:
                    inner = entry.is_dir(follow_symlinks=False)
                    if inner or entry.is_file():
                        yield entry.name, inner
            return
        system, path = filesystem(folder, offline=offline)
        for each in system.ls(path, detail=True):
            name = str(each["name"]).rstrip("/")
            # Stores without folders keep an empty object in place of one, and list it as its own member.
            if name.strip("/") != path.strip("/"):
                yield name.rpartition("/")[2], each["type"] == "directory"


def write_all(
    folder: str, files: Mapping[str, bytes], *, overwrite: bool = False, offline: bool = False, mark: str = ""
) -> None:
    """Write files whole; locally all or none, as :func:`iclight_local.imaging.write.write_all` does.

    Args:
        folder: of the output; made where it is missing, as are folders in it.
        files: contents by name, relative to the folder, with ``/`` between folders; written in this order.
        overwrite: replace what is there already.
        offline: refuse a folder that is not on this machine.
        mark: in temporary names.

    Raises:
        InvalidRequest: a file is there, cannot be written, or a link leads out of the folder.
        EngineError: the disk is full, or a remote place failed.
    """
    if is_local(folder):
        targets = {_inside(folder, name): data for name, data in files.items()}
        for target in targets:
            _make_folder(target.parent)
        local_files.write_all(targets, overwrite=overwrite, mark=mark)
        return
    for name, data in files.items():
        place = join(folder, name)
        with sentences(place, doing="written"):
            system, path = filesystem(place, offline=offline)
            if not overwrite and system.exists(path):
                raise InvalidRequest(f"{shown(place)} exists already: choose another name, or add --overwrite.")
            system.makedirs(parent(path), exist_ok=True)
            system.pipe_file(path, data)


def _inside(folder: str, name: str) -> Path:
    root, target = os.path.realpath(folder), os.path.realpath(Path(folder, name))
    if os.path.commonpath((root, target)) != root or target == root:
        raise InvalidRequest(f"{name!r} leads out of the output {folder}: remove the symbolic link that is there.")
    return Path(folder, name)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EIO, errno.EDQUOT):
            raise EngineError(
                f"the folder {folder} could not be made ({error.strerror}): free some space or choose another disk."
            ) from error
        raise InvalidRequest(
            f"the folder {folder} cannot be made ({error.strerror}): choose another output."
        ) from error


def filesystem(place: str, *, offline: bool) -> tuple[Any, str]:
    """The fsspec file system of an address, and its path there.

    Raises:
        InvalidRequest: its kind is unknown, lacks a package, or is not on this machine in offline mode.
    """
    scheme = scheme_of(place)
    if offline and scheme not in _ON_THIS_MACHINE:
        raise InvalidRequest(f"{shown(place)} is not on this machine, and offline mode is on: copy it, or go online.")
    from fsspec.core import url_to_fs
    from fsspec.registry import get_filesystem_class

    try:
        get_filesystem_class(scheme)
        system, path = url_to_fs(place)
    except ImportError as error:
        package = _package(scheme, error)
        raise InvalidRequest(f"{scheme}:// addresses need the package {package}: pip install {package}.") from error
    except ValueError as error:
        raise InvalidRequest(
            f"{shown(place)} is no address that is known here ({_detail(error)}): a path, https://, s3://, gs:// or "
            "another one that fsspec knows is needed."
        ) from error
    return system, str(path)


def _package(scheme: str, error: ImportError) -> str:
    """The package that a scheme lacks: the driver itself, or what fsspec's own driver is built on."""
    from fsspec.registry import known_implementations

    driver = str(known_implementations.get(scheme, {}).get("class", "fsspec")).partition(".")[0]
    return driver if driver != "fsspec" else str(getattr(error.__cause__, "name", None)).partition(".")[0]


@contextmanager
def sentences(place: str, *, doing: str = "read") -> Iterator[None]:
    """Turn whatever a file system raises into one sentence."""
    try:
        yield
    except ICLightError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InvalidRequest(f"{shown(place)} does not exist: check the spelling and the folder it is in.") from error
    except IsADirectoryError as error:
        raise InvalidRequest(f"{shown(place)} is a folder: the name of a file is needed.") from error
    except PermissionError as error:
        raise InvalidRequest(
            f"{shown(place)} may not be {doing} by this user: change its permissions or give another place."
        ) from error
    # Drivers of fsspec raise what the libraries raise that they are built on.
    except Exception as error:
        if not is_local(place):
            raise EngineError(
                f"{shown(place)} could not be {doing} ({_detail(error)}): check the address, your access to it and "
                "the network."
            ) from error
        if not isinstance(error, OSError | ValueError):
            raise
        raise InvalidRequest(f"{shown(place)} cannot be {doing} ({_detail(error)}): give another place.") from error


def _detail(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = text.splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
