"""The page as a user starts it: ``iclight ui`` in a process of its own, with a home of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def page_served() -> Iterator[str]:
    """The address of a page that the embedded miniature stands behind.

    Raises:
        RuntimeError: it did not come up.
    """
    with tempfile.TemporaryDirectory(prefix="iclight-page-") as home:
        words = [sys.executable, "-m", "iclight_local.cli", "ui", "--no-browser", "--port", "0", "--home", home]
        quiet = {**os.environ, "ICLIGHT_OFFLINE": "1"}
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet)
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+", process.stdout.readline())
            if found is None:
                raise RuntimeError("iclight ui did not come up: run it by hand, and look at what it says.")
            yield found.group(0)
        finally:
            process.terminate()
            process.wait()
