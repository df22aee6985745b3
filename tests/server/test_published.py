"""Calls shaped as those that the vendors publish, from the programs that they are written for."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from iclight_local.imaging.guarded import Guard, fetch
from iclight_local.server.keys import KeyFile
from tests.fake_engine import FramedFake
from tests.server.live import Live, png, serving

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not here")
BIG = png((1200, 1200)) + os.urandom(2 << 20)
"""A picture with so much behind it that curl asks before it sends it."""


class Pictures(BaseHTTPRequestHandler):
    """Somebody's host of pictures."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "image/png")
        self.end_headers()
        self.wfile.write(png((80, 60)))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Vendor:
    """A server that is called as a hosted one would be."""

    def __init__(self, live: Live, key: str, pictures: str, folder: Path) -> None:
        self.live, self.key, self.pictures, self.folder = live, key, pictures, folder
        self.file = folder / "photo.png"
        self.file.write_bytes(BIG)

    def curl(self, *words: str) -> tuple[int, str, bytes]:
        """Status, type and body."""
        to = self.folder / "curl.out"
        told = run("curl", "-sS", "-o", str(to), "-w", "%{http_code} %{content_type}", *words)
        status, _, kind = told.partition(" ")
        return int(status), kind, to.read_bytes()

    def node(self, script: str) -> Any:
        """What a script ends its output with, as JSON."""
        head = "const [BASE, KEY, PICTURE, FILE] = process.argv.slice(2); const fs = await import('node:fs');\n"
        path = self.folder / "call.mjs"
        path.write_text(head + script)
        told = run("node", str(path), self.live.url, self.key, f"{self.pictures}/a.png", str(self.file))
        return json.loads(told.splitlines()[-1])


