"""Write the generated tables into the pages, or check that they are what the code and the measurements say.

``python scripts/docs.py`` checks and exits with 1 where a table is stale; ``--write`` rewrites them.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.batch.tables import batch_table
from benchmarks.editing import table as editing_table
from benchmarks.page.measure import table as page_table
from benchmarks.serving.tables import kills_table, load_table
from benchmarks.speed.fewer import short_table as fewer_short
from benchmarks.speed.fewer import table as fewer_table
from benchmarks.speed.int8 import table as int8_table
from benchmarks.speed.steps import table as stepping_table
from benchmarks.speed.tables import cpu_table, profile_table
from iclight_local.batch.options import BatchOptions
from iclight_local.bench.speed_table import markdown as machine_table
from iclight_local.bench.table import markdown
from iclight_local.cli import COMMANDS, command_summary
from iclight_local.dialects.photoroom_fields import HONOURED, PARTS, PICTURES
from iclight_local.dialects.photoroom_outside import documented, outside_names
from iclight_local.dialects.photoroom_values import accepted
from iclight_local.errors import ICLightError
from iclight_local.fields import knob_fields, markdown_table
from iclight_local.hosted import PRICE_UNKNOWN, takes
from iclight_local.pipelines.memory import DEFAULT_WORK, GIB, SD15, choose_measures
from iclight_local.providers import list_providers
from iclight_local.request import EditRequest, RelightRequest
from iclight_local.segmenters.catalogue import DEFAULT, NAMED
from iclight_local.sentences import kind
from iclight_local.settings import PREFIX, SERVE_TABLE, ServeSettings, Settings

ROOT = Path(__file__).parent.parent
MEASURED = ROOT / "weights" / "mini" / "measured.json"
"""What ``python -m benchmarks mini`` measured of the embedded model."""
SERVED, KILLED, BENCH, EDITED, STEPPED, FEWER = (
    ROOT / "benchmarks" / "measured" / f"{name}.json"
    for name in ("serving", "crashes", "vendors", "editing", "stepping", "fewer")
)
"""What ``python -m benchmarks serving``, ``crashes``, ``vendors``, ``editing``, ``stepping`` and ``fewer`` measured."""
SPEED, MACHINE = (ROOT / "benchmarks" / "measured" / f"{name}.json" for name in ("speed", "speed_machine"))
"""What ``python -m benchmarks speed`` and ``iclight bench speed`` measured."""

PAGE = ROOT / "benchmarks" / "measured" / "page.json"
"""What ``python -m benchmarks page`` measured."""
INT8 = ROOT / "benchmarks" / "measured" / "int8.json"
"""What ``python -m benchmarks int8`` measured."""


BATCHES = {
    name: ROOT / "benchmarks" / "measured" / f"batch_{name}.json"
    for name in ("crashes", "poison", "million", "speed", "fullsize")
}
"""What ``python -m benchmarks batch`` measured."""
Tables = dict[str, Callable[[], str]]


def commands() -> str:
    """The commands and what they do."""
    rows = [f"| `iclight {name}` | {command_summary(name)} |" for name in COMMANDS]
    return "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n"


def settings(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> str:
    """Settings, their environment variables and defaults."""
    rows = [
        f"| `{prefix}{field.name.upper()}` | `{field.flag}` | {field.default} | {field.range} | {field.description} |"
        for field in knob_fields(model)
    ]
    return "\n".join(["| variable | option | default | values | meaning |", "|---|---|---|---|---|", *rows]) + "\n"


def segmenters() -> str:
    """The segmentation models that can be asked for by name, with their licences."""
    rows = [
        f"| `{model.name}`{' (default)' if model.name == DEFAULT else ''} | {model.licence} | {model.commercial} "
        f"| {model.description} |"
        for model in NAMED.values()
    ]
    return "\n".join(["| model | licence | commercial use | what it is |", "|---|---|---|---|", *rows]) + "\n"


def providers() -> str:
    """The hosted providers that can be allowed by name."""
    rows = [
        f"| `{provider.name}` | {takes(provider)} | {PRICE_UNKNOWN if provider.price is None else provider.price} "
        f"| `{provider.key_variable}` | `{provider.base_variable}` |"
        for provider in list_providers().values()
    ]
    head = "| provider | takes | price | key | another address |"
    return "\n".join([head, "|---|---|---|---|---|", *rows]) + "\n"


def memory() -> str:
    """What is done on cards of some sizes for some relights with SD1.5."""
    works = {
        "768 x 960 (default)": DEFAULT_WORK,
        "768 x 960, 4 images, or normals": replace(DEFAULT_WORK, pictures=4),
        "1024 x 1280": replace(DEFAULT_WORK, pixels=1024 * 1280),
        "1536 x 1920": replace(DEFAULT_WORK, pixels=1536 * 1920),
        "3072 x 3072": replace(DEFAULT_WORK, pixels=3072 * 3072),
    }
    rows = []
    for vram in (size for size in kind(Settings.model_fields["vram"])[1] if size != "auto"):
        found = [choose_measures(int(vram) * GIB, SD15, work).words for work in works.values()]
        cells = ["; ".join(word for word in words if "segmenter" not in word) for words in found]
        rows.append(f"| {vram} GB | " + " | ".join(cell if cell else "nothing" for cell in cells) + " |")
    head = "| card | " + " | ".join(works) + " |"
    return "\n".join([head, "|---" * (len(works) + 1) + "|", *rows]) + "\n"


def exit_statuses() -> str:
    """The errors and their exit statuses."""
    rows, queue = [], [ICLightError]
    while queue:
        error = queue.pop(0)
        queue = [*error.__subclasses__(), *queue]
        if error.__module__ == ICLightError.__module__ and error is not ICLightError:
            summary = str(error.__doc__).splitlines()[0]
            rows.append(f"| `{error.__name__}` | {error.exit_status} | {summary} |")
    return "\n".join(["| error | exit status | meaning |", "|---|---|---|", *rows]) + "\n"


def measured() -> str:
    """The figures of the embedded model beside what was asked of it."""
    result = json.loads(MEASURED.read_text())
    rows = []
    for name, section in result["sections"].items():
        for line in section.get("lines", ()):
            asked = "" if line["bound"] is None else f"{'<=' if line['most'] else '>='} {_amount(line['bound'], line)}"
            verdict = {None: "", True: "yes", False: "**no**"}[line["met"]]
            rows.append(f"| {name} | {line['what']} | {asked} | {_amount(line['figure'], line)} | {verdict} |")
    return "\n".join(["| section | figure | asked | measured | met |", "|---|---|---|---|---|", *rows]) + "\n"


def _amount(value: float, line: dict[str, Any]) -> str:
    if line["unit"] == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if line["unit"] == "" else f"{value:.1f} {line['unit']}"


def bench() -> str:
    """The summary of a bench, and what it ran on."""
    result = json.loads(BENCH.read_text())
    ran, experiment = result["environment"], result["experiment"]
    knobs = experiment["knobs"]
    where = f"{ran['processor']}, {ran['cores']} cores, {ran['memory_gib']} GiB, no GPU, load {ran['load_average'][0]}"
    what = (
        f"{len(experiment['pictures'])} scenes, {experiment['runs']} answers to each, {knobs['width']} x "
        f"{knobs['height']} and then {knobs['highres_scale']:g} times that, {knobs['steps']} steps"
    )
    prices = "; ".join(f"{name}: {each['price']['words']}" for name, each in result["contestants"].items())
    return f"{markdown(result)}\n{what}; on {where}; {ran['time'][:10]}. Cost: {prices}.\n"


def photoroom() -> str:
    """Every parameter of Photoroom's ``/v2/edit``, and what becomes of it."""
    rows = {
        name: ("honoured", accepted(field.check), field.how) for name, field in HONOURED.items() if name not in PARTS
    }
    for name, each in PICTURES.items():
        rows[name] = "honoured", "a file" if name.endswith("File") else "an address", each.how
    for name in outside_names():
        known = documented(name)
        if known is None:
            raise KeyError(name)
        if known.needs is not None:
            rows[name] = (
                "told",
                accepted(known.check),
                f"Changes nothing without `{known.needs}`: named in `pr-unsupported-attributes`.",
            )
        else:
            idle = "".join(f" `{value}` changes nothing and is taken." for value in known.idle)
            rows[name] = "refused", accepted(known.check), f"400 with `code: unsupported_locally`.{idle}"
    lines = [f"| `{name}` | {verdict} | {values} | {how} |" for name, (verdict, values, how) in sorted(rows.items())]
    return "\n".join(["| parameter | here | values | how |", "|---|---|---|---|", *lines]) + "\n"


