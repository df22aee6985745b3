"""Memory, LoRA, preset and previews on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iclight_local.cli import preview
from iclight_local.cli.inspect import replay_command
from iclight_local.imaging.metadata import read_record
from iclight_local.pipelines import offloading
from iclight_local.pipelines.placement import Placement
from iclight_local.result import Progress
from tests.cli.commands import BUNDLE, SMALL, SUBJECT, Command
from tests.engines.lora_files import write_kohya_lora, write_lora
from tests.engines.test_previews import write_taesd
from tests.fake_engine import FakeEngine

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = (SUBJECT, "--weights", str(BUNDLE), *SMALL)


@pytest.fixture
def home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ICLIGHT_HOME", str(folder / "home"))
    return folder / "home"


def test_a_lora_is_in_the_picture_and_in_its_command(iclight: Command, folder: Path) -> None:
    lora = write_lora(folder / "warm.safetensors")
    answer = iclight("relight", *QUICK, "-o", "out.png", "--lora", f"{lora}:0.5", "--lora", lora)
    assert answer.status == 0, answer.err
    assert "peft" not in answer.err
    record = read_record("out.png", offline=True)
    assert [each["scale"] for each in record["loras"]] == [0.5, 1.0]
    assert str(folder) not in str(record)
    assert "--lora warm.safetensors:0.5 --lora warm.safetensors:1.0" in replay_command(record)
    assert "scale': 0.5" in iclight("inspect", "out.png").out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--lora", "gone.safetensors"), "gone.safetensors is not there, and a safetensors file was needed."),
        (("--lora", "gone.safetensors:9"), "FILE.safetensors:SCALE with a scale from -4 to 4."),
        (("--lora", str(BUNDLE / "iclight_sd15_fc.safetensors")), "a LoRA for SD1.5 was needed"),
        (("--preset", "fast"), "fetch it once with `iclight weights pull lcm-lora-sdv1-5`."),
        (("--preset", "slow"), "must be one of none, fast."),
        (("--vram", "5"), "must be one of auto, 4, 6, 8, 12, 24."),
        (("--preview-every", "200"), "must be a whole number from 0 to 100."),
        (("--preview", "there.png"), "there.png exists already"),
        (("--preview", "out.png"), "out.png is the name of the preview and of a result"),
        (("--preview", "out.gif"), "'out.gif' has the suffix .gif"),
    ],
)  # fmt: skip
def test_mistakes(options: tuple[str, ...], says: str, iclight: Command, home: Path) -> None:
    Image.new("RGB", (4, 4)).save("there.png")
    answer = iclight("relight", *QUICK, "-o", "out.png", *options)
    assert answer.status == 2
    assert says in answer.sentence
    assert not Path("out.png").exists()


def test_the_preset_and_its_command(iclight: Command, home: Path) -> None:
    lora = home / "weights" / "loras" / "pytorch_lora_weights.safetensors"
    lora.parent.mkdir(parents=True)
    write_kohya_lora(lora)
    steps = SMALL.index("--steps")
    answer = iclight("relight", *QUICK[:3], *SMALL[:steps], *SMALL[steps + 2 :], "--preset", "fast", "-o", "out.png")
    assert answer.status == 0, answer.err
    command = replay_command(read_record("out.png", offline=True))
    assert "--steps 6 --cfg 1.5" in command
    assert command.endswith("--preset fast"), "the preset brings its LoRA itself"


@pytest.mark.parametrize("command", ["relight", "normals"])
def test_previews_in_a_file(command: str, iclight: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_taesd(home)
    written: list[dict[str, Any]] = []
    write = preview.write

    def noting(path: Path, data: bytes, *, overwrite: bool) -> None:
        write(path, data, overwrite=overwrite)
        written.append(read_record(str(path), offline=True))

    monkeypatch.setattr(preview, "write", noting)
    answer = iclight(command, *QUICK, "-o", "out.png", "--preview", "now.png", "--preview-every", "1")
    assert answer.status == 0, answer.err
    assert written == [{"kind": "preview", "step": step, "steps": 2} for step in (1, 2)]
    assert Image.open("now.png").size == (64, 64)
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["now.png", "out.png"]


def test_previews_without_taesd(iclight: Command, home: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("iclight_local.pipelines.previews.SMALL", 0)
    answer = iclight("relight", *QUICK, "-o", "out.png", "--preview", "now.png")
    assert answer.status == 0
    assert answer.err.count("There are no previews") == 1
    assert not Path("now.png").exists()


def test_a_preview_asks_for_some(iclight: Command, folder: Path, fake: FakeEngine, monkeypatch: Any) -> None:
    seen: list[int] = []
    monkeypatch.setattr(
        "iclight_local.assemble.engine_from",
        lambda settings, models=(), lasting=False: seen.append(settings.preview_every) or fake,
    )
    for options in ((), ("--preview", "a.png"), ("--preview", "a.png", "--preview-every", "9")):
        assert iclight("relight", SUBJECT, "-o", "out.png", "--overwrite", *options).status == 0
    assert seen == [0, preview.EVERY, 9]


def test_the_bar_goes_on_beside_previews(tmp_path: Path) -> None:
    shown: list[Progress] = []
    tell = preview.with_preview(tmp_path / "a.jpg", shown.append)
    assert tell is not None
    steps = [Progress("lowres", 1, 2), Progress("lowres", 2, 2, Image.new("RGB", (8, 8)))]
    for step in steps:
        tell(step)
    assert shown == steps
    assert Image.open(tmp_path / "a.jpg").size == (8, 8)


def test_doctor_tells_the_profile(iclight: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert "memory: the machine's own, nothing is done to save it" in iclight("doctor", "--device", "cpu").out
    card = Placement(torch.device("cuda:0"), torch.float16, torch.bfloat16)
    monkeypatch.setattr("iclight_local.pipelines.placement.choose_placement", lambda *args: card)
    monkeypatch.setattr(Placement, "describe", lambda self: {"device": "a card"})
    monkeypatch.setattr(offloading, "card_memory", lambda device, vram: int(vram) * 2**30)
    small, large = (iclight("doctor", "--vram", vram).out for vram in ("4", "12"))
    assert "memory: 4.0 GB (vram 4); for SD1.5 at the default size: models offloaded, " in small
    assert "memory: 12.0 GB (vram 12); for SD1.5 at the default size: nothing has to be done" in large
