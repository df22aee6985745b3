"""``iclight doctor``: what is here, what is missing, what to run next."""

from __future__ import annotations

import argparse
import platform
from typing import Any

from iclight_local import __version__
from iclight_local.cli.output import print_json
from iclight_local.cli.parser import Parser, add_common, given
from iclight_local.cli.relight import SETTINGS
from iclight_local.cli.weights.listing import describe
from iclight_local.engines.record import library_versions
from iclight_local.errors import ICLightError
from iclight_local.segmenters.catalogue import DEFAULT as DEFAULT_SEGMENTER
from iclight_local.segmenters.catalogue import NAMED
from iclight_local.segmenters.choice import choose_segmenter
from iclight_local.segmenters.rembg_session import check_segmenter, fetch_command, find_model
from iclight_local.settings import Settings, load_settings
from iclight_local.store.bundles import DEFAULT as DEFAULT_BUNDLE
from iclight_local.store.bundles import PULL, bundle_folder, find_bundle, list_bundles, stand_in_notice

SUMMARY = "Show versions, device, weights and segmenters, and what to run next."


def add_arguments(parser: Parser) -> None:
    """Declare the options."""
    add_common(parser, *(name for name in SETTINGS if name not in ("offline", "preview_every")))


def run(parsed: argparse.Namespace) -> int:
    """Look at everything that a relight needs and print it; 0 where a relight can run, else 1."""
    settings = load_settings(given(parsed, Settings))
    report = examine(settings)
    if parsed.json:
        print_json(report)
    else:
        for line in lines(report):
            print(line)
    return 0 if report["ready"] else 1


def examine(settings: Settings) -> dict[str, Any]:
    """Everything that a relight needs, as plain JSON values."""
    problems: list[str] = []
    better: list[str] = []
    report: dict[str, Any] = {
        "iclight_local": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "versions": library_versions(),
        "home": str(settings.home),
        "device": _device(settings, problems),
        "memory": _memory(settings),
        "int8": _int8(),
        "bundles": [describe(bundle) for bundle in list_bundles(settings.home)],
        "weights_looked_in": str(bundle_folder(settings.home)),
    }
    report["weights"] = _weights(settings, problems, better)
    report["ready"] = not problems
    report["segmenters"] = _segmenters()
    report["segmenter"] = _segmenter(settings, problems, better)
    relight = ["iclight relight PICTURE --light-source left"] if report["ready"] else []
    report["next"] = [*problems, *better, *relight]
    return report


def lines(report: dict[str, Any]) -> list[str]:
    """The report for a reader."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    text = [
        f"iclight-local {report['iclight_local']}, Python {report['python']}, {report['system']}",
        f"libraries: {versions}",
        "device: " + ", ".join(f"{name} {value}" for name, value in report["device"].items()),
        "memory: " + (_memory_line(report["memory"]) if report["memory"] is not None else "not known"),
        f"int8: {report['int8']}",
        "weights: " + (_bundle_line(report["weights"]) if report["weights"] is not None else "none"),
    ]
    text += [f"  also there: {_bundle_line(bundle)}" for bundle in report["bundles"] if bundle != report["weights"]]
    text.append(f"  looked in: {report['weights_looked_in']}")
    text.append(f"segmenter: {report['segmenter']}")
    there = [f"{name} ({facts['licence']})" for name, facts in report["segmenters"].items() if facts["path"]]
    text.append(f"  segmentation models here: {', '.join(there) if there else 'none'}")
    text.append("a relight can run" if report["ready"] else "a relight cannot run yet")
    text += [f"next: {step}" for step in report["next"]]
    return text


def _device(settings: Settings, problems: list[str]) -> dict[str, str]:
    from iclight_local.pipelines.placement import choose_placement

    try:
        return choose_placement(settings.device, settings.precision).describe()
    except ICLightError as error:
        problems.append(str(error))
        return {"device": "none"}


def _int8() -> str:
    from iclight_local.pipelines.openvino_unet import EXTRA, missing

    lacking = missing()
    return f"not there, {' and '.join(lacking)} missing: {EXTRA}" if lacking else "there, with --precision int8"


def _memory(settings: Settings) -> dict[str, Any] | None:
    """What a relight of the default size with SD1.5 would do to fit into memory; None without a device."""
    from iclight_local.pipelines.memory import DEFAULT_WORK, SD15
    from iclight_local.pipelines.offloading import card_memory, measures_for
    from iclight_local.pipelines.placement import choose_placement

    try:
        placement = choose_placement(settings.device, settings.precision)
    except ICLightError:
        return None
    total = card_memory(placement.device, settings.vram)
    measures = measures_for(placement, settings.vram, SD15, DEFAULT_WORK)
    return {"vram": settings.vram, "card": total, "measures": measures.words}


def _weights(settings: Settings, problems: list[str], better: list[str]) -> dict[str, Any] | None:
    """The facts of the bundle in use, or None; where it stands in for the real weights, those are a next step."""
    try:
        bundle = find_bundle(settings.weights, settings.home)
    except ICLightError as error:
        problems.append(str(error))
        return None
    facts = describe(bundle)
    if facts["problem"] is not None:
        problems.append(facts["problem"])
    elif stand_in_notice(settings.weights, bundle, settings.home) is not None:
        better.append(f"A relight works now with {bundle.name}; for photographs get {DEFAULT_BUNDLE}: {PULL}")
    return facts


def _segmenters() -> dict[str, dict[str, Any]]:
    table = {}
    for name, model in NAMED.items():
        path = find_model(name)
        table[name] = {
            "licence": model.licence,
            "commercial": model.commercial,
            "path": None if path is None else str(path),
        }
    return table


def _segmenter(settings: Settings, problems: list[str], better: list[str]) -> str:
    """The state of the segmenter in use; a missing one is a next step, not a hindrance: alpha and mattes work."""
    name, notice = choose_segmenter(settings.segmenter)
    try:
        path = check_segmenter(name, allow_noncommercial=settings.allow_noncommercial)
    except ICLightError as error:
        problems.append(f"To cut subjects out of plain pictures: {error}")
        return f"{name}, not usable"
    if notice is not None:
        fetch = fetch_command(DEFAULT_SEGMENTER)
        better.append(f"Subjects are cut out with {name}; for better edges get {DEFAULT_SEGMENTER}: {fetch}")
    return f"{name}, {path}" if name in NAMED else path.name


def _memory_line(facts: dict[str, Any]) -> str:
    if facts["card"] is None:
        return "the machine's own, nothing is done to save it"
    done = ", ".join(facts["measures"]) if facts["measures"] else "nothing has to be done"
    return f"{facts['card'] / 2**30:.1f} GB (vram {facts['vram']}); for SD1.5 at the default size: {done}"


def _bundle_line(facts: dict[str, Any]) -> str:
    state = "usable" if facts["problem"] is None else facts["problem"]
    kind = "embedded, " if facts["embedded"] else ""
    return f"{facts['name']} ({' '.join(facts['models'])}), {kind}{state}, {facts['path']}"
