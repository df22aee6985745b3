"""What a measurement ran on, and how much memory a process has taken.

Nothing heavy is imported before it is needed: a cold start is measured through here.
"""

from __future__ import annotations

import os
import platform
import resource
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "numpy", "pillow")
MIB = 2**20


def describe(device: str) -> dict[str, Any]:
    """Machine, versions and load, as plain values for a JSON file."""
    import torch

    import iclight_local

    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "iclight_local": iclight_local.__version__,
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def resident_mib() -> tuple[float, float]:
    """Resident memory of this process in MiB: now, and at its highest.

    Weights read through a memory map count while their pages are held.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        unit = MIB if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / MIB
        return peak, peak
    # Not getrusage on Linux: its peak is inherited from the process that started this one.
    values = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    now, peak = (float(values[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
    return round(now, 1), round(peak, 1)


def cuda_peak_mib(device: str) -> float | None:
    """Highest memory allocated on a CUDA device in MiB; None on another device."""
    if not device.startswith("cuda"):
        return None
    import torch

    return round(torch.cuda.max_memory_allocated(device) / MIB, 1)


def busy_seconds() -> float:
    """Seconds that all cores together have worked since the machine's start, for whomever."""
    times = psutil.cpu_times()._asdict()
    # Linux counts guests in user time already.
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(value for name, value in times.items() if name not in idle)


def _processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
