"""What every stage of training shares: a loss file, resumable states, averaged weights, a learning rate."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is made orthogonal before each step: some times fewer steps than Adam for such small nets.

    The method of Keller Jordan (kellerjordan.github.io/posts/muon): the momentum of a weight, seen as a matrix
    ``[out, in * kernel]``, is replaced by the nearest orthogonal one with five Newton-Schulz iterations.
    For weights of two and more dimensions; Adam keeps the rest.
    """

    QUINTIC = (3.4445, -4.7750, 2.0315)

    def __init__(self, parameters: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One step along the orthogonalised momentum."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                momentum = state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                update = parameter.grad.lerp(momentum, group["momentum"]).flatten(1)
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                parameter.add_(self._orthogonal(update).reshape(parameter.shape), alpha=-group["lr"] * scale)

    def _orthogonal(self, matrix: torch.Tensor) -> torch.Tensor:
        first, third, fifth = self.QUINTIC
        tall = matrix.shape[0] > matrix.shape[1]
        x = ((matrix.T if tall else matrix) / (matrix.norm() + 1e-7)).bfloat16()
        for _ in range(5):
            gram = x @ x.T
            x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=third, alpha=fifth), x, beta=first)
        return (x.T if tall else x).to(matrix.dtype)


class Optimizers:
    """Muon for the matrices of a module, AdamW for the rest and for what is named ``adam``; one to the trainer."""

    def __init__(self, module: torch.nn.Module, peak: float, adam_peak: float, adam: tuple[str, ...] = ()) -> None:
        self.peaks = (peak, adam_peak)
        learned = [(name, value) for name, value in module.named_parameters() if value.requires_grad]
        matrices = [value for name, value in learned if value.ndim > 1 and not any(part in name for part in adam)]
        taken = {id(value) for value in matrices}
        rest = [value for _, value in learned if id(value) not in taken]
        self.parameters = [value for _, value in learned]
        self.both = (Muon(matrices, peak), torch.optim.AdamW(rest, adam_peak, betas=(0.9, 0.98), weight_decay=1e-4))

    def step(self, loss: torch.Tensor, rate: float) -> None:
        """One step down the loss; ``rate`` is the share of the peak learning rates."""
        for optimizer, peak in zip(self.both, self.peaks, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        for optimizer in self.both:
            optimizer.step()

    def state_dict(self) -> list[dict[str, Any]]:
        """For resuming."""
        return [optimizer.state_dict() for optimizer in self.both]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """Go on where a state was taken."""
        for optimizer, state in zip(self.both, states, strict=True):
            optimizer.load_state_dict(state)


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


class Average:
    """An exponential moving average of a module's parameters; what is kept in the end."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone().float() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def follow(self, module: torch.nn.Module, step: int) -> None:
        """Move towards the module; early steps count more, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in module.state_dict().items():
            self.values[name].lerp_(value.float(), 1 - decay)


def rate_at(step: int, steps: int, warmup: int = 50) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine down to a twentieth."""
    if step < warmup:
        return (step + 1) / warmup
    share = (step - warmup) / max(steps - warmup, 1)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


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
