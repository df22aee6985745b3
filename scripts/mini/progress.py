"""What every stage of training shares: a loss file, resumable states, averaged weights, a learning rate."""

from __future__ import annotations

import csv
import math
import time
from pathlib import Path
from typing import Any

import torch


class LossFile:
    """Means of the losses between two lines of a CSV; after a resume it goes on behind the last kept step."""

    def __init__(self, path: Path, after: int, every: int) -> None:
        self.path, self.every, self.started = path, every, time.monotonic()
        self.sums: dict[str, float] = {}
        self.count = 0
        kept: list[list[str]] = []
        if path.exists():
            with path.open(newline="") as file:
                kept = [row for row in csv.reader(file) if row and (row[0] == "step" or int(row[0]) <= after)]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(kept)
        self.has_head = bool(kept)

    def add(self, step: int, losses: dict[str, float]) -> None:
        """Note the losses of a step; every ``every`` steps a line is written and printed."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if step % self.every:
            return
        means = {name: total / self.count for name, total in self.sums.items()}
        rate = self.count / (time.monotonic() - self.started)
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if not self.has_head:
                writer.writerow(["step", *means, "steps_per_second"])
                self.has_head = True
            writer.writerow([step, *(f"{value:.6f}" for value in means.values()), f"{rate:.3f}"])
        shown = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        print(f"{self.path.stem} {step}: {shown}  ({rate:.2f} steps/s)", flush=True)
        self.sums, self.count, self.started = {}, 0, time.monotonic()


class Average(torch.nn.Module):
    """An exponential moving average of a module's parameters; what is kept in the end."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.values = {name: value.detach().clone().float() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def follow(self, module: torch.nn.Module, step: int) -> None:
        """Move towards the module; early steps count more, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value.float(), 1 - decay)


def learning_rate(step: int, steps: int, peak: float, warmup: int = 200) -> float:
    """Linear warm-up, then a cosine down to a twentieth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(steps - warmup, 1)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a state so that a killed process leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.rename(path)


def load_state(path: Path) -> dict[str, Any] | None:
    """The state that was saved last, or None."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=False)
    return state