def run(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(status: str, ask: Callable[[], Any]) -> Any:
    """Ask for a job until it has a status."""
    for _ in range(300):
        found = ask()
        if found["status"] == status:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    folder: Path = tmp_path_factory.mktemp("published")
    keys = KeyFile(folder / "keys.json")
    host = ThreadingHTTPServer(("127.0.0.1", 0), Pictures)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    guard = Guard(allow_private=True)
    how: dict[str, Any] = {"engine": FramedFake(), "fetch": lambda url: fetch(url, guard)}
    with serving(folder / "jobs", keys=keys, body=8 << 20, **how) as live:
        yield Vendor(live, keys.add("ann"), f"http://127.0.0.1:{host.server_address[1]}", folder)
    host.shutdown()
    host.server_close()


@needs_curl
class TestCurl:
    def test_photoroom_relights_a_file(self, vendor: Vendor) -> None:
        fields = {"referenceBox": "originalImage", "maxWidth": "2000", "maxHeight": "2000"}
        fields |= {"removeBackground": "false", "lighting.mode": "ai.auto", "imageFile": f"@{vendor.file}"}
        form = [word for name, value in fields.items() for word in ("--form", f"{name}={value}")]
        headers = ("--request", "POST", "--header", f"x-api-key: {vendor.key}")
        status, kind, data = vendor.curl(*headers, *form, "--url", f"{vendor.live.url}/v2/edit")
        assert (status, kind, data[:4]) == (200, "image/png", b"\x89PNG")
        refused = vendor.curl(*form, "--url", f"{vendor.live.url}/v2/edit")
        assert (refused[0], json.loads(refused[2])) == (403, {"error": {"message": "Unauthorized"}})

    def test_photoroom_edits_by_address(self, vendor: Vendor) -> None:
        """As its positioning and background pages ask: with a GET, every value in the address."""
        query = {"imageUrl": f"{vendor.pictures}/a.png", "outputSize": "200x400", "padding": "10%", "scaling": "fit"}
        query |= {"background.imageUrl": f"{vendor.pictures}/b.png", "export.format": "webp", "shadow.mode": "ai.soft"}
        words = [word for name, value in query.items() for word in ("--data-urlencode", f"{name}={value}")]
        key = ("--header", f"x-api-key: sandbox_{vendor.key}")
        status, kind, data = vendor.curl("--get", *key, *words, f"{vendor.live.url}/v2/edit")
        assert (status, kind, Image.open(io.BytesIO(data)).size) == (200, "image/webp", (200, 400))
        told = vendor.curl("--get", *key, *words, "-d", "templateId=a", f"{vendor.live.url}/v2/edit")
        assert (told[0], json.loads(told[2])["error"]["code"]) == (400, "unsupported_locally")

    def test_a_body_of_unknown_length(self, vendor: Vendor) -> None:
        headers = ("-H", f"x-api-key: {vendor.key}", "-H", "Transfer-Encoding: chunked")
        form = ("-F", f"subject_image=@{vendor.file}", "-F", "prompt=cat;type=text/plain")
        assert vendor.curl(*headers, *form, f"{vendor.live.url}/v1/ic-light")[:2] == (200, "image/webp")

    def test_pixeldojo_submits_and_polls(self, vendor: Vendor) -> None:
        key = ("-H", f"Authorization: Bearer {vendor.key}")
        told = {
            "prompt": "golden hour",
            "aspect_ratio": "1:1",
            "subject_image": f"{vendor.pictures}/a.png",
            "width": 256,
        }
        body = ("-H", "Content-Type: application/json", "-d", json.dumps(told))
        status, _, data = vendor.curl(
            "-X", "POST", f"{vendor.live.url}/api/v1/models/image-relighting/run", *key, *body
        )
        job = json.loads(data)
        assert (status, job["status"]) == (202, "pending")
        found = until("completed", lambda: json.loads(vendor.curl(job["statusUrl"], *key)[2]))
        assert vendor.curl(found["output"]["images"][0])[:2] == (200, "image/png")
        # As published, nothing is relit, and a job is asked for that is none.
        del told["subject_image"]
        bare = ("-H", "Content-Type: application/json", "-d", json.dumps(told))
        refused = vendor.curl("-X", "POST", f"{vendor.live.url}/api/v1/models/image-relighting/run", *key, *bare)
        assert (refused[0], json.loads(refused[2])["error"]["message"]) == (400, "subject_image is required")
        assert vendor.curl(f"{vendor.live.url}/api/v1/jobs/job_abc123", *key)[0] == 404


class TestPython:
    def post(self, vendor: Vendor, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        kind = {"Content-Type": "application/json", "User-Agent": "python-requests/2.32", "Accept": "*/*"}
        data = json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(vendor.live.url + path, data, {**kind, **headers}))

    def get(self, url: str, headers: dict[str, str]) -> Any:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as reply:
            return json.load(reply)

    def test_segmind_relighting_v2(self, vendor: Vendor) -> None:
        body = {
            **{"image": f"{vendor.pictures}/a.png", "light_direction": "back", "light_type": "spotlight"},
            **{"light_temperature": "warm", "light_intensity": "strong", "size": "auto", "quality": "high"},
            **{"background": "opaque", "output_compression": 100, "output_format": "png"},
        }
        with self.post(vendor, "/v1/segmind-relighting-v2", body, {"x-api-key": vendor.key}) as reply:
            assert (reply.status, reply.headers["Content-Type"]) == (200, "image/png")
            assert int(reply.headers["X-Remaining-Credits"]) > 0
            assert reply.read(4) == b"\x89PNG"

    def test_pixeldojo(self, vendor: Vendor) -> None:
        body = {
            "subject_image": f"{vendor.pictures}/a.png",
            "prompt": "golden hour",
            "aspect_ratio": "16:9",
            "width": "256",
        }
        key = {"Authorization": f"Bearer {vendor.key}"}
        with self.post(vendor, "/api/v1/models/image-relighting/run", body, key) as reply:
            url = f"{vendor.live.url}/api/v1/jobs/{json.load(reply)['jobId']}"
        assert len(until("completed", lambda: self.get(url, key))["output"]["images"]) == 1

    def test_segmind_submits_polls_and_downloads(self, vendor: Vendor) -> None:
        """As its own client does: the addresses of the answer are followed as they are."""
        body = {"subject_image": f"{vendor.pictures}/a.png", "prompt": "cat", "seed": 42}
        key = {"x-api-key": vendor.key}
        with self.post(vendor, "/v2/ic-light", body, key) as reply:
            job = json.load(reply)
        until("COMPLETED", lambda: self.get(job["status_url"], key))
        result = self.get(job["response_url"], key)
        assert (result["status"], result["seed"]) == ("COMPLETED", "42")
        with urllib.request.urlopen(result["output"]) as reply:
            assert reply.headers["Content-Type"] == result["images"][0]["content_type"] == "image/webp"


@needs_node
class TestNode:
    def test_segmind_as_a_form_of_many_fields(self, vendor: Vendor) -> None:
        told = vendor.node("""
            const form = new FormData();
            const fields = {cfg: 2, seed: 42, steps: 25, width: 512, height: 640, prompt: 'a cat', light_source: 'None',
                highres_scale: 1.5, output_format: 'webp', subject_image: PICTURE, lowres_denoise: 0.9,
                output_quality: 80, appended_prompt: 'sharp', highres_denoise: 0.5, negative_prompt: 'dull',
                number_of_images: 1};
            for (const [name, value] of Object.entries(fields)) form.append(name, value);
            const headers = {'x-api-key': KEY, accept: 'application/json, text/plain, */*'};
            const reply = await fetch(`${BASE}/v1/ic-light`, {method: 'POST', body: form, headers});
            const head = Buffer.from(await reply.arrayBuffer()).toString('latin1', 0, 4);
            console.log(JSON.stringify([reply.status, reply.headers.get('content-type'), head,
                reply.headers.get('x-seed-value')]));
        """)
        assert told == [200, "image/webp", "RIFF", "42"]

    def test_pixeldojo(self, vendor: Vendor) -> None:
        told = vendor.node("""
            const headers = {Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json'};
            const ask = async (body) => fetch(`${BASE}/api/v1/models/image-relighting/run`,
                {method: 'POST', headers, body: JSON.stringify(body)});
            const body = {subject_image: PICTURE, prompt: 'golden hour', aspect_ratio: '1:1', width: 256};
            const job = await (await ask(body)).json();
            let found;
            do { found = await (await fetch(`${BASE}/api/v1/jobs/${job.jobId}`, {headers})).json(); }
            while (!['completed', 'failed'].includes(found.status));
            const refused = await ask({prompt: 'golden hour'});
            console.log(JSON.stringify([found.status, found.output.images.length, refused.status]));
        """)
        assert told == ["completed", 1, 400]

    def test_photoroom_with_a_file_and_a_url(self, vendor: Vendor) -> None:
        told = vendor.node("""
            const headers = {'x-api-key': KEY, accept: 'image/png, application/json'};
            const form = new FormData();
            form.append('imageFile', new Blob([fs.readFileSync(FILE)]), 'photo.jpg');
            for (const name of ['background.color', 'background.prompt']) form.append(name, '');
            form.append('removeBackground', 'false');
            form.append('lighting.mode', 'ai.auto');
            const sent = await fetch(`${BASE}/v2/edit`, {method: 'POST', body: form, headers});
            const query = new URLSearchParams({imageUrl: PICTURE, 'lighting.mode': 'ai.auto', 'export.format': 'jpeg'});
            const got = await fetch(`${BASE}/v2/edit?${query}`, {headers});
            const account = await (await fetch(`${BASE}/v1/account`, {headers})).json();
            console.log(JSON.stringify([sent.status, sent.headers.get('content-type'), got.status,
                got.headers.get('content-type'), account.credits.available > 0]));
        """)
        assert told == [200, "image/png", 200, "image/jpeg", True]

    def test_photoroom_as_a_form_of_many_fields(self, vendor: Vendor) -> None:
        """As published clients fill it: every field of their own form, empty ones too, and a background by address."""
        told = vendor.node("""
            const headers = {'x-api-key': KEY};
            const ask = async (fields) => {
                const form = new FormData();
                form.append('imageFile', new Blob([fs.readFileSync(FILE)]), 'photo.jpg');
                for (const [name, value] of Object.entries(fields)) form.append(name, value);
                const reply = await fetch(`${BASE}/v2/edit`, {method: 'POST', body: form, headers});
                return [reply.status, reply.headers.get('content-type'), reply.headers.get('pr-ai-background-seed'),
                    reply.headers.get('pr-unsupported-attributes')];
            };
            const common = {'background.color': '', 'background.prompt': '', outputSize: '300x200', padding: '0.1'};
            const kept = {...common, removeBackground: 'false', ignorePaddingAndSnapOnCroppedSides: 'false'};
            const behind = {...common, 'background.imageUrl': PICTURE, 'background.scaling': 'fill', margin: '5%'};
            const scene = {...common, 'background.prompt': 'on a beach', 'background.seed': '7',
                'background.expandPrompt': 'never', 'shadow.mode': 'ai.floating', 'export.format': 'jpg'};
            console.log(JSON.stringify([await ask(kept), await ask(behind), await ask(scene)]));
        """)
        png_told = [200, "image/png", None, None]
        assert told == [png_told, png_told, [200, "image/jpeg", "7", None]]
