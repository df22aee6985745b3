"""``iclight batch`` where things go wrong, or differ from what they were."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.batch.pictures import draw
from iclight_local.batch.base import Row
from iclight_local.batch.ledger import Ledger, Planned
from iclight_local.errors import EngineError
from iclight_local.plan import plan_of
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult
from iclight_local.settings import Settings
from tests.cli.commands import BUNDLE, Command
from tests.fake_engine import FakeEngine

pytestmark = pytest.mark.usefixtures("one_thread", "golden_weights")


def test_failures_that_are_far_apart_do_not_stop_a_batch(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "in", 21)
    original, asked = fake.relight, iter(range(100))

    def relight(*values: Any, **more: Any) -> Any:
        if next(asked) % 3 == 0:
            raise EngineError("The device failed for a moment.")
        return original(*values, **more)

    monkeypatch.setattr(fake, "relight", relight)
    answer = iclight("batch", "in", "--out", "out")
    assert answer.status == 1 and answer.out.startswith("14 relit in ") and "; 7 failed: out" in answer.out


def test_pictures_that_cannot_be_fetched_do_not_stop_a_batch(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    draw(folder / "in", 1)
    lines = [f"http://127.0.0.1:9/{number}.png" for number in range(8)]
    Path("rows.csv").write_text("\n".join(["subject_image", *lines, "in/picture-0000.png"]) + "\n")
    answer = iclight("batch", "rows.csv", "--out", "out")
    assert answer.out.startswith("1 relit in ") and "; 8 failed: out" in answer.out


def test_a_weights_folder_of_the_same_name_is_another_one(
    iclight: Command, folder: Path, pictures: Path, fake: FakeEngine
) -> None:
    iclight("batch", "in", "--out", "out", "--limit", "1")
    other = shutil.copytree(BUNDLE, folder / "else" / "bundle")
    offsets = other / "iclight_sd15_fc.safetensors"
    data = bytearray(offsets.read_bytes())
    data[-1] ^= 1
    offsets.write_bytes(data)
    assert iclight("batch", "in", "--out", "out", "--weights", other).status == 2
    (other / "iclight_sd15_fc.safetensors").write_bytes((BUNDLE / "iclight_sd15_fc.safetensors").read_bytes())
    assert iclight("batch", "in", "--out", "out", "--weights", other).status == 0


def test_nothing_is_tried_where_a_provider_would_be_paid(
    iclight: Command, pictures: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMIND_API_KEY", "secret")
    answer = iclight("batch", "in", "--out", "out", "--dry-run", "--provider", "segmind-ic-light")
    assert answer.status == 0 and fake.requests == []
    assert "Nothing was tried, because a provider might be asked." in answer.out


def test_a_dry_run_counts_the_work_of_each_row(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    Path("rows.csv").write_text(
        "subject_image,steps,output\nin/picture-0000.png,10,a\nin/picture-0001.png,10,b\nin/picture-0001.png,40,c\n"
    )
    found = iclight("batch", "rows.csv", "--out", "out", "--dry-run", "--json").json
    one = iclight("batch", "rows.csv", "--out", "out", "--dry-run", "--json", "--limit", "1").json
    assert (found["run"], one["run"]) == (3, 1)
    assert found["seconds"] == pytest.approx(6 * one["seconds"], rel=0.05)


def timed(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relights take a second each, and another one for a million pixels of the UNet's."""
    relight = fake.relight

    def relit(request: RelightRequest, **more: Any) -> RelightResult:
        work = plan_of(request).work / 1e6
        return replace(relight(request, **more), timings={"load": 9.0, "segment": 1.0, "lowres": work})

    monkeypatch.setattr(fake, "relight", relit)


