"""Bytes to files: whole or not at all, and never over somebody's picture."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from iclight_local.errors import EngineError, InvalidRequest

_OVERWRITE = "choose another name, or add --overwrite (in Python: overwrite=True)"
# The user can mend these by naming another file; anything else is a failing machine.
_USER_ERRNOS = frozenset(
    (
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.EILSEQ,
        errno.ELOOP,
    )
)


def check_writable(path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Check, before the expensive work, that :func:`write` will be able to write; nothing is left behind.

    Raises:
        InvalidRequest: the file exists and may not be overwritten, is no plain file, or its folder is
            missing or not writable.
        EngineError: the disk is full or fails.
    """
    target = Path(path)
    with _as_sentences(target):
        _check_target(target, overwrite=overwrite)
        probe = _temporary_beside(target)
        try:
            probe.touch(exist_ok=False)
        finally:
            probe.unlink(missing_ok=True)


def write(path: str | os.PathLike[str], data: bytes, *, overwrite: bool = False) -> None:
    """Write one file; see :func:`write_all`."""
    write_all({Path(path): data}, overwrite=overwrite)


def write_all(files: Mapping[Path, bytes], *, overwrite: bool = False, mark: str = "") -> None:
    """Write files whole, and all of them or none: to temporary names beside them, synced, then renamed.

    Without ``overwrite`` an existing file stays untouched even when it appears in the meantime; with it, a
    symbolic link stays and the file it points to is replaced. On every failure, an interrupt included, the
    temporary files are removed, and so are the files of this call that are new. ``mark`` stands in the temporary names,
    by which :func:`remove_temporaries` finds them when the process was killed.

    Raises:
        InvalidRequest: as :func:`check_writable` does.
        EngineError: the disk is full or fails.
    """
    staged: dict[Path, Path] = {}
    created: list[Path] = []
    try:
        for path, data in files.items():
            with _as_sentences(path):
                target = Path(os.path.realpath(path)) if overwrite else path
                _check_target(target, overwrite=overwrite)
                staged[target] = _temporary_beside(target, mark)
                _fill(staged[target], data)
        for target, temporary in staged.items():
            with _as_sentences(target):
                if overwrite:
                    temporary.replace(target)
                else:
                    _rename_to_new(temporary, target)
                    created.append(target)
    except BaseException:
        for target in created:
            target.unlink(missing_ok=True)
        raise
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)
    for folder in {target.parent for target in staged}:
        _sync_folder(folder)


def _fill(temporary: Path, data: bytes) -> None:
    with temporary.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def remove_temporaries(folder: Path, mark: str) -> None:
    """Remove what killed processes left half-written in a folder under a mark, with which nobody may be writing.

    Raises:
        OSError: the folder cannot be read, or a file not removed.
    """
    for path in folder.glob(_TEMPORARY.format(f"{mark}*")):
        path.unlink(missing_ok=True)


_TEMPORARY = ".iclight-{}.tmp"


def _temporary_beside(target: Path, mark: str = "") -> Path:
    return target.parent / _TEMPORARY.format(mark + secrets.token_hex(8))


def _check_target(target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise InvalidRequest(f"{target} is a folder: the name of a file is needed; add one, such as out.png.")
    try:
        target.lstat()
    except FileNotFoundError:
        return
    if not overwrite:
        raise InvalidRequest(f"{target} exists already: {_OVERWRITE}.")
    # Renaming over /dev/null would replace the device.
    if target.exists() and not target.is_file():
        raise InvalidRequest(f"{target} is a device or a pipe: the name of a plain file is needed.")


def _rename_to_new(temporary: Path, target: Path) -> None:
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:
        # Memory cards (FAT, exFAT) and some network drives have no hard links: claim the name, then fill it.
        target.touch(exist_ok=False)
        try:
            temporary.replace(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise


def _sync_folder(folder: Path) -> None:
    # The file is complete by now; not every system can sync a folder.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def _as_sentences(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise InvalidRequest(f"{target} exists already: {_OVERWRITE}.") from error
    except ValueError as error:
        raise InvalidRequest(f"{str(target)!r} is no file name ({error}): give another name.") from error
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR) and not target.parent.is_dir():
            raise InvalidRequest(
                f"{target} cannot be written: {target.parent} is no folder; create it or choose another."
            ) from error
        if error.errno == errno.ENOENT:
            # So do folders of the system answer, such as /proc.
            raise InvalidRequest(
                f"{target} cannot be written: {target.parent} takes no new files; choose another folder."
            ) from error
        if error.errno in _USER_ERRNOS:
            raise InvalidRequest(
                f"{target} cannot be written ({error.strerror}): choose another name or folder."
            ) from error
        raise EngineError(
            f"{target} could not be written ({error.strerror}): free some space or choose another disk."
        ) from error
