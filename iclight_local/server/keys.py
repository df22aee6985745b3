"""API keys: who may call. A key is shown once, when it is made; its SHA-256 is all that is kept.

A key has 256 random bits, so that a plain hash of it cannot be turned round by guessing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from pathlib import Path
from typing import Any

from iclight_local.errors import InvalidRequest
from iclight_local.imaging.write import write

FILE = "keys.json"
PREFIX = "icl_"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class KeyFile:
    """The keys in one JSON file."""

    def __init__(self, path: Path) -> None:
        """Read the keys; a file that is not there holds none.

        Raises:
            InvalidRequest: it cannot be read, or is something else.
        """
        self._path = path
        self._keys: dict[str, dict[str, Any]] = {}
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            self._keys = {str(name): {"sha256": str(each["sha256"]), **each} for name, each in table["keys"].items()}
        except FileNotFoundError:
            pass
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read ({error.strerror}): mend its rights.") from None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InvalidRequest(f"{path} is no file of keys: move it away, and make keys anew.") from None

    @property
    def names(self) -> dict[str, float]:
        """When each key was made (seconds since the epoch), by its name."""
        return {name: float(each.get("created", 0)) for name, each in sorted(self._keys.items())}

    def add(self, name: str) -> str:
        """Make a key.

        Returns:
            The key; it is not kept.

        Raises:
            InvalidRequest: a name that is taken or is none.
        """
        if not _NAME.fullmatch(name):
            raise InvalidRequest(
                f"The name {name!r} is none for a key: up to 64 letters, digits, dots, dashes and underscores are."
            )
        if name in self._keys:
            raise InvalidRequest(f"There is a key {name} already: iclight keys remove {name} takes it away.")
        key = PREFIX + secrets.token_urlsafe(32)
        self._keys[name] = {"sha256": _hash(key), "created": time.time()}
        self._write()
        return key

    def remove(self, name: str) -> None:
        """Take a key away.

        Raises:
            InvalidRequest: there is none of that name.
        """
        if self._keys.pop(name, None) is None:
            raise InvalidRequest(f"There is no key {name}: iclight keys list shows those that are.")
        self._write()

    def owner(self, key: str) -> str | None:
        """The name of a key; None where it is not known. Takes as long for a wrong key as for a right one."""
        hashed, found = _hash(key), None
        for name, each in self._keys.items():
            if hmac.compare_digest(hashed, each["sha256"]):
                found = name
        return found

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write(self._path, json.dumps({"keys": self._keys}, indent=1).encode() + b"\n", overwrite=True)
        self._path.chmod(0o600)


def key_file(home: Path) -> KeyFile:
    """The keys of a home folder; raises as :class:`KeyFile` does."""
    return KeyFile(home / FILE)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
