"""`scripts/train_mini.py --smoke`: the whole way from scenes to a bundle that relights, and resuming."""

import io
import signal
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks.scenes.prompts import terms_in
from iclight_local import ICLightPipeline
from scripts.mini import denoiser, transport
from scripts.mini.batches import OFFSET, UNSEEN_FROM, Batches
from scripts.mini.denoiser import Noise
from scripts.mini.recipes import SMOKE
from scripts.mini.scenes import DIRECTIONS, environment, whole_scene
from scripts.mini.stages import STAGES, Folder, mixed, taken_up
from scripts.mini.text import as_users_write, dropped, tokens, true_terms
from scripts.train_mini import main

ROOT = Path(__file__).resolve().parents[2]


def options(folder: Path, *more: str) -> list[str]:
    """Arguments of a smoke run; on one thread, because a second one only waits for such small networks."""
    return ["--out", str(folder), "--smoke", "--threads", "1", *more]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, told = tmp_path_factory.mktemp("training"), io.StringIO()
    threads = torch.get_num_threads()
    with redirect_stdout(told):
        assert main(options(folder)) == 0
    torch.set_num_threads(threads)
    assert [line[3:] for line in told.getvalue().splitlines() if line.startswith("== ")] == list(STAGES)
    return folder


def test_it_is_a_script(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "train_mini.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "--smoke" in done.stdout


def test_the_bundle_relights(trained: Path) -> None:
    bundle = trained / "bundle"
    picture = np.full((64, 64, 3), 127, np.uint8)
    picture[16:48, 16:48] = (200, 60, 40)
    for model, condition in (("fc", {"light_source": "left"}), ("fbc", {"background": picture[::-1].copy()})):
        pipe = ICLightPipeline.from_pretrained(bundle / "base", iclight=bundle / f"iclight_sd15_{model}.safetensors")
        assert pipe.scheduler.config.prediction_type == "v_prediction"
        result = pipe(picture, prompt="sunset over sea", width=64, height=64, steps=2, seed=1, **condition)
        assert result.images[0].size == (128, 128)


def test_the_offsets_lead_to_the_trained_weights(trained: Path) -> None:
    bundle = trained / "bundle"
    pipe = ICLightPipeline.from_pretrained(bundle / "base", iclight=bundle / "iclight_sd15_fc.safetensors")
    state = torch.load(trained / "fc-light.pt", weights_only=False)["average"]
    for name, value in pipe.unet.state_dict().items():
        torch.testing.assert_close(value, state[f"unet.{name}"], atol=2e-3, rtol=0)
    offsets = load_file(bundle / "iclight_sd15_fc.safetensors")
    assert set(offsets) == set(pipe.unet.state_dict())
    assert {value.dtype for value in offsets.values()} == {torch.float16}


def test_the_bundle_says_nothing_of_the_machine(trained: Path) -> None:
    configs = list((trained / "bundle").rglob("*.json"))
    assert len(configs) > 5
    assert not [path for path in configs if str(trained) in path.read_text() or "_name_or_path" in path.read_text()]


def test_every_stage_is_resumed_and_not_repeated(trained: Path, one_thread: None) -> None:
    kept = {path: path.stat().st_mtime_ns for path in trained.glob("*.pt")}
    lines = (trained / "fc.csv").read_text()
    assert main(options(trained, "--only", "scenes,latents,fc,fbc")) == 0
    assert {path: path.stat().st_mtime_ns for path in trained.glob("*.pt")} == kept
    assert (trained / "fc.csv").read_text() == lines


KILLED_AT_FOUR = """
import os, signal, sys
from pathlib import Path
import torch
from scripts.mini import denoiser
from scripts.mini.recipes import SMOKE
from scripts.mini.stages import Folder, mixed, taken_up

torch.set_num_threads(1)
trained, out = Folder(Path(sys.argv[1])), Path(sys.argv[2])
batches = mixed(SMOKE, trained, "fc")

def dies(step):
    if step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return batches(step)

denoiser.train(taken_up(trained, "fc-small", 0), dies, SMOKE.fc, out, "fc")
"""


def test_a_killed_stage_goes_on_where_it_was(trained: Path, tmp_path: Path, one_thread: None) -> None:
    command = [sys.executable, "-c", KILLED_AT_FOUR, str(trained), str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    half = torch.load(tmp_path / "fc.pt", weights_only=False)
    assert (half["step"], half["steps"]) == (2, SMOKE.fc.steps)
    with pytest.raises(FileNotFoundError, match="only 2 of 4 steps of stage fc"):
        taken_up(Folder(tmp_path), "fc", 0)

    folder = Folder(trained)
    denoiser.train(taken_up(folder, "fc-small", 0), mixed(SMOKE, folder, "fc"), SMOKE.fc, tmp_path, "fc")
    resumed = torch.load(tmp_path / "fc.pt", weights_only=False)["average"]
    for name, value in torch.load(trained / "fc.pt", weights_only=False)["average"].items():
        # bfloat16 products differ in their last bits between runs of other thread counts.
        torch.testing.assert_close(resumed[name], value, atol=5e-3, rtol=0, msg=name)


def test_a_stage_without_the_ones_before_it_says_so(
    tmp_path: Path, one_thread: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(options(tmp_path, "--only", "fbc")) == 1
    assert "stages in their order" in capsys.readouterr().err


def test_an_unknown_stage_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(options(tmp_path, "--only", "unet"))
    assert stop.value.code == 2
    assert "no stage unet" in capsys.readouterr().err


def test_parts_of_a_light_add_up() -> None:
    drawn = whole_scene(3, 48, "test")
    whole = np.array(drawn.facts["target"]["environment"])
    parts = np.array(drawn.facts["part"]) + np.array(drawn.facts["rest"])
    np.testing.assert_allclose(parts, whole, atol=2e-4)
    exposure = drawn.facts["exposure"]
    linear = [transport.untone(drawn.pictures[name] / np.float32(255), exposure) for name in ("target", "part", "rest")]
    inside = (drawn.pictures["matte"] > 250) & (drawn.pictures["target"].max(-1) < 240)
    assert np.abs(linear[0] - linear[1] - linear[2])[inside].mean() < 0.02 * linear[0][inside].mean()


def test_an_environment_is_linear_in_its_lights() -> None:
    from benchmarks.scenes import Hemisphere, Light

    lights = [Light(30, 20, (1.2, 1, 0.8), 0.8), Hemisphere((0.2, 0.2, 0.3), (0.1, 0.1, 0.1))]
    both = environment(lights, 1.5)
    assert both.shape == (DIRECTIONS, 3)
    np.testing.assert_allclose(both, sum(environment([light], 1.5) for light in lights), rtol=1e-5)


def test_velocity_leads_back_to_the_target() -> None:
    """What the network is asked for gives the target whatever the noisy latent started from."""
    noise = Noise()
    target, start, spread = (torch.randn(3, 2, 4, 4) for _ in range(3))
    signal, sigma = noise.at(torch.tensor([10, 500, 990]))
    noisy = signal * start + sigma * spread
    wanted = (signal * noisy - target) / sigma
    torch.testing.assert_close(signal * noisy - sigma * wanted, target, atol=1e-4, rtol=1e-4)


def test_prompts_are_dropped_and_dressed(trained: Path) -> None:
    rng = np.random.default_rng(0)
    texts = [as_users_write("sunset over sea", (), rng) for _ in range(200)]
    assert all("sunset over sea" in text for text in texts)
    assert 80 < sum(text.endswith("best quality") for text in texts) < 160
    assert len({dropped(rng) for _ in range(50)}) == 3
    from transformers import CLIPTokenizer

    ids = tokens(CLIPTokenizer.from_pretrained(trained / "tokenizer"), texts[:4])
    assert ids.shape == (4, 77)


def test_most_prompts_say_one_or_two_true_things_and_no_more() -> None:
    rng = np.random.default_rng(0)
    told = ("sunset sea", "left", "warm")
    said = [terms_in(as_users_write("a vase, sunset over sea, moody", told, rng)) for _ in range(300)]
    cut = [terms for terms in said if "mood" not in terms]
    assert 150 < len(cut) < 210
    assert {len(terms) for terms in cut} == {1, 2}
    assert {name for terms in cut for name in terms} == set(told)
    assert {("left",), ("warm",), ("sunset sea",)} <= set(cut)


@pytest.mark.parametrize(
    ("light", "colour"),
    [((1.0, 0.7, 0.3), ("warm",)), ((0.6, 0.7, 0.9), ("cool",)), ((1.0, 1.0, 0.9), ()), ((0.0, 0.0, 0.0), ())],
)
def test_true_terms_name_the_colour_that_the_light_has(
    light: tuple[float, float, float], colour: tuple[str, ...]
) -> None:
    assert true_terms("neon lights", "left", [light, light]) == ("neon city", "left", *colour)


def test_true_terms_say_nothing_twice() -> None:
    assert true_terms("light from the left, warm light", "left", [(1.0, 0.5, 0.2)]) == ("warm", "left")


def test_of_some_pictures_nothing_is_left_in_the_noise(trained: Path) -> None:
    """A run begins from noise alone, so a part of the training does."""
    batches = mixed(SMOKE, Folder(trained), "fc").sources[0]
    assert isinstance(batches, Batches)
    drawn = [batches(step) for step in range(1, 120, 4)]
    blank = torch.cat([batch.start.flatten(1).abs().amax(1) == 0 for batch in drawn])
    times = torch.cat([batch.times for batch in drawn])
    assert 0.08 < blank.float().mean() < 0.25
    assert bool((times[blank] >= UNSEEN_FROM).all())


def test_noise_hides_the_mean_of_a_channel(trained: Path) -> None:
    batches = mixed(SMOKE, Folder(trained), "fc").sources[0]
    assert isinstance(batches, Batches)
    noise = torch.cat([batches(step).noise for step in range(1, 200, 4)])
    side = noise.shape[-1]
    white = noise.std() ** 2 - OFFSET**2
    np.testing.assert_allclose(noise.mean((2, 3)).std(), (OFFSET**2 + white / side**2) ** 0.5, rtol=0.06)


def test_thirds_share_their_noise(trained: Path) -> None:
    batches = mixed(SMOKE, Folder(trained), "fc").sources[0]
    assert isinstance(batches, Batches)
    batch = batches(4)
    assert batch.thirds
    first, second, third = batch.noise.chunk(3)
    assert torch.equal(first, second)
    assert torch.equal(first, third)