def batches() -> str:
    """The options of a batch."""
    rows = [
        f"| `{field.flag}` | {'required' if field.required else field.default} | {field.range} | {field.description} |"
        for field in knob_fields(BatchOptions)
    ]
    return "\n".join(["| option | default | values | what it does |", "|---|---|---|---|", *rows]) + "\n"


def edits() -> str:
    """The parameters of an edit beside those of a relight."""
    own = [field for field in knob_fields(EditRequest) if field.name not in RelightRequest.model_fields]
    changed = [field for field in knob_fields(EditRequest) if field.name == "background_colour"]
    return markdown_table(own + changed)


README_TABLES: Tables = {
    "commands": commands,
    "knobs": lambda: markdown_table(knob_fields(RelightRequest)),
    "edits": edits,
    "settings": settings,
    "serve": lambda: settings(ServeSettings, f"{PREFIX}{SERVE_TABLE.upper()}_"),
    "memory": memory,
    "fewer": lambda: fewer_short(json.loads(FEWER.read_text())),
    "segmenters": segmenters,
    "providers": providers,
    "bench": bench,
    "speed": lambda: cpu_table(json.loads(SPEED.read_text())),
    "machine": lambda: machine_table(json.loads(MACHINE.read_text())),
    "errors": exit_statuses,
}


