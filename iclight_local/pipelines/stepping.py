"""Many loops at once: they take turns at the UNet, and share its calls where that costs nothing.

A loop joins when it arrives, also in the middle of others, and leaves when it has ended. It keeps its own scheduler and
generator, so its picture does not depend on its neighbours; what is left is the rounding of sums in another order, a
grey level at most.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

from iclight_local.errors import Cancelled, OutOfMemory
from iclight_local.pipelines.loops import Going, Loop, joined, sharing
from iclight_local.pipelines.memory import Work
from iclight_local.pipelines.offloading import CardMemory
from iclight_local.pipelines.placement import device_errors, free_memory, let_go, reset_peak_memory

if TYPE_CHECKING:
    from iclight_local.pipelines.iclight import ICLightPipeline

_log = logging.getLogger(__name__)
_GIVEN_UP = "It was interrupted."
_AGAIN = 50
"""Every so many times that the last run has ended, calls that were too large are tried again."""


class Stepper:
    """Carries the loops of all threads of a process, as many at once as there are.

    One of the threads that wait for their loops makes the calls, also those of the others, until its own loops have
    ended; then another of them does.

    Args:
        memory: of the card that all loops share.
        before: called before a loop begins while no other one is under way.
    """

    def __init__(self, memory: CardMemory, before: Callable[[], None]) -> None:
        self._memory, self._before = memory, before
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._going: list[Going] = []
        self._leader: int | None = None
        self._turns = itertools.count()
        self._limits: WeakKeyDictionary[ICLightPipeline, dict[torch.Size, int]] = WeakKeyDictionary()
        self._rests = 0

    def run(self, loops: Sequence[Loop[Any]]) -> None:
        """Carry loops to their ends; they join together, behind those that came before and cannot go beside them.

        With nobody else around the calls and their order follow from the loops alone. What became of each is told by
        the loop itself: whatever fails in one ends that one alone.

        Raises:
            BaseException: what is no ``Exception``, as Ctrl-C; the loops are given up then.
        """
        try:
            with self._changed:
                self._queue.extend(loops)
            while self._is_to_lead(loops):
                self._lead(loops)
        finally:
            for loop in loops:
                if not loop.ended:
                    loop.fail(Cancelled(_GIVEN_UP))
            with self._changed:
                if self._leader in (None, threading.get_ident()):
                    self._leader = None
                    self._dismiss()
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have no loop under way: those from before end first, and those that come meanwhile wait."""
        mark = object()
        with self._changed:
            self._queue.append(mark)
        try:
            with self._changed:
                self._changed.wait_for(lambda: self._queue[0] is mark and not self._going)
            yield
        finally:
            with self._changed:
                self._queue.remove(mark)
                self._changed.notify_all()

    def _is_to_lead(self, loops: Sequence[Loop[Any]]) -> bool:
        """Wait for a moment at which nobody leads, and lead from then on; False once all of the loops have ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._leader is None or _all_ended(loops))
            if _all_ended(loops):
                return False
            self._leader = threading.get_ident()
            return True

    @torch.no_grad()
    def _lead(self, loops: Sequence[Loop[Any]]) -> None:
        """Make the calls of all loops until some have ended."""
        while not _all_ended(loops):
            while (joined := self._joined()) is not None:
                self._begin(joined)
            self._dismiss()
            if self._going:
                self._serve(self._chosen())
                self._dismiss()
            else:
                with self._changed:
                    # Who is alone now was before whatever waits here.
                    self._changed.wait_for(lambda: not self._queue or isinstance(self._queue[0], Loop))

    def _joined(self) -> Going | None:
        """The next of those that wait, if it can go beside those that are under way; nobody overtakes it."""
        with self._changed:
            head = self._queue[0] if self._queue else None
            if not isinstance(head, Loop):
                return None
            if head.ended:
                self._queue.popleft()
                return self._joined()
            if not self._memory.goes_beside(head.pipe, head.work, self._works()):
                return None
            self._queue.popleft()
            found = Going(head, next(self._turns))
            self._going.append(found)
            return found

    def _works(self) -> list[tuple[ICLightPipeline, Work]]:
        return [(each.loop.pipe, each.loop.work) for each in self._going]

    def _begin(self, going: Going) -> None:
        loop, others = going.loop, self._works()[:-1]
        with self._failing(loop):
            if not others:
                self._before()
                reset_peak_memory(self._memory.placement.device)
            going.coroutine = loop.begin(lambda: self._memory.settle(loop.pipe, loop.work, others))
            going.go_on(None)

    @contextmanager
    def _failing(self, loop: Loop[Any]) -> Iterator[None]:
        """Whatever goes wrong in a block ends one loop; what is no ``Exception`` is this thread's, too."""
        try:
            with device_errors(self._memory.placement):
                yield
        except Exception as error:  # noqa: BLE001  # whatever it is, it is of this loop and of no other
            loop.fail(error)
            let_go(error)
        except BaseException:
            # It may be another thread's loop, which this thread cannot take up again.
            loop.fail(Cancelled(_GIVEN_UP))
            raise

    def _chosen(self) -> list[Going]:
        """Who shares the next call: whoever waits longest, and others that fit, up to a number of rows that pays."""
        first, *others = sorted(self._going, key=lambda each: each.turn)
        return sharing(first, [each for each in others if each.fits(first)], self._most(first))

    def _most(self, going: Going) -> int:
        """Rows that a call like a loop's next one may have."""
        height, width = going.wanted.sample.shape[2:]
        most = self._memory.most_rows(going.loop.pipe, height * width, self._works())
        return min(most, self._limits.get(going.loop.pipe, {}).get(_size(going), most))

    def _serve(self, chosen: Sequence[Going]) -> None:
        """Make one call and take its loops on; where several fail, none of them has moved."""
        try:
            with device_errors(self._memory.placement):
                noise = chosen[0].loop.pipe.predict(joined(chosen))
        except Exception as error:  # noqa: BLE001  # told by the loops that it ends
            let_go(error)
            if len(chosen) == 1:
                chosen[0].loop.fail(error)
            elif isinstance(error, OutOfMemory):
                free_memory(self._memory.placement.device)
                known = self._limits.setdefault(chosen[0].loop.pipe, {})
                known[_size(chosen[0])] = sum(each.rows for each in chosen) // 2
            else:
                # Each alone, so that none pays for another.
                for one in chosen:
                    self._serve([one])
            return
        for each, own in zip(chosen, noise.split_with_sizes([each.rows for each in chosen]), strict=True):
            each.turn = next(self._turns)
            with self._failing(each.loop):
                each.go_on(own)

    def _dismiss(self) -> None:
        """Let those go that have ended, and tell whoever waits for them; done by who leads, or while nobody does."""
        over = [each for each in self._going if each.loop.ended]
        if not over:
            return
        for each in over:
            each.close()
        left = [each for each in self._going if each not in over]
        if not left:
            self._rest()
        with self._changed:
            self._going = left
            self._changed.notify_all()

    def _rest(self) -> None:
        """What follows the last run, before anybody is told that it has ended and may take the models away."""
        self._rests += 1
        if self._rests % _AGAIN == 0:
            # There may be more memory by now, and to find out costs one call.
            self._limits.clear()
        try:
            self._memory.rest()
        except Exception:  # noqa: BLE001  # whoever leads has its picture, or its own error
            _log.warning("The models could not be brought to rest.", exc_info=True)


def _all_ended(loops: Sequence[Loop[Any]]) -> bool:
    return all(loop.ended for loop in loops)


def _size(going: Going) -> torch.Size:
    """Height and width of a loop's next call: with its rows, what the call's memory depends on."""
    return going.wanted.sample.shape[2:]
