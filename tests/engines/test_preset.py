"""The preset ``fast``: LCM-LoRA, its scheduler and few steps, each of them really run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from diffusers import DPMSolverMultistepScheduler, LCMScheduler

from iclight_local.engines.local import LocalEngine
from iclight_local.engines.presets import PRESETS, preset_lora, with_preset
from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.layouts.lora import LoraFile
from iclight_local.pipelines import iclight as pipeline_module
from iclight_local.pipelines.iclight import ICLightPipeline
from iclight_local.pipelines.relighting import Call
from tests.engines.lora_files import write_kohya_lora
from tests.engines.relights import SUBJECT, asked, local
from tests.engines.test_local_runs import Calls


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with something like LCM-LoRA in it."""
    home = tmp_path_factory.mktemp("home")
    folder = home / "weights" / "loras"
    folder.mkdir(parents=True)
    lora = preset_place(home)
    write_kohya_lora(lora, seed=1)
    return home


def preset_place(home: Path) -> Path:
    from iclight_local.store.manifest import load_manifest
    from iclight_local.store.places import file_place

    entry = load_manifest().entry(PRESETS["fast"].lora)
    return file_place(entry, entry.files[0], home)


@pytest.fixture(scope="module")
def fast(home: Path) -> LocalEngine:
    return local(home=home, preset="fast")


def request(**knobs: Any) -> Any:
    """A small request that leaves the steps open, unless they are given."""
    return asked(SUBJECT, **{"steps": None, **knobs})


@pytest.mark.parametrize(
    ("knobs", "steps"),
    [
        ({}, 6),
        ({"light_source": "left"}, 6),
        ({"light_source": "left", "lowres_denoise": 0.5, "highres_denoise": 0.9}, 6),
        ({"steps": 4, "highres_denoise": 0.4}, 4),
        ({"steps": 8, "light_source": "right", "lowres_denoise": 0.8}, 8),
        ({"model": "fbc", "light_source": "left"}, 6),
        ({"cfg": 1, "light_source": "top"}, 6),
    ],
)
def test_both_passes_run_the_steps(knobs: dict[str, Any], steps: int, fast: LocalEngine) -> None:
    with Calls(fast.load(knobs.get("model", "fc")).unet) as calls:
        result = fast.relight(request(**knobs))
    assert calls.count == 2 * steps
    passes = result.record["passes"]
    assert [passes[name]["steps"] for name in ("lowres", "highres")] == [steps, steps]


def test_the_timesteps_are_those_of_lcm(fast: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Multiples of 20, less 1, as LCM-LoRA was distilled on; the highres pass begins in the middle."""
    seen: list[int] = []
    own: list[LCMScheduler] = []
    spread = pipeline_module.relit_latents

    def noted(pipe: ICLightPipeline, call: Call) -> Any:
        own.append(call.scheduler)
        return spread(pipe, call)

    monkeypatch.setattr(pipeline_module, "relit_latents", noted)
    pipe = fast.load("fc")
    hook = pipe.unet.register_forward_pre_hook(lambda module, args: seen.append(int(args[1])))
    fast.relight(request())
    hook.remove()
    assert seen[:6] == [999, 839, 679, 499, 339, 179]
    assert seen[6:] == [499, 419, 339, 259, 179, 99]
    (scheduler,) = own
    assert isinstance(scheduler, LCMScheduler)
    assert scheduler.config.beta_schedule == "scaled_linear"
    assert scheduler.step_index == len(scheduler.timesteps), "the last step adds no noise"


def test_what_the_user_sets_stays(fast: LocalEngine) -> None:
    filled = with_preset(request(), "fast")
    assert (filled.steps, filled.cfg) == (6, 1.5)
    assert with_preset(request(steps=12, cfg=3), "fast") == request(steps=12, cfg=3)
    assert with_preset(request(), "none") == request()
    record = fast.relight(request(cfg=1)).record
    assert (record["request"]["steps"], record["request"]["cfg"], record["preset"]) == (6, 1, "fast")


def test_other_steps_are_warned_of(fast: LocalEngine) -> None:
    assert fast.relight(request()).warnings == ()
    warned = fast.relight(request(steps=9)).warnings
    assert warned == ("The preset fast is made for 4 to 8 steps, and 9 were asked for.",)


def test_more_steps_than_lcm_has(fast: LocalEngine) -> None:
    with pytest.raises(InvalidRequest, match="LCMScheduler cannot be set to 80 steps"):
        fast.relight(request(steps=8, highres_denoise=0.1))


def test_its_lora_is_in_the_record_beside_others(home: Path) -> None:
    own = write_kohya_lora(home / "own.safetensors")
    loras = local(home=home, preset="fast", lora=f"{own}:0.5").relight(request(steps=4)).record["loras"]
    assert [(each["name"], each["scale"], each.get("preset")) for each in loras] == [
        ("own.safetensors", 0.5, None),
        (preset_place(home).name, 1.0, "fast"),
    ]


def test_where_the_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        local(home=tmp_path, preset="fast")
    assert "fetch it once with `iclight weights pull lcm-lora-sdv1-5`." in str(caught.value)
    assert str(tmp_path / "weights" / "loras") in str(caught.value)
    assert caught.value.exit_status == 2


def test_without_a_preset_nothing_changes(shared: LocalEngine, home: Path) -> None:
    assert isinstance(shared.load("fc").scheduler, DPMSolverMultistepScheduler)
    assert preset_lora("none", home) is None
    assert preset_lora("fast", home) == LoraFile(preset_place(home), preset="fast")
    assert "preset" not in shared.relight(asked(steps=1)).record
