"""LoRAs: asked for, checked before anything is loaded, laid on every model, and in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import save_file

from iclight_local import RelightRequest, assemble
from iclight_local.engines.local import LocalEngine
from iclight_local.errors import InvalidRequest, WeightsError
from iclight_local.imaging.encode import encode
from iclight_local.imaging.metadata import Embedded, read_record
from iclight_local.layouts.lora import LoraFile, parse_lora
from iclight_local.settings import load_settings
from tests.engines.lora_files import unet_layers, write_kohya_lora, write_lora, write_tensors
from tests.engines.relights import BUNDLE, asked, local, pixels, sha256

ATTENTION = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight"


@pytest.fixture(scope="module")
def lora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(tmp_path_factory.mktemp("lora") / "warm.safetensors")


class TestAskedFor:
    @pytest.mark.parametrize(
        ("text", "path", "scale"),
        [
            ("a.safetensors", "a.safetensors", 1.0),
            ("a.safetensors:0.5", "a.safetensors", 0.5),
            ("a.safetensors:-4", "a.safetensors", -4.0),
            (r"C:\loras\a.safetensors", r"C:\loras\a.safetensors", 1.0),
            (r"C:\loras\a.safetensors:2", r"C:\loras\a.safetensors", 2.0),
            ("C:/loras/a.safetensors", "C:/loras/a.safetensors", 1.0),
            ("C:5", "C:5", 1.0),
            ("/od:d/a.safetensors", "/od:d/a.safetensors", 1.0),
        ],
    )
    def test_path_and_scale(self, text: str, path: str, scale: float) -> None:
        assert parse_lora(text) == LoraFile(Path(path), scale)

    @pytest.mark.parametrize("text", ["a.safetensors:5", "a.safetensors:", "a.safetensors:x", "a.st:nan", "", "ab:inf"])
    def test_what_is_no_scale(self, text: str, tmp_path: Path) -> None:
        with pytest.raises(InvalidRequest, match=r"FILE\.safetensors:SCALE with a scale from -4 to 4"):
            load_settings({"lora": [text], "home": tmp_path})

    def test_in_every_place(self, tmp_path: Path) -> None:
        expected = (LoraFile(Path("a.st"), 0.5), LoraFile(Path("b.st")))
        where = {"ICLIGHT_HOME": str(tmp_path)}
        assert load_settings({}, {**where, "ICLIGHT_LORA": "a.st:0.5;b.st"}).lora == expected
        assert load_settings({"lora": ["a.st:0.5", Path("b.st")]}, where).lora == expected
        assert load_settings({"lora": LoraFile(Path("b.st"))}, where).lora == expected[1:]
        (tmp_path / "config.toml").write_text('lora = ["a.st:0.5", "b.st"]')
        assert load_settings({}, where).lora == expected


class TestRefused:
    @pytest.mark.parametrize(
        ("shapes", "says"),
        [
            ({"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_down.weight": (4, 1280)}, "is a LoRA for SDXL,"),
            ({ATTENTION: (4, 2048)}, "is a LoRA for SDXL,"),
            ({ATTENTION: (4, 1024)}, "is a LoRA for SD2,"),
            ({ATTENTION: (4, 768)}, "attn2_to_k is 768 wide in the file and 32 in the weights"),
            ({"lora_unet_nowhere.lora_down.weight": (4, 32)}, "their UNet has no layer nowhere"),
            ({ATTENTION.replace("lora_down.weight", "hada_w1_a"): (4, 4)}, "a LoRA of another form"),
            ({"conv_in.weight": (4, 4)}, "a LoRA for SD1.5 was needed: --lora takes LoRA files"),
        ],
    )
    def test_before_anything_is_loaded(
        self, shapes: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write_tensors(tmp_path / "odd.safetensors", shapes)
        monkeypatch.setattr(LocalEngine, "__init__", lambda *args: pytest.fail("an engine was opened"))
        with pytest.raises(WeightsError) as caught:
            assemble.open_engine(weights=str(BUNDLE), lora=str(path))
        assert says in str(caught.value)
        assert str(caught.value).startswith("odd.safetensors ")
        assert caught.value.exit_status == 2

    def test_missing_or_no_safetensors(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match=r"gone\.safetensors is not there"):
            local(lora=str(tmp_path / "gone.safetensors"))
        pickle = tmp_path / "old.ckpt"
        pickle.write_bytes(b"\x80\x02}q\x00." + b" " * 20)
        with pytest.raises(WeightsError, match="is a pickle"):
            local(lora=str(pickle))

    def test_a_rank_that_contradicts_itself(self, tmp_path: Path) -> None:
        """What only diffusers sees is a sentence, too."""
        up = ATTENTION.replace("down.weight", "up.weight")
        path = write_tensors(tmp_path / "odd.safetensors", {ATTENTION: (4, 32), up: (16, 3)})
        with pytest.raises(WeightsError, match=r"odd\.safetensors could not be laid on these weights \("):
            local(lora=str(path)).load("fc")

    def test_keys_of_two_kinds(self, tmp_path: Path) -> None:
        """diffusers would take those of the first kind and leave the others out."""
        mixed = {key.replace("lora_A", "lora.down").replace("lora_B", "lora.up") if "attn" in key else key: value
                 for key, value in unet_layers(0).items()}  # fmt: skip
        save_file({f"unet.{key}": value for key, value in mixed.items()}, tmp_path / "mixed.safetensors")
        with pytest.raises(WeightsError, match="mixes several ways of naming its layers"):
            local(lora=str(tmp_path / "mixed.safetensors")).load("fc")


class TestPictures:
    def test_scale_and_record(self, lora: Path, first: Any, tmp_path: Path) -> None:
        off, on = (local(lora=f"{lora}:{scale}").relight(asked()) for scale in (0, 0.5))
        assert np.abs(pixels(off.images[0]).astype(int) - first).max() <= 1
        assert not np.array_equal(pixels(on.images[0]), first)
        facts = {"name": "warm.safetensors", "sha256": sha256(lora), "scale": 0.5}
        assert on.record["loras"] == [facts]
        picture = tmp_path / "out.png"
        picture.write_bytes(encode(on.images[0], output_format="png", quality=95, embedded=Embedded(on.record_of(0))))
        assert read_record(str(picture), offline=True)["loras"] == [facts]

    def test_several_and_the_keys_of_kohya(self, lora: Path, tmp_path: Path) -> None:
        kohya = write_kohya_lora(tmp_path / "kohya.safetensors")
        both = local(lora=[f"{lora}:0.02", f"{kohya}:0.02"]).relight(asked(steps=1))
        whole, same = (local(lora=f"{path}:0.04").relight(asked(steps=1)) for path in (lora, kohya))
        assert np.array_equal(pixels(whole.images[0]), pixels(same.images[0]))
        assert np.abs(pixels(both.images[0]).astype(int) - pixels(whole.images[0])).max() <= 2
        assert [each["scale"] for each in both.record["loras"]] == [0.02, 0.02]

    def test_every_model_has_them(self, lora: Path, shared: LocalEngine) -> None:
        engine = local(lora=str(lora))
        for model in ("fc", "fcon", "fbc"):
            request = asked(model=model, light_source="left", steps=1)
            plain, changed = (pixels(each.relight(request).images[0]) for each in (shared, engine))
            assert not np.array_equal(plain, changed), model
        assert len(unet_layers(0)) > 20
        assert engine.load("fc").text_encoder is not engine.load("fbc").text_encoder

    def test_normals(self, lora: Path, shared: LocalEngine) -> None:
        changed = local(lora=str(lora)).normals(asked(steps=1))
        assert changed.run.record["loras"][0]["name"] == "warm.safetensors"
        plain = shared.normals(asked(steps=1))
        assert not np.array_equal(pixels(changed.relit["left"]), pixels(plain.relit["left"]))


def test_it_is_no_knob_of_a_request() -> None:
    with pytest.raises(InvalidRequest):
        RelightRequest(subject_image="a.png", lora="b.safetensors")
