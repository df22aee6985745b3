"""What all results of a batch depend on beside their rows, so that a batch is not resumed with something else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from iclight_local.batch.ledger import Ledger
from iclight_local.engines.loras import describe_loras
from iclight_local.engines.presets import with_preset
from iclight_local.errors import InvalidRequest
from iclight_local.fields import option_of
from iclight_local.plan import RelightPlan, plan_of
from iclight_local.request import RelightRequest
from iclight_local.settings import LOCAL, Settings
from iclight_local.store.bundles import Bundle, find_bundle

SETUP, TOGETHER = "setup", "together"
"""Facts that a ledger keeps: the setup, and the rows of a group."""

_UNSAID = {"precision": "floating point"}
"""What holds where a setup does not say it: ledgers may be older than int8, and digests are made of setups."""
_EDGE = 1 << 16


def setup_of(settings: Settings, *, sequence: bool) -> dict[str, Any]:
    """What results depend on: weights, segmenter, LoRAs, preset, int8, who else may relight, whether they are frames.

    Raises:
        WeightsError: the weights are not there.
    """
    return {
        "weights": _fingerprint(find_bundle(settings.weights, settings.home)) if LOCAL in settings.engines else "none",
        # The usual one may come to this machine between two runs, and most rows may need none: records name it.
        "segmenter": "the usual one" if settings.segmenter is None else settings.segmenter,
        "lora": [
            f"{each['name']}:{each['scale']:g} ({each['sha256'][:8]})"
            for each in describe_loras(settings.lora, settings.home)
        ],
        "preset": settings.preset,
        "providers": [name for name in settings.engines if name != LOCAL],
        "sequence": sequence,
        # The others are nearly alike: 53 dB, where int8 is at 43.
        **({"precision": "int8"} if settings.precision == "int8" and LOCAL in settings.engines else {}),
    }


def plan_in(setup: Mapping[str, Any], request: RelightRequest) -> RelightPlan:
    """What will be done for a request in a batch of this setup."""
    return plan_of(with_preset(request, setup.get("preset", "none")))


def _fingerprint(bundle: Bundle) -> str:
    """A bundle's name, and a digest of the beginnings, ends and sizes of its files: reading all of it takes minutes."""
    found = hashlib.sha256()
    for path in sorted({path for model in bundle.models for path in bundle.files(model)}):
        size = path.stat().st_size
        found.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            found.update(file.read(_EDGE))
            file.seek(max(0, size - _EDGE))
            found.update(file.read())
    return f"{bundle.name} ({found.hexdigest()[:8]})"


def check_setup(ledger: Ledger, setup: Mapping[str, Any], out: str, *, overwrite: bool, remember: bool = True) -> None:
    """Keep a batch's setup, or refuse another one.

    Args:
        ledger: of the batch.
        setup: of this run.
        out: as sentences name it.
        overwrite: whether results may be made anew.
        remember: whether it is kept, too.

    Raises:
        InvalidRequest: the results that are there were made with another setup.
    """
    before = ledger.fact(SETUP)
    if before is not None and before != setup and not overwrite and ledger.count("done"):
        name = next(name for name in (*setup, *before) if setup.get(name) != before.get(name))
        then, now = (_shown(each.get(name, _UNSAID.get(name))) for each in (before, setup))
        raise InvalidRequest(
            f"The results in {out} were made with {name} {then}, and now it is {now}: give {option_of(name)} as "
            "before, add --overwrite to make them anew, or choose another --out."
        )
    if remember:
        ledger.keep_fact(SETUP, setup)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(map(str, value)) if value else "none"
    return str(value)
