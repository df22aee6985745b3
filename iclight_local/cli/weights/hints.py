"""The commands that the actions name at the end, for what comes next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from iclight_local.store.bundles import DEFAULT


def relight_hint(bundle: str, models: Sequence[str], home: str | None) -> str:
    """The command that relights with a bundle; ``home`` as it stands on the command line."""
    weights = [] if bundle == DEFAULT else ["--weights", bundle]
    model = [] if "fc" in models else ["--model", models[0]]
    return shlex.join(["iclight", "relight", "photo.jpg", "-o", "out.png", *weights, *model, *_home(home)])


def pull_hint(names: Sequence[str], bundle: str | None, home: str | None, *, overwrite: bool = False) -> str:
    """The command that fetches entries of the manifest into a bundle."""
    into = [] if bundle in (None, DEFAULT) else ["--into", str(bundle)]
    replace = ["--overwrite"] if overwrite else []
    return shlex.join(["iclight", "weights", "pull", *names, *into, *replace, *_home(home)])


def import_hint(what: str, bundle: str | None, home: str | None) -> str:
    """The command that puts another file into a bundle."""
    name = [] if bundle in (None, DEFAULT) else ["--name", str(bundle)]
    return shlex.join(["iclight", "weights", "import", what, *name, "--overwrite", *_home(home)])


def _home(home: str | None) -> list[str]:
    return [] if home is None else ["--home", home]
