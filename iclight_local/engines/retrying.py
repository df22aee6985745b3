"""From a call to its pictures: tried again where that costs nothing, asked for until the job ends, never paid twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from iclight_local.dialects.sending import Bill, Outcome, Pending, Pictures, Received, Refused, Sender, Sent
from iclight_local.engines.transport import Fault
from iclight_local.engines.watched import Patience
from iclight_local.errors import AnswerLost, EngineError, ICLightError

TRIES = 5
"""Times that one call is made at most, where it may be made again."""
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 20.0
"""Bounds of the wait before the second try, and before any: a random part of the bound, which doubles each time."""

_MOMENT_S = 0.01

Exchange = Callable[[Sent, float], Received | Fault]
"""Makes one call within so many seconds."""


@dataclass(frozen=True)
class Told:
    """What a conversation tells while it goes on.

    Attributes:
        sending: called before each call that carries the picture.
        running: called with each answer about a job: whether it has left the queue.
    """

    sending: Callable[[], None]
    running: Callable[[bool], None]


def converse(sender: Sender, first: Sent, exchange: Exchange, patience: Patience, told: Told) -> Pictures:
    """Make a call and ask for its job until there are pictures.

    Args:
        sender: who understands the answers.
        first: the call that is paid for.
        exchange: makes calls.
        patience: the time there is.
        told: what happens on the way.

    Returns:
        The pictures, with everything that was said of their price on the way.

    Raises:
        ICLightError: the provider's refusal, or :class:`~iclight_local.errors.AnswerLost` where it may have taken the
            call and there is no picture; one sentence.
    """
    talk = _Talk(sender, exchange, patience, told)
    outcome = talk.answer(first)
    bill = Bill()
    while isinstance(outcome, Pending):
        bill = _merged(bill, outcome.bill)
        told.running(outcome.running)
        if outcome.after >= patience.left():
            raise talk.unfinished(outcome.poll)
        patience.sleep(outcome.after)
        outcome = talk.answer(outcome.poll)
    return replace(outcome, bill=_merged(bill, outcome.bill))


class _Talk:
    def __init__(self, sender: Sender, exchange: Exchange, patience: Patience, told: Told) -> None:
        self._sender, self._exchange, self._patience, self._told = sender, exchange, patience, told

    def answer(self, sent: Sent) -> Pictures | Pending:
        """What a call brings, tried again where that is free and may help."""
        for attempt in range(TRIES):
            if sent.job is None:
                self._told.sending()
            found = self._outcome(sent)
            if isinstance(found, Pictures | Pending):
                return found
            wait = _wait(found, attempt)
            if not _may_retry(found, sent) or attempt + 1 == TRIES or wait >= self._patience.left():
                raise self._error(found, sent)
            self._patience.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def unfinished(self, poll: Sent) -> AnswerLost:
        """The error where a job took more than the time there was."""
        return AnswerLost(
            f"{self._sender.provider} did not finish within {self._patience.seconds:g} s, and may still charge for its "
            f"job {poll.job}: --remote-seconds waits longer."
        )

    def _outcome(self, sent: Sent) -> Outcome | Fault:
        received = self._exchange(sent, max(self._patience.left(), 0.001))
        return received if isinstance(received, Fault) else self._sender.understand(received, sent)

    def _error(self, outcome: Refused | Fault, sent: Sent) -> ICLightError:
        who = self._sender.provider
        if isinstance(outcome, Refused):
            return outcome.error
        if sent.job is not None and self._patience.left() < _MOMENT_S:
            return self.unfinished(sent)
        if sent.job is not None:
            return AnswerLost(f"{who} {outcome.what} when asked for its job {sent.job}, which may be charged for.")
        if not outcome.sent:
            return EngineError(f"{who} {outcome.what}; it was sent nothing.")
        return AnswerLost(f"{who} {outcome.what}, and may have charged for the picture: it is not asked again.")


def _may_retry(found: Refused | Fault, sent: Sent) -> bool:
    """Whether a call may be made again: as its answer says; without one, where it is free or cannot have been taken."""
    if isinstance(found, Refused):
        return found.may_retry
    return not found.final and (sent.job is not None or not found.sent)


def _wait(outcome: Refused | Fault, attempt: int) -> float:
    """Seconds before the next try: as the API asks, else a random part of a bound that doubles."""
    if isinstance(outcome, Refused) and outcome.after is not None:
        return outcome.after
    return random.uniform(0, min(MOST_WAIT_S, FIRST_WAIT_S * 2**attempt))


def _merged(old: Bill, new: Bill) -> Bill:
    """Both bills; the newer one wins where it says something."""
    return Bill(
        old.cost if new.cost is None else new.cost,
        old.remaining if new.remaining is None else new.remaining,
        old.request_id if new.request_id is None else new.request_id,
    )
