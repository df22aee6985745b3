"""The log of every picture that leaves this machine: one line of JSON each, added and never changed."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iclight_local.errors import EngineError

FILE = "audit.jsonl"
"""Its name in the home folder."""


class AuditLog:
    """The log in a home folder; its owner alone can read it."""

    def __init__(self, home: Path) -> None:
        self.path = home / FILE

    def add(self, event: str, facts: Mapping[str, Any]) -> None:
        """Add a line and have it on the disk before this returns.

        Args:
            event: ``sending``, before each time that a picture goes out; ``done`` or ``failed``, what came of it;
                ``left``: it still lies where it was put.
            facts: plain JSON values.

        Raises:
            EngineError: it cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **facts}) + "\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One write to a file that is only added to: lines of several programs do not mix.
            log = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(log, line.encode("ascii"))
                os.fsync(log)
            finally:
                os.close(log)
        except OSError as error:
            raise EngineError(
                f"The log of what leaves this machine, {self.path}, cannot be written ({error.strerror}), so nothing "
                "is sent: mend its rights or free some space."
            ) from None
