"""What a bench ran on."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from iclight_local import __version__
from iclight_local.engines.record import library_versions


def environment() -> dict[str, Any]:
    """Time, machine, load and versions, as plain values for a JSON file."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "load_average": [round(value, 2) for value in load],
        "python": platform.python_version(),
        "iclight_local": __version__,
        "packages": library_versions(),
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    found = platform.processor()
    return found if found else platform.machine()


def _memory_gib() -> float | None:
    """Memory of the machine; None where the system does not tell it in this way, as Windows does not."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
