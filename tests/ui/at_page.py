"""The page without a browser: what its scripts send, over HTTP."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from tests.fake_engine import FramedFake
from tests.server.live import Live, Reply, serving


@contextmanager
def page_served(folder: Path, **how: Any) -> Iterator[Live]:
    """A server with the page in front of a :class:`FramedFake`; ``how`` as :func:`serving` has it."""
    from iclight_local.ui.mounting import make_page
    from iclight_local.ui.page import Facts

    page = partial(make_page, facts=Facts("On this machine.", "Nothing leaves this machine.", {}))
    with serving(folder, **{"engine": FramedFake(), "shown": page, **how}) as live:
        yield live


class AtPage:
    """Somebody who looks at the page.

    Attributes:
        live: the server.
        headers: of all calls; the cookie is among them.
        config: what Gradio drew.
    """

    def __init__(self, live: Live, key: str | None = None) -> None:
        self.live, self.headers = live, {"accept": "text/html"}
        if key is not None:
            form = {"content-type": "application/x-www-form-urlencoded"}
            self._keep_cookie(live.call("POST", "/ui/login", f"key={key}".encode(), form))
        opened = self.get("/")
        assert opened.status == 200
        if key is None:
            self._keep_cookie(opened)
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", opened.data.decode(), re.DOTALL)
        assert found is not None
        self.config = json.loads(found.group(1))
        self._parts = {part["id"]: part for part in self.config["components"]}

    def _keep_cookie(self, reply: Reply) -> None:
        self.headers["cookie"] = reply.headers["set-cookie"].split(";")[0]

    def get(self, path: str) -> Reply:
        return self.live.get(f"/ui{path}", self.headers)

    def upload(self, data: bytes) -> str:
        """Put a picture on the page; where it lies."""
        answer = self.live.form("/ui/gradio_api/upload", {"files": data}, self.headers)
        assert answer.status == 200, answer.data
        return str(answer.json[0])

    def call(self, number: int, data: list[Any]) -> Reply:
        return self.live.json("/ui/gradio_api/run/predict", {"fn_index": number, "data": data}, self.headers)

    def press(self, button: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Press a button while some fields, by label, hold other values than the page begins with."""
        answer = self.call(*self.pressed(button, {} if values is None else values))
        assert answer.status == 200, answer.data
        return list(answer.json["data"])

    def pressed(self, button: str, values: Mapping[str, Any]) -> tuple[int, list[Any]]:
        """The number of a button's function, and what it is called with."""
        (part,) = [part for part in self._parts.values() if part["props"].get("value") == button]
        (work,) = [each for each in self.config["dependencies"] if [part["id"], "click"] in each["targets"]]
        fields = [self._parts[each]["props"] for each in work["inputs"]]
        unknown = set(values) - {field.get("label") for field in fields}
        assert not unknown
        return work["id"], [values.get(str(field.get("label")), field.get("value")) for field in fields]

    def wait(self, job: str) -> dict[str, Any]:
        """A job as it is told when it has ended."""
        deadline = time.monotonic() + self.live.patience
        while time.monotonic() < deadline:
            told = self.get(f"/page/jobs/{job}").json
            if told["final"]:
                return dict(told)
            time.sleep(0.02)
        raise AssertionError(f"the job {job} did not end")


def picture(path: str) -> dict[str, Any]:
    """A file as the page's scripts name it."""
    return {"path": path, "url": "", "orig_name": "a.png", "meta": {"_type": "gradio.FileData"}}


def painted(*layers: str) -> dict[str, Any]:
    """The value of an editor with these layers."""
    return {"background": None, "layers": [picture(layer) for layer in layers], "composite": None, "id": None}
