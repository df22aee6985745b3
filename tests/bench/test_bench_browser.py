"""The report in a real browser, without a network."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scenery import Logged, live, no_one, scenes

from iclight_local.bench.contestants import Price
from iclight_local.bench.report import write_report
from iclight_local.bench.running import Bench, Plan

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


def shot(report: Path, width: int, *more: str) -> tuple[np.ndarray, str]:
    """What the browser shows, uint8 H x W x 3, and what it says on its error stream."""
    assert BROWSER is not None
    picture = report.with_name("shot.png")
    picture.unlink(missing_ok=True)
    words = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr")
    away = "--host-resolver-rules=MAP * ~NOTFOUND"
    done = subprocess.run(
        [BROWSER, *words, away, f"--window-size={width},3000", *more, f"--screenshot={picture}", f"file://{report}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB")), done.stderr


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_it_is_drawn_light_dark_and_narrow(tmp_path: Path) -> None:
    engines = [live(Logged(name, []), Price(0.01)) for name in ("one", "two with a long name", "three")]
    result = Bench(Plan(scenes(tmp_path / "scenes", 2), engines, {}, 2, 1, tmp_path / "out"), no_one).run()
    report = write_report(result, tmp_path / "out")
    light, said = shot(report, 1280, "--blink-settings=preferredColorScheme=1")
    dark, _ = shot(report, 1280, "--blink-settings=preferredColorScheme=0")
    narrow, _ = shot(report, 500)
    # The console tells what a policy refused or what could not be read.
    assert "CONSOLE" not in said
    assert light.mean() > 215 and dark.mean() < 60
    # The striped orange disc of the scenes, and each contestant's colour in table and plots.
    for page in (light, dark, narrow):
        for colour in ((74, 143, 208), (221, 138, 53), (69, 168, 115)):
            assert (np.abs(page.astype(int) - colour).max(2) < 12).sum() > 100
    # Nothing sticks out to the right: the margin is the page's own colour from top to bottom.
    assert (narrow[:, -6:] == narrow[0, -1]).all()
