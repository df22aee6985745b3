import inspect
import subprocess
import sys

import pytest

from iclight_local.segmenters.catalogue import DEFAULT, EMBEDDED, MODELS, NAMED, OWN_FILE, REFUSED


def installed():
    import rembg.sessions

    return {found.name(): found for found in rembg.sessions.sessions_class}


def test_every_session_of_the_installed_rembg_is_known():
    listed = set(MODELS) | set(OWN_FILE) | set(REFUSED)
    assert set(installed()) <= listed, "rembg has new sessions: put each into MODELS, OWN_FILE or REFUSED"
    assert set(MODELS) | set(OWN_FILE) <= set(installed())


def test_no_name_is_in_two_lists():
    assert len({*MODELS, *OWN_FILE, *REFUSED, "mini"}) == len(MODELS) + len(OWN_FILE) + len(REFUSED) + 1


def test_the_embedded_one_is_named_beside_those_of_rembg():
    assert list(NAMED.values()) == [*MODELS.values(), EMBEDDED]
    assert (EMBEDDED.name, EMBEDDED.commercial, EMBEDDED.asset) == ("mini", "yes", None)
    assert EMBEDDED.name not in installed()


def test_no_model_of_the_catalogue_sends_pictures_away():
    for name in [*MODELS, *OWN_FILE]:
        assert installed()[name].is_local(), name
        assert not installed()[name].requires_credentials(), name


@pytest.mark.parametrize("name", MODELS)
def test_file_names_agree_with_rembg(name, tmp_path, monkeypatch):
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    file = tmp_path / "models" / name / MODELS[name].file
    file.parent.mkdir(parents=True)
    file.touch()
    assert installed()[name].download_models() == str(file)


@pytest.mark.parametrize("model", MODELS.values(), ids=lambda model: model.name)
def test_asset_is_what_rembg_downloads(model):
    source = inspect.getsource(sys.modules[installed()[model.name].__module__])
    if model.asset is None:
        assert "/releases/download/" not in source
    else:
        assert f'/releases/download/v0.0.0/{model.asset}"' in source


def test_default_is_free_for_commercial_use():
    assert MODELS[DEFAULT].commercial == "yes"
    assert MODELS[DEFAULT].licence.startswith("MIT")


def test_only_bria_is_refused_for_its_licence():
    assert [model.name for model in MODELS.values() if model.commercial == "no"] == ["bria-rmbg"]


def test_every_model_says_what_it_is():
    for model in NAMED.values():
        assert model.licence and model.description, model.name


def test_listing_imports_nothing_heavy():
    code = (
        "import sys, iclight_local.segmenters.catalogue; "
        "heavy = {'rembg', 'onnxruntime', 'numpy', 'PIL', 'torch', 'numba'} & set(sys.modules); "
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
