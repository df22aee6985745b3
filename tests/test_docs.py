"""The tables of the pages are what the code and the measurements say."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_tables_are_fresh() -> None:
    spec = importlib.util.spec_from_file_location("docs", ROOT / "scripts" / "docs.py")
    assert spec is not None and spec.loader is not None
    docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(docs)
    assert len(docs.PAGES) == 5
    for page in docs.PAGES:
        assert docs.fill(page) == page.read_text(), "scripts/check --fix rewrites them"
