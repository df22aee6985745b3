"""Every mistake gets one sentence, the right exit status, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import Cancelled, EngineError, OutOfMemory
from iclight_local.result import RelightResult
from tests.cli.bad_files import write_bad_files
from tests.cli.commands import (
    BACKGROUND,
    BUNDLE,
    MATTE,
    PLAIN,
    SMALL,
    SUBJECT,
    Command,
    Terminal,
    arguments,
    environment,
)
from tests.fake_engine import FakeEngine

PLACES = {"subject": SUBJECT, "plain": PLAIN, "matte": MATTE, "background": BACKGROUND, "bundle": BUNDLE}
"""What ``{name}`` stands for in the command lines below, besides ``{bad}``, the folder of bad files."""

USAGE = {
    "unknown_option": ("relight {subject} --lightsource left", "no option --lightsource: did you mean --light-source?"),
    "unknown_option_of_a_kind_of_its_own": ("relight {subject} --zzz", "no option --zzz: iclight relight --help lists"),
    "unknown_command": ("relihgt {subject}", "no command relihgt: did you mean relight?"),
    "unknown_command_of_a_kind_of_its_own": ("zzz", "no command zzz: iclight --help lists them."),
    "unknown_action": ("weights lst", "no action lst: did you mean list?"),
    "unknown_option_of_an_action": ("weights list --jsn", "no option --jsn: did you mean --json?"),
    "no_command": ("", "COMMAND"),
    "no_picture": ("relight", "PICTURE"),
    "two_pictures": ("relight {subject} {plain}", "one argument too many"),
    "option_without_a_value": ("relight {subject} --width", "--width needs a value"),
    "value_like_an_option": ("relight {subject} --prompt -dark", "written --prompt=VALUE"),
    "knob_that_normals_set": ("normals {subject} --light-source left", "no option --light-source"),
}
KNOBS = {
    "width": ("relight {subject} --width 500", "width is 500, but must be a multiple of 64 from 64 to 1024"),
    "cfg": ("relight {subject} --cfg 0.5", "cfg is 0.5, but must be a number from 1 to 32."),
    "denoise": ("relight {subject} --lowres-denoise 0", "lowres_denoise is 0, but must be a number from 0.1 to 1."),
    "steps": ("relight {subject} --steps abc", "steps is abc, but must be a whole number from 1 to 100."),
    "light": ("relight {subject} --light-source up", "must be one of none, left, right, top, bottom, ambient."),
    "fbc_without_background": ("relight {subject} --model fbc", "add --background-image FILE"),
    "fc_with_background": ("relight {subject} --model fc --background {background}", "use --model fbc"),
    "both_backgrounds": ("relight {subject} --light-source left --background {background}", "leave one of them out"),
    "flip_of_nothing": ("relight {subject} --background-flip", "add --background-image FILE"),
    "ambient_of_fc": ("relight {subject} --light-source ambient", "use --model fbc"),
    "suffix": ("relight {subject} -o out.bmp", "has the suffix .bmp: .png, .jpg, .jpeg or .webp is needed"),
    "no_suffix": ("relight {subject} -o out", "has no suffix"),
    "suffix_of_another_format": ("relight {subject} -o out.png --output-format jpeg", "rename the output"),
    "no_folder": ("relight {subject} -o nowhere/out.png", "nowhere is no folder"),
    "folder_below_a_file": ("relight {subject} -o {bad}/text.png/out.png", "text.png is no folder"),
    "a_folder": ("relight {subject} -o {bad}/folder.png", "folder.png is a folder: name a file"),
    "precision_word": ("relight {subject} --precision fp8", "must be one of auto, fp32, bf16, fp16, int8."),
}
PICTURES = {
    "missing": ("relight {bad}/nowhere.png {small}", "does not exist"),
    "folder": ("relight {bad} {small}", "is a folder"),
    "empty": ("relight {bad}/empty.png {small}", "empty.png is empty (0 bytes)"),
    "truncated": ("relight {bad}/truncated.jpg {small}", "truncated.jpg holds JPEG data that breaks off or is damaged"),
    "text": ("relight {bad}/text.png {small}", "text.png is text"),
    "bomb": ("relight {bad}/bomb.png {small}", "at most 179 million are read"),
    "bad_background": ("relight {subject} --background {bad}/text.png {small}", "text.png is text"),
    "bad_matte": ("relight {subject} --matte {bad}/empty.png {small}", "empty.png is empty"),
    "url_offline": ("relight https://example.org/secret.png?token=1 {small} --offline", "offline mode is on"),
    "other_scheme": ("relight ftp://example.org/a.png {small}", "cannot be read from a ftp:// address"),
    "matte_of_another_size": (
        "relight {subject} --matte {bad}/other_size.png {small}",
        "is 60x80 and the picture 200x260",
    ),
    "empty_matte": ("relight {subject} --matte {bad}/black_matte.png {small}", "The matte is empty"),
    "empty_alpha": ("relight {bad}/transparent.png {small}", "The picture's alpha channel is empty"),
    "no_subject": ("relight {bad}/nothing.png --segmenter {bad}/mine.onnx {small}", "found no subject in the picture"),
    "normals_of_text": ("normals {bad}/text.png {small}", "text.png is text"),
    "inspect_missing": ("inspect {bad}/nowhere.png", "does not exist"),
    "inspect_foreign": ("inspect {bad}/foreign.png", "carries no iclight record"),
    "inspect_url": ("inspect https://example.org/a.png", "offline mode is on"),
}
WEIGHTS = {
    "weights_nowhere": ("relight {subject} --weights nowhere", "There is no bundle of weights nowhere"),
    "no_weights": ("relight {subject}", "No weights were found: fetch them with `iclight weights pull`"),
    "no_bundle": ("relight {subject} --weights {bad}/no_bundle", "is no bundle of weights: it needs base/"),
    "model_not_there": (
        "relight {subject} --model fbc --light-source left --weights {bad}/only_fc",
        "has fc, fcon, and model fbc was asked for",
    ),
    "normals_not_there": ("normals {subject} --weights {bad}/only_fc", "model fbc was asked for"),
    "another_model": (
        "relight {subject} --weights {bad}/swapped",
        "holds model fbc (12 input channels) and fc was asked for",
    ),
    "sdxl": ("relight {subject} --weights {bad}/sdxl", "is an SDXL model, and IC-Light's offsets fit SD1.5 only."),
    "inpainting": ("relight {subject} --weights {bad}/inpainting", "has 9 input channels (an inpainting UNet)"),
    "pickle": ("relight {subject} --weights {bad}/pickle", "is a pickle"),
    "cut": ("relight {subject} --weights {bad}/cut", "copy it again"),
    "no_segmenter": ("relight {plain} {small}", "'birefnet-general-lite' is not on this machine"),
    "no_such_segmenter": ("relight {plain} --segmenter birefnet {small}", "There is no segmentation model 'birefnet'"),
    "noncommercial": ("relight {plain} --segmenter {bad}/bria-rmbg.onnx {small}", "pass --allow-noncommercial"),
    "fp16_on_the_cpu": ("relight {subject} {small} --device cpu --precision fp16", "asked for on the CPU"),
    "no_such_device": (
        "relight {subject} {small} --device cuda:99",
        "Device cuda:99 was asked for, and this machine has",
    ),
}
CASES = [
    pytest.param(line, says, kinds, id=name)
    for table, kinds in (
        (USAGE, ("UsageError",)),
        (KNOBS, ("InvalidRequest",)),
        (PICTURES, ("InvalidRequest", "NoSubject")),
        (WEIGHTS, ("WeightsError", "Unsupported", "InvalidRequest")),
    )
    for name, (line, says) in table.items()
]

STOPPED = "Stopped; no result was left half-written."
FAILURES: dict[BaseException, tuple[str, int, str]] = {
    EngineError("The device failed."): ("EngineError", 1, "The device failed."),
    OutOfMemory("The memory did not suffice."): ("OutOfMemory", 1, "The memory did not suffice."),
    Cancelled("Stopped by hand."): ("Cancelled", 130, "Stopped by hand."),
    KeyboardInterrupt(): ("Cancelled", 130, STOPPED),
    ValueError("first line\nsecond line"): (
        "EngineError",
        1,
        "Something unexpected failed (ValueError: first line): please report it with what ICLIGHT_DEBUG=1 prints in "
        "its place.",
    ),
}


def words_of(line: str, bad: Path) -> list[str]:
    words: list[str] = []
    for word in line.split():
        words += ["--weights", str(BUNDLE), *SMALL] if word == "{small}" else [word.format(bad=bad, **PLACES)]
    return words


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bad_files(tmp_path_factory.mktemp("bad"))


@pytest.mark.parametrize(("line", "says", "kinds"), CASES)
def test_a_mistake_gets_one_sentence(
    line: str, says: str, kinds: tuple[str, ...], iclight: Command, folder: Path, bad: Path
) -> None:
    words, before = words_of(line, bad), listing(bad)
    answer = iclight(*words)
    assert answer.status == 2
    assert says in answer.sentence
    assert answer.out == ""
    for_programs = iclight(*words, "--json")
    assert for_programs.status == 2
    assert for_programs.json == {"error": {"type": for_programs.json["error"]["type"], "message": answer.sentence}}
    assert for_programs.json["error"]["type"] in kinds
    assert for_programs.sentence == answer.sentence
    assert listing(folder) == {}
    assert listing(bad) == before


def test_secrets_of_an_address_stay_out_of_the_sentence(iclight: Command, folder: Path) -> None:
    answer = iclight("relight", "https://example.org/a.png?token=secret", "--weights", BUNDLE, *SMALL, "--offline")
    assert "secret" not in answer.sentence


def test_an_existing_file_is_replaced_only_with_overwrite(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    (folder / "out.png").write_bytes(b"mine")
    answer = iclight("relight", SUBJECT, "-o", "out.png")
    assert answer.status == 2
    assert "out.png exists already" in answer.sentence
    assert "--overwrite" in answer.sentence
    assert fake.requests == []
    assert (folder / "out.png").read_bytes() == b"mine"
    assert iclight("relight", SUBJECT, "-o", "out.png", "--overwrite").status == 0
    assert (folder / "out.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in folder.iterdir()] == ["out.png"]


def test_one_existing_file_of_several_stops_all(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    (folder / "out_1.png").write_bytes(b"mine")
    assert iclight("relight", SUBJECT, "-o", "out.png", "--number-of-images", "3").status == 2
    assert iclight("normals", SUBJECT, "-o", "out_1.png").status == 2
    assert [path.name for path in folder.iterdir()] == ["out_1.png"]
    assert fake.requests == []


def test_a_device_is_no_file_to_replace(iclight: Command, folder: Path, fake: FakeEngine) -> None:
    (folder / "out.png").symlink_to("/dev/null")
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--overwrite")
    assert answer.status == 2
    assert "is a device or a pipe" in answer.sentence
    assert Path("/dev/null").is_char_device()


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("command", ["relight", "normals"])
def test_an_engine_that_fails_leaves_nothing(
    error: BaseException, command: str, iclight: Command, folder: Path, fake: FakeEngine
) -> None:
    fake.error = error
    answer = iclight(command, SUBJECT, "-o", "out.png")
    kind, status, sentence = FAILURES[error]
    assert answer.status == status
    assert answer.sentence == sentence
    for_programs = iclight(command, SUBJECT, "-o", "out.png", "--json")
    assert for_programs.status == status
    assert for_programs.json == {"error": {"type": kind, "message": sentence}}
    assert list(folder.iterdir()) == []


def test_what_nobody_expected_is_shown_on_request(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICLIGHT_DEBUG", "1")
    fake.error = ValueError("with its traceback")
    with pytest.raises(ValueError, match="with its traceback"):
        iclight("relight", SUBJECT, "-o", "out.png")


def test_prompts_too_long_for_a_jpeg_are_refused_before_the_work(
    iclight: Command, folder: Path, fake: FakeEngine
) -> None:
    prompt = "sun " * 20_000
    answer = iclight("relight", SUBJECT, "-o", "out.jpg", "--prompt", prompt)
    assert answer.status == 2
    assert "too long to be recorded in a JPEG" in answer.sentence
    assert fake.requests == []
    assert iclight("relight", SUBJECT, "-o", "out.png", "--prompt", prompt).status == 0


def test_a_file_that_appears_during_the_work_stays_and_stops_all(
    iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    relight = fake.relight

    def slowly(*args: Any, **kwargs: Any) -> RelightResult:
        (folder / "out_1.png").write_bytes(b"mine")
        return relight(*args, **kwargs)

    monkeypatch.setattr(fake, "relight", slowly)
    answer = iclight("relight", SUBJECT, "-o", "out.png", "--number-of-images", "3")
    assert answer.status == 2
    assert "out_1.png exists already" in answer.sentence
    assert [path.name for path in folder.iterdir()] == ["out_1.png"]
    assert (folder / "out_1.png").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("buffers", "sentence"),
    [
        ("", "The output could not be written (No space left on device)."),
        ("1", "The system refused to go on: No space left on device."),
    ],
)
def test_a_full_disk_behind_the_output(buffers: str, sentence: str, folder: Path) -> None:
    env = environment(PYTHONUNBUFFERED=buffers)
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            arguments("weights", "list"), stdout=full, stderr=subprocess.PIPE, text=True, env=env, check=False
        )
    assert done.returncode == 1
    assert done.stderr == f"iclight: {sentence}\n"


def test_ctrl_c_in_the_middle(folder: Path) -> None:
    """A real SIGINT once sampling has begun, which the bar on the terminal tells."""
    big = ("--width", "512", "--height", "512", "--steps", "100", "--weights", str(BUNDLE))
    with Terminal("relight", SUBJECT, "-o", "out.png", *big, cwd=folder) as terminal:
        terminal.wait_for("lowres")
        terminal.process.send_signal(signal.SIGINT)
        rest = terminal.read_all()
    assert terminal.process.returncode == 130
    assert rest.splitlines()[-1].endswith(f"iclight: {STOPPED}")
    assert "Traceback" not in rest
    assert list(folder.iterdir()) == []
