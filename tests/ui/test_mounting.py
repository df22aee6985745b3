"""The page as a part of a server: what it needs, and that nothing else needs that."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from iclight_local.errors import EngineError, Unsupported
from iclight_local.settings import load_settings
from iclight_local.ui.mounting import open_facts
from tests.server.live import png
from tests.ui.at_page import AtPage, page_served, picture


def test_without_gradio_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else found(name))
    with pytest.raises(Unsupported) as told:
        open_facts(load_settings({"home": tmp_path}, {}))
    sentence = "The page is drawn by Gradio, which is not installed: pip install 'iclight-local[ui]'."
    assert str(told.value) == sentence


def test_only_the_page_imports_gradio() -> None:
    code = (
        "import sys, iclight_local, iclight_local.cli.serve, iclight_local.cli.ui, iclight_local.server.serving\n"
        "import iclight_local.ui.mounting, iclight_local.hosted\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('gradio', 'gradio_client', 'fastapi')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_place_that_cannot_be_written_is_said_before_anything_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "page").write_text("a file of somebody's")
    with pytest.raises(EngineError, match="page cannot be made"), page_served(tmp_path / "jobs"):
        raise AssertionError("it came up")


def test_what_the_environment_could_switch_on_stays_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ("SSR_MODE", "MCP_SERVER", "RUN_HISTORY", "ANALYTICS_ENABLED", "SHARE", "VIBE_MODE", "ALLOWED_PATHS")
    for name in asked:
        monkeypatch.setenv(f"GRADIO_{name}", "/" if name == "ALLOWED_PATHS" else "True")
    with page_served(tmp_path / "jobs") as live:
        me = AtPage(live)
        config = me.config
        assert config["connect_heartbeat"] is False and config["run_history"] is False
        for name in ("analytics_enabled", "mcp_server", "vibe_mode"):
            assert not config[name], name
        assert me.get("/gradio_api/file=/etc/hostname").status == 404


def test_the_page_writes_nothing_into_the_package(tmp_path: Path) -> None:
    """Gradio writes a file of types beside every class of components that it sees."""
    import iclight_local.ui.page as page

    assert not Path(page.__file__).with_suffix(".pyi").exists()


def test_two_pages_of_one_process_keep_their_pictures_apart(tmp_path: Path) -> None:
    with page_served(tmp_path / "a") as one, page_served(tmp_path / "b") as two:
        ann, bob = AtPage(one), AtPage(two)
        path = ann.upload(png())
        assert Path(path).is_relative_to(tmp_path / "a")
        (told,) = ann.press("Relight", {"Picture": picture(path)})
        assert ann.wait(told["job"])["state"] == "done"
        bob.headers = {**bob.headers, "cookie": ann.headers["cookie"]}
        assert bob.get(f"/gradio_api/file={path}").status == 404


def test_a_jobs_limit_of_calls_is_the_pages_too(tmp_path: Path) -> None:
    with page_served(tmp_path / "jobs", rate=2) as live:
        me: Any = AtPage(live)
        photo = {"Picture": picture(me.upload(png()))}
        assert [set(me.press("Relight", photo)[0]) for _ in range(2)] == [{"job"}] * 2
        # Nor does another browser of this machine have a limit of its own.
        other = AtPage(live)
        (told,) = other.press("Relight", {"Picture": picture(other.upload(png()))})
        assert told == {"error": "Too many requests"}


def test_the_pages_calls_are_counted_as_one_route_and_no_look_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its routes have names that the server's own have, too, and a browser asks every moment."""
    caplog.set_level("INFO", "iclight_local.server")
    with page_served(tmp_path / "jobs") as live:
        me = AtPage(live)
        for path in ("/page/jobs", "/page/light?light=left", "/nothing", "/page/static/page.js"):
            me.get(path)
        assert {record.told["status"] for record in caplog.records if record.name == "iclight_local.server"} == {404}
        counted = [
            line for line in live.get("/metrics").data.decode().splitlines() if line.startswith("iclight_calls_t")
        ]
        assert {line.split('"')[1] for line in counted} == {"/ui"}
        assert 'iclight_calls_total{route="/ui",status="404"} 1.0' in counted