PAGES: dict[Path, Tables] = {
    ROOT / "README.md": README_TABLES,
    ROOT / "weights" / "mini" / "README.md": {"measured": measured},
    ROOT / "iclight_local" / "server" / "README.md": {"photoroom": photoroom},
    ROOT / "iclight_local" / "batch" / "README.md": {"batch": batches},
    ROOT / "benchmarks" / "README.md": {
        "serving": lambda: load_table(json.loads(SERVED.read_text())),
        "batch": lambda: batch_table({name: json.loads(path.read_text()) for name, path in BATCHES.items()}),
        "crashes": lambda: kills_table(json.loads(KILLED.read_text())),
        "editing": lambda: editing_table(json.loads(EDITED.read_text())),
        "stepping": lambda: stepping_table(json.loads(STEPPED.read_text())),
        "fewer": lambda: fewer_table(json.loads(FEWER.read_text())),
        "speed": lambda: profile_table(json.loads(SPEED.read_text())),
        "page": lambda: page_table(json.loads(PAGE.read_text())),
        "int8": lambda: int8_table(json.loads(INT8.read_text())),
    },
}
"""Every page with generated tables."""


def fill(page: Path) -> str:
    """The text of a page with every generated table as it should be.

    Raises:
        KeyError: the page has no place for a table.
    """
    text = page.read_text()
    for name, make in PAGES[page].items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if pattern.search(text) is None:
            raise KeyError(f"{page.name} has no place for the table {name}")
        table = f"<!-- {name} -->\n{make()}<!-- /{name} -->"
        text = pattern.sub(lambda _, table=table: table, text)
    return text


def main() -> int:
    """Check or rewrite the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the tables")
    write = parser.parse_args().write
    stale = [page for page in PAGES if fill(page) != page.read_text()]
    for page in stale:
        if write:
            page.write_text(fill(page))
        else:
            print(f"{page.relative_to(ROOT)} has stale tables: scripts/check --fix rewrites them.", file=sys.stderr)
    if stale and not write:
        return 1
    print(f"{', '.join(str(page.relative_to(ROOT)) for page in PAGES)}: the tables are what the code says")
    return 0


if __name__ == "__main__":
    sys.exit(main())
