"""A server with the fake engine as a process of its own, to be killed: ``python -m tests.server.lone FOLDER``."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.fake_engine import FakeEngine
from tests.server.live import serving


class Slow(FakeEngine):
    """Takes its time, so that it is killed at work."""

    def relight(self, *asked: Any, **how: Any) -> Any:
        time.sleep(0.03)
        return super().relight(*asked, **how)


if __name__ == "__main__":
    with serving(Path(sys.argv[1]), engine=Slow()) as live:
        print(live.port, flush=True)
        threading.Event().wait()
