"""A card on paper: what torch records on it is played again by the processor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode


class Tape(TorchDispatchMode):
    """Stands for a graph: the operations that were computed, once more, into where their results were."""

    def __init__(self) -> None:
        super().__init__()
        self._noted: list[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self._noted.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self._noted:
            again = func(*args, **kwargs)
            if isinstance(result, torch.Tensor):
                result.copy_(again)


class PaperCard:
    """Stands for :mod:`torch.cuda`; what is in force where something is recorded is noted.

    Attributes:
        plays: whether what is recorded is noted and played; torch traces nothing that is noted, and then never does.
        recorded: of each recording the device, the stream's device, and the memory it went to.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recorded: list[tuple[torch.device, torch.device, int]] = []
        self._in_force: dict[str, Any] = {"device": torch.device("cuda:0"), "stream": None}
        self._pools = 0
        self.plays = True
        for name, stand_in in {
            "Stream": self._made_stream,
            "current_stream": self._made_stream,
            "CUDAGraph": Tape,
            "graph_pool_handle": self._made_pool,
            "device": lambda device: self._entered("device", device),
            "stream": lambda stream: self._entered("stream", stream),
            "graph": self._recording,
        }.items():
            monkeypatch.setattr(torch.cuda, name, stand_in)

    def _made_stream(self, device: Any = None) -> Any:
        on = self._in_force["device"] if device is None else device
        return SimpleNamespace(device=on, wait_stream=lambda other: None)

    def _made_pool(self) -> int:
        self._pools += 1
        return self._pools

    @contextmanager
    def _entered(self, name: str, value: Any) -> Iterator[None]:
        before, self._in_force[name] = self._in_force[name], value
        yield
        self._in_force[name] = before

    @contextmanager
    def _recording(self, graph: Tape, pool: Any = None, stream: Any = None, **options: Any) -> Iterator[None]:
        # torch keeps a stream of the device that was in force first.
        used = SimpleNamespace(device=torch.device("cuda:0")) if stream is None else stream
        self.recorded.append((self._in_force["device"], used.device, pool))
        with graph if self.plays else nullcontext():
            yield