def test_a_dry_run_sees_what_cached_and_unguided_steps_save(
    iclight: Command, pictures: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(fake, monkeypatch)
    dry = ("batch", "in", "--out", "out", "--dry-run", "--json", "--limit", "1", "--steps", "25")
    whole, cached, both = (
        iclight(*dry, *knobs).json["seconds"]
        for knobs in ((), ("--cache-interval", "3"), ("--cache-interval", "3", "--cfg-until", "0.25"))
    )
    assert whole == pytest.approx(1 + 2 * 25 * (512 * 640 + 768 * 960) / 1e6)
    # What README says that they leave of the UNet's operations.
    assert (cached - 1) / (whole - 1) == pytest.approx(0.42, abs=0.01)
    assert (both - 1) / (whole - 1) == pytest.approx(0.26, abs=0.01)
    tried = {(each.cache_interval, each.cfg_until) for each in fake.requests}
    assert tried == {(1, 1)}, "a shallow step, or an unguided one, tells little of whole ones"


def test_a_dry_run_weighs_rows_by_what_they_save(
    iclight: Command, pictures: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(fake, monkeypatch)
    lines = ("subject_image,steps,cache_interval,output", "in/picture-0000.png,25,1,a", "in/picture-0000.png,25,3,b")
    Path("rows.csv").write_text("\n".join(lines) + "\n")
    both = iclight("batch", "rows.csv", "--out", "out", "--dry-run", "--json").json
    one = iclight("batch", "rows.csv", "--out", "out", "--dry-run", "--json", "--limit", "1").json
    assert both["seconds"] == pytest.approx(1.42 * one["seconds"], rel=0.01)


def test_refusals_are_told_ten_times_and_counted(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    draw(folder / "in", 14)
    iclight("batch", "in", "--out", "out", "--prompt", "warm")
    answer = iclight("batch", "in", "--out", "out", "--prompt", "cold")
    assert answer.err.count("was asked for otherwise") == 10
    assert answer.err.splitlines()[-1] == "iclight: Further refusals are only counted; --json tells each."
    assert answer.status == 1 and answer.out == "0 relit; 14 refused: out\n"


def test_an_output_without_its_driver_is_one_sentence(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    answer = iclight("batch", "in", "--out", "s3://bucket/out")
    assert (answer.status, answer.sentence) == (2, "s3:// addresses need the package s3fs: pip install s3fs.")


def test_a_part_of_a_sequence_is_refused(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    answer = iclight("batch", "in", "--out", "out", "--sequence", "--limit", "2")
    assert answer.status == 2 and "leave limit out" in answer.sentence


def test_half_written_files_of_a_killed_batch_are_swept_away_and_no_others(
    iclight: Command, pictures: Path, fake: FakeEngine
) -> None:
    ledger = Ledger(Path("out/.iclight/batch.sqlite"))
    ledger.plan([Planned(Row(1, "picture-0000.png", {}, ("picture-0000-relit.png",)), "asked", {})])
    ledger.close()
    torn, others = Path("out/.iclight-batch-0123456789abcdef.tmp"), Path("out/.iclight-0123456789abcdef.tmp")
    for path in (torn, others):
        path.write_bytes(b"half")
    assert iclight("batch", "in", "--out", "out").status == 0
    assert not torn.exists() and others.exists()


def test_the_results_of_another_batch_are_not_taken_for_pictures(
    iclight: Command, pictures: Path, fake: FakeEngine
) -> None:
    assert iclight("batch", "in", "--out", "in/first").out.startswith("3 relit in ")
    assert iclight("batch", "in", "--out", "in/second").out.startswith("3 relit in ")
    assert iclight("batch", "in/first", "--out", "third").out.startswith("3 relit in "), "unless they are asked for"


def test_nothing_is_compiled_unless_it_is_asked_for(
    iclight: Command, pictures: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models that compile themselves after a while would make a stopped batch's pictures otherwise."""
    opened: list[dict[str, Any]] = []

    def open_fake(settings: Settings, **how: Any) -> FakeEngine:
        opened.append(how)
        return fake

    monkeypatch.setattr("iclight_local.assemble.engine_from", open_fake)
    assert iclight("batch", "in", "--out", "out").status == 0
    assert [how.get("lasting", False) for how in opened] == [False]
