"""``iclight batch``: what goes in, what comes out, what is said; ``tests/batch`` has the parts."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.batch.pictures import POISONS, draw, poisoned
from iclight_local.errors import EngineError, WeightsError
from iclight_local.imaging.metadata import read_record
from iclight_local.settings import Settings
from tests.cli.commands import BUNDLE, Answer, Command, arguments, environment, open_terminal, read_to_the_end
from tests.cli.forked import Forked, forking
from tests.fake_engine import FakeEngine

pytestmark = pytest.mark.usefixtures("one_thread", "golden_weights")
SMALL = ("--width", "64", "--height", "64", "--steps", "1", "--highres-scale", "1")


@pytest.fixture(scope="module")
def forks() -> Iterator[None]:
    with forking():
        yield


def events(answer: Answer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.out.splitlines()]


def test_a_folder_comes_out_with_its_folders(iclight: Command, pictures: Path) -> None:
    answer = iclight("batch", "in", "--out", "out", *SMALL)
    assert answer.status == 0, answer.err
    names = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.png"))
    assert names == ["more/picture-0000-relit.png", "picture-0000-relit.png", "picture-0001-relit.png"]
    assert answer.out.startswith("3 relit in ") and answer.out.rstrip().endswith(": out")
    record = read_record("out/more/picture-0000-relit.png")
    assert record["subject"]["name"] == "picture-0000.png"
    again = iclight("batch", "in", "--out", "out", *SMALL)
    assert (again.status, again.out) == (0, "0 relit; 3 done before: out\n")


def test_a_result_is_that_of_iclight_relight(iclight: Command, pictures: Path) -> None:
    iclight("batch", "in/picture-0001.png", "--out", "out", "--light-source", "left", *SMALL)
    made = Path("out/picture-0001-relit.png")
    seed = read_record(made)["seed"]
    iclight("relight", "in/picture-0001.png", "-o", "one.png", "--light-source", "left", "--seed", str(seed), *SMALL)
    assert np.array_equal(np.asarray(Image.open(made)), np.asarray(Image.open("one.png")))


def test_columns_are_parameters_and_options_are_their_defaults(
    iclight: Command, pictures: Path, fake: FakeEngine
) -> None:
    with Path("rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows(
            [
                ("subject_image", "light_source", "cfg", "output"),
                ("in/picture-0000.png", "right", "", "first.webp"),
                ("in/picture-0001.png", "", "3.5", ""),
            ]
        )
    answer = iclight("batch", "rows.csv", "--out", "out", "--light-source", "top", "--prompt", "dusk", "--json")
    assert answer.status == 0, answer.err
    asked = [(each.light_source, each.cfg, each.prompt) for each in fake.requests]
    assert asked == [("right", None, "dusk"), ("top", 3.5, "dusk")]
    told = events(answer)
    assert [each["event"] for each in told] == ["done", "done", "summary"]
    assert told[0]["images"] == ["first.webp"] and told[0]["where"] == "line 2 of rows.csv"
    assert told[1]["name"] == "picture-0001-relit.png"
    assert (told[2]["made"], told[2]["failed"]) == (2, 0)
    assert Image.open("out/first.webp").size == (24, 16)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("in/picture-0000.png,lefft", "line 3 of rows.csv: light_source is lefft, but must be one of none, left"),
        ("in/picture-0000.png", "line 3 of rows.csv"),
    ],
)
def test_a_bad_row_is_told_by_its_line_before_anything_runs(
    iclight: Command, pictures: Path, fake: FakeEngine, row: str, said: str
) -> None:
    Path("rows.csv").write_text(f"subject_image,light_source\nin/picture-0001.png,right\n{row}\n")
    answer = iclight("batch", "rows.csv", "--out", "out")
    assert answer.status == 2 and answer.sentence.startswith(said)
    assert fake.requests == [] and not Path("out").exists()


def test_an_unknown_column_is_told(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    Path("rows.csv").write_text("subject_image,light_sorce\nin/picture-0001.png,right\n")
    answer = iclight("batch", "rows.csv", "--out", "out")
    assert answer.status == 2
    assert "light_sorce" in answer.sentence and "did you mean light_source?" in answer.sentence
    assert "line 1 of rows.csv" in answer.sentence


def test_a_batch_needs_its_out(iclight: Command, pictures: Path) -> None:
    answer = iclight("batch", "in")
    assert (answer.status, answer.sentence) == (
        2,
        "iclight batch lacks its --out: add --out DIR, the folder of the results.",
    )


def test_poisoned_rows_cost_nothing_but_themselves(iclight: Command, folder: Path) -> None:
    manifest, bad = poisoned(folder, 24, 10 / 24)
    assert sorted(bad.values()) == sorted(POISONS)
    answer = iclight("batch", manifest, "--out", "out", "--json", *SMALL)
    assert answer.status == 1
    told = events(answer)
    failed = {each["row"]: each["error"]["message"] for each in told if each["event"] == "failed"}
    assert failed.keys() == bad.keys()
    assert {each["row"] for each in told if each["event"] == "done"} == set(range(1, 25)) - bad.keys()
    for line, kind in bad.items():
        assert failed[line].endswith("."), kind
        assert "Traceback" not in failed[line] and "unexpected" not in failed[line], (kind, failed[line])
        assert f"line {line} of poisoned.jsonl: {failed[line]}" in answer.err
    assert (told[-1]["made"], told[-1]["failed"]) == (14, 10)
    again = iclight("batch", manifest, "--out", "out", *SMALL)
    assert again.status == 1 and again.out == "0 relit; 14 done before; 10 failed: out\n"
    assert again.err.count("It failed before; --retry runs it once more.") == 10
    retried = iclight("batch", manifest, "--out", "out", "--retry", *SMALL)
    assert retried.status == 1 and "It failed before" not in retried.err


def test_a_dry_run_tries_one_and_writes_nothing(iclight: Command, pictures: Path) -> None:
    answer = iclight("batch", "in", "--out", "out", "--dry-run", "--json", *SMALL)
    assert answer.status == 0, answer.err
    found = answer.json
    assert (found["run"], found["done_before"], found["together"]) == (3, 0, 1)
    assert found["seconds"] > 0 and found["memory"] > 100e6
    assert not Path("out").exists()
    iclight("batch", "in", "--out", "out", "--limit", "2", *SMALL)
    told = iclight("batch", "in", "--out", "out", "--dry-run", *SMALL)
    assert told.out.startswith("1 would be relit, up to 1 sampled together; 2 done before.\nAbout ")
    assert len(list(Path("out").rglob("*.png"))) == 2


def test_a_limit_is_for_this_run(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    assert iclight("batch", "in", "--out", "out", "--limit", "2").out.startswith("2 relit in ")
    assert iclight("batch", "in", "--out", "out", "--limit", "2").out.endswith("; 2 done before: out\n")


def test_other_weights_are_refused(iclight: Command, folder: Path, pictures: Path, fake: FakeEngine) -> None:
    iclight("batch", "in", "--out", "out")
    other = shutil.copytree(BUNDLE, folder / "other")
    answer = iclight("batch", "in", "--out", "out", "--weights", other)
    assert answer.status == 2
    assert re.fullmatch(
        r"The results in out were made with weights bundle \(\w+\), and now it is other \(\w+\): give --weights as "
        r"before, add --overwrite to make them anew, or choose another --out\.",
        answer.sentence,
    )
    assert iclight("batch", "in", "--out", "out", "--weights", other, "--overwrite").out.startswith("3 relit in ")


def test_results_that_are_not_the_batchs_own_stay(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    Path("out").mkdir()
    Path("out/picture-0000-relit.png").write_bytes(b"mine")
    answer = iclight("batch", "in", "--out", "out")
    assert answer.status == 1 and "; 1 refused: out" in answer.out
    assert "exists already, and this batch did not make it" in answer.sentence
    assert Path("out/picture-0000-relit.png").read_bytes() == b"mine"


def test_an_engine_that_fails_all_the_time_is_not_asked_for_ever(
    iclight: Command, folder: Path, fake: FakeEngine
) -> None:
    draw(folder / "in", 12)
    fake.error = EngineError("The device cuda:0 failed: it fell off the bus.")
    answer = iclight("batch", "in", "--out", "out")
    assert answer.status == 1
    assert answer.err.splitlines()[-1].startswith("iclight: 5 pictures failed one after another, and the pictures are")
    assert len(fake.requests) < 10
    fake.error = None
    assert iclight("batch", "in", "--out", "out", "--retry").out.startswith("12 relit in ")


def test_missing_weights_are_one_sentence(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    fake.error = WeightsError("The bundle mini has no model fcon.")
    answer = iclight("batch", "in", "--out", "out")
    assert answer.status == 2 and answer.sentence == "The bundle mini has no model fcon.", "no picture would survive it"


def test_a_warning_is_told_once(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    fake.warnings = ("It is dark.",)
    answer = iclight("batch", "in", "--out", "out")
    assert answer.err == "iclight: warning: picture-0000.png: It is dark. (Further ones like it are not told.)\n"


def test_two_batches_do_not_write_into_one_folder(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    from iclight_local.batch.ledger import Ledger

    ledger = Ledger(Path("out/.iclight/batch.sqlite"))
    answer = iclight("batch", "in", "--out", "out")
    ledger.close()
    assert answer.status == 1 and "Another iclight batch has the batch's ledger in" in answer.sentence


def test_every_setting_but_previews_is_an_option(iclight: Command) -> None:
    text = iclight("batch", "--help").out
    for name in ("--weights", "--segmenter", "--device", "--light-source", "--matte", "--together", "--sequence"):
        assert name in text
    assert set(Settings.model_fields) > {"weights"} and "--preview" not in text


def test_stopped_by_the_user_it_goes_on_later(iclight: Command, folder: Path, forks: None) -> None:
    draw(folder / "in", 1)
    # More than any machine makes before it hears of the stop.
    names = [f"r{row:03d}.png" for row in range(400)]
    lines = [f"in/picture-0000.png,{row},{name}" for row, name in enumerate(names)]
    Path("rows.csv").write_text("\n".join(["subject_image,seed,output", *lines]) + "\n")
    words = arguments("batch", "rows.csv", "--out", "out", *SMALL, "--json")
    process = Forked(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait() == 130
    assert json.loads(first)["event"] == "done", "it had begun"
    assert "Stopped; the same command goes on from here, and nothing was left half-written." in err
    assert [json.loads(line) for line in out.splitlines()][-2]["event"] == "summary", out
    made = len(list(Path("out").glob("*.png")))
    assert 1 <= made < len(names)
    answer = iclight("batch", "rows.csv", "--out", "out", *SMALL, "--limit", "8")
    again, before = (int(found) for found in re.findall(r"(\d+) (?:relit|done before)", answer.out))
    # What was being written may not be in the ledger yet: it is made again.
    assert again == 8 and made - 4 <= before <= made
    assert sorted(path.name for path in Path("out").glob("*.png")) == names[: again + before]


def test_a_terminal_has_a_bar_with_the_time_left(folder: Path, forks: None) -> None:
    draw(folder / "in", 6)
    screen, line = open_terminal()
    words = arguments("batch", "in", "--out", "out", *SMALL)
    process = Forked(words, stdout=subprocess.DEVNULL, stderr=line, env=environment())
    os.close(line)
    shown = read_to_the_end(screen)
    assert process.wait() == 0
    assert re.search(r"[1-6]/6, [\d.]+ s a picture  \d\d:\d\d, \d\d:\d\d left", shown), shown
    assert "Traceback" not in shown


def test_a_killed_batch_goes_on_and_makes_the_same_pictures(
    tmp_path: Path, forks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.batch import crashes
    from benchmarks.batch.crashes import Crashes, measure

    monkeypatch.setattr(crashes, "subprocess", SimpleNamespace(Popen=Forked, DEVNULL=subprocess.DEVNULL))
    found = measure(Crashes(kills=2, pictures=12, alive=0.4, seed=3, weights=str(BUNDLE)), tmp_path)
    assert found["exit_status"] == 0 and found["pictures"] == 24, "pictures, and what is said of each"
    assert (found["missing"], found["different"], found["strange"], found["told_twice"]) == ([], [], [], 0)


def test_the_first_picture_of_a_long_manifest_comes_soon(iclight: Command, pictures: Path, fake: FakeEngine) -> None:
    with Path("long.csv").open("w") as stream:
        stream.write("subject_image,seed,output\n")
        stream.writelines(f"in/picture-0000.png,{row},r{row}\n" for row in range(20_000))
    answer = iclight("batch", "long.csv", "--out", "out", "--limit", "3")
    assert answer.out.startswith("3 relit in ")
    assert len(fake.requests) < 20, "rows beyond the limit are not prepared"
