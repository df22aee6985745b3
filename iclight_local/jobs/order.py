"""Who is next: turns between owners, first come first served within each."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping


def fair_order(waiting: Iterable[tuple[str, str]], served: Mapping[str, int]) -> list[str]:
    """The order in which jobs will run if nothing else comes.

    An owner whose last turn is the longest ago is next: of hundreds of jobs that one sends, one at most begins before
    another's single job. Those that run already are not stopped, and may all be of one owner.

    Args:
        waiting: (job, owner), in the order of their coming.
        served: the number of each owner's last turn, counted over all owners; owners without one come first.

    Returns:
        The jobs.
    """
    queues: dict[str, deque[str]] = defaultdict(deque)
    for job, owner in waiting:
        queues[owner].append(job)
    # Owners of the same turn keep the order in which their first jobs came: sorting is stable.
    turns = deque(sorted(queues, key=lambda owner: served.get(owner, -1)))
    found = []
    while turns:
        owner = turns.popleft()
        found.append(queues[owner].popleft())
        if queues[owner]:
            turns.append(owner)
    return found
