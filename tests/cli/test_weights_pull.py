"""``iclight weights pull`` as a process: stopped, killed, twice at once, on a full disk, and forbidden the network."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from iclight_local.segmenters.catalogue import DEFAULT as SEGMENTER
from tests.cli.commands import Command, Terminal, arguments, environment, spawn
from tests.store.hub_server import HubServer, Trouble
from tests.store.small_manifest import Made, write_manifest

MIB = 1 << 20
SIZE = 4 * MIB + 77
DATA = np.random.default_rng(0).bytes(SIZE)
LIGHT = "iclight_sd15_fc.safetensors"
SLOW = Trouble(slow=0.02, method="GET")
"""About three megabytes a second."""
PATIENCE_S = 60


class Shop:
    """A server, a manifest of what it has, and a home."""

    def __init__(self, server: HubServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.home = folder / "home"
        self.light = self.home / "weights" / "sd15" / LIGHT
        self.entries = (
            Made("fancy", "base", {"model_index.json": b"{}"}, known=False, commercial="unknown"),
            Made("plain", "base", {"model_index.json": b"{ }", "unet/config.json": b"{}"}),
            Made("iclight-fc", "offsets", {LIGHT: DATA}),
            Made("iclight-fcon", "offsets", {"iclight_sd15_fcon.safetensors": b"fcon"}),
            Made("iclight-fbc", "offsets", {"iclight_sd15_fbc.safetensors": b"fbc"}),
            Made(SEGMENTER, "segmenter", {f"{SEGMENTER}.onnx": b"onnx"}, [f"{server.url}/copy/"], github=True),
            Made("paid", "lora", {"paid.safetensors": b"paid"}, commercial="no"),
            Made("odd", "lora", {"odd.safetensors": DATA}, known=False),
        )
        self.manifest = write_manifest(folder / "manifest.toml", *self.entries)
        for entry in self.entries:
            for path, data in entry.files.items():
                server.put(entry.repository, path, data)
        server.mirror(f"copy/{SEGMENTER}.onnx", b"onnx")

    def words(self, *words: str) -> list[str | Path]:
        """The command line."""
        return ["weights", "pull", *words, "--manifest", self.manifest, "--home", self.home]

    def start(self, *words: str) -> subprocess.Popen[str]:
        """The command as a process that can hear an interrupt."""
        return subprocess.Popen(
            arguments(*self.words(*words)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def wait_for_bytes(self, count: int) -> None:
        """Wait until the server has sent so many."""
        until = time.monotonic() + PATIENCE_S
        while sum(self.server.bodies(LIGHT)) < count:
            assert time.monotonic() < until, "the fetch never came so far"
            time.sleep(0.01)

    def nothing_else_was_asked(self) -> None:
        """The library asks the hub for more than files where it is not told to leave that."""
        assert {seen.path for seen in self.server.seen} <= set(self.server.files)
        assert {seen.headers["user-agent"].partition(";")[0] for seen in self.server.seen} == {"unknown/None"}

    def kept(self) -> int:
        """The bytes of the one part; nothing has a final name yet."""
        assert not self.light.exists()
        (part,) = self.light.parent.glob(f".partial/*-{LIGHT}.part")
        assert DATA.startswith(part.read_bytes())
        return part.stat().st_size


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with socket.socket() as probe, HubServer() as server:
        probe.bind(("127.0.0.1", 0))  # Bound and not listening: whatever is sent there is refused.
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{probe.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("U2NET_HOME", str(tmp_path / "u2net"))
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        yield Shop(server, tmp_path)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Status, output and errors of a process when it is over."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in err
    return process.returncode, out, err


class TestWhole:
    def test_without_a_name(self, shop: Shop) -> None:
        answer = spawn(*shop.words("--json"))
        assert answer.status == 0, answer.err
        told = answer.json
        weights = shop.home / "weights" / "sd15"
        assert {file["path"]: file["checked"] for file in told["fetched"]} == {
            str(weights / LIGHT): True,
            str(weights / "iclight_sd15_fbc.safetensors"): True,
            str(shop.folder / "u2net" / "models" / SEGMENTER / f"{SEGMENTER}.onnx"): True,
            str(weights / "base" / "model_index.json"): False,
        }
        for file in told["fetched"]:
            data = Path(file["path"]).read_bytes()
            assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
            assert file["licence"] == f"the licence of {file['entry']}"
        assert told["bundle"] == "sd15"
        assert told["already_there"] == []
        assert told["bytes"] == SIZE + 3 + 4 + 2
        # The release could not be reached, so that its mirror was asked.
        assert f"{SEGMENTER}.onnx: github.com could not be reached" in answer.err
        assert "\r" not in answer.err
        shop.nothing_else_was_asked()

    def test_again_and_in_words(self, shop: Shop) -> None:
        shop.light.parent.mkdir(parents=True)
        shop.light.write_bytes(DATA)
        answer = spawn(*shop.words("iclight-fc", "odd"))
        assert answer.status == 0, answer.err
        odd = shop.home / "weights" / "loras" / "odd.safetensors"
        came = f"from {shop.server.url}/maker/odd/resolve/{'0123456789abcdef' * 2}01234567/odd.safetensors"
        assert answer.out.splitlines() == [
            "iclight-fc: the licence of iclight-fc; commercial use: yes",
            f"  {shop.light}",
            f"    {SIZE:,} bytes, was there, sha256 as published",
            "odd: the licence of odd; commercial use: yes",
            f"  {odd}",
            f"    {SIZE:,} bytes, {came}, unchecked, its sha256 is {hashlib.sha256(DATA).hexdigest()}",
            f"Fetched: 1 of 2 files, {SIZE:,} bytes.",
        ]
        assert shop.server.bodies(LIGHT) == []

    def test_a_bar_on_a_terminal(self, shop: Shop) -> None:
        shop.server.trouble(LIGHT, SLOW)
        with Terminal(*shop.words("iclight-fc"), cwd=shop.folder) as terminal:
            screen = terminal.read_all()
        assert terminal.process.returncode == 0
        assert "%" in screen
        assert "/4.19M" in screen
        assert "Fetched: 1 of 1 files" in screen
        shop.nothing_else_was_asked()

    def test_a_server_that_fails(self, shop: Shop) -> None:
        shop.server.trouble(LIGHT, Trouble(status=500))
        answer = spawn(*shop.words("iclight-fc", "--json"))
        assert answer.status == 1
        assert answer.json["error"]["type"] == "EngineError"
        assert "answered 500" in answer.sentence


class TestStopped:
    def test_ctrl_c(self, shop: Shop) -> None:
        shop.server.trouble(LIGHT, SLOW)
        process = shop.start("iclight-fc")
        shop.wait_for_bytes(2 * MIB + MIB // 2)
        process.send_signal(signal.SIGINT)
        status, out, err = ended(process)
        assert (status, out) == (130, "")
        assert err == ("iclight: Stopped: what has come so far is kept, and the same command goes on from there.\n")
        self._goes_on(shop)

    def test_killed(self, shop: Shop) -> None:
        shop.server.trouble(LIGHT, SLOW)
        process = shop.start("iclight-fc")
        shop.wait_for_bytes(2 * MIB + MIB // 2)
        process.kill()
        assert ended(process) == (-signal.SIGKILL, "", "")
        self._goes_on(shop)

    @staticmethod
    def _goes_on(shop: Shop) -> None:
        kept = shop.kept()
        assert kept >= MIB
        shop.server.troubles.clear()
        answer = spawn(*shop.words("iclight-fc"))
        assert answer.status == 0, answer.err
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies(LIGHT)[-1] == SIZE - kept

    def test_two_at_once(self, shop: Shop) -> None:
        crawling = Trouble(slow=1.0, method="GET")
        shop.server.trouble(LIGHT, crawling)
        first = shop.start("iclight-fc", "--json")
        shop.wait_for_bytes(1)
        second = shop.start("iclight-fc", "--json")
        assert second.stderr is not None
        assert "Another `iclight weights pull` is writing" in second.stderr.readline()
        crawling.slow = 0
        answers = [ended(process) for process in (first, second)]
        assert [status for status, _, _ in answers] == [0, 0]
        assert [len(json.loads(out)["fetched"]) for _, out, _ in answers] == [1, 0]
        assert "Another" not in answers[0][2]
        assert shop.light.read_bytes() == DATA
        assert shop.server.bodies(LIGHT) == [SIZE]


@pytest.fixture
def small_disk(shop: Shop) -> Iterator[Path]:
    """A disk of three megabytes at home."""
    shop.home.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(shop.home)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False) if sys.platform == "linux" else None
    if done is None or done.returncode != 0:
        pytest.skip(f"no small disk can be mounted ({'not Linux' if done is None else done.stderr.strip()})")
    yield shop.home
    subprocess.run(["umount", str(shop.home)], check=True)


class TestFullDisk:
    def test_refused_before_the_first_byte(self, shop: Shop, small_disk: Path) -> None:
        answer = spawn(*shop.words("iclight-fc"))
        assert answer.status == 2
        assert f"{SIZE:,} bytes are to be fetched and the disk of {shop.light.parent} has 3,1" in answer.sentence
        assert shop.server.bodies() == []

    def test_full_in_the_middle(self, shop: Shop, small_disk: Path) -> None:
        """A server that does not say how large its file is lets the disk run full."""
        shop.server.heads = False
        answer = spawn(*shop.words("odd"))
        assert answer.status == 1
        folder = small_disk / "weights" / "loras"
        assert answer.sentence.startswith(f"The disk of {folder} is full (No space left on device): make room for ")
        (part,) = folder.glob(".partial/*-odd.safetensors.part")
        has = part.stat().st_size
        assert 2 * MIB < has < SIZE
        assert list(folder.glob("*.safetensors")) == []
        subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
        answer = spawn(*shop.words("odd"))
        assert answer.status == 0, answer.err
        assert (folder / "odd.safetensors").read_bytes() == DATA
        assert shop.server.bodies()[-1] == SIZE - has


class TestRefused:
    """In this very process, and without a single socket."""

    @pytest.fixture(autouse=True)
    def sockets(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        opened: list[Any] = []

        def refuse(_: socket.socket, address: Any) -> NoReturn:
            opened.append(address)
            raise AssertionError(f"a socket was opened to {address}")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket.socket, "connect_ex", refuse)
        yield opened
        assert opened == []
        assert shop.server.seen == []
        assert not (shop.home / "weights").exists()

    def test_offline(self, shop: Shop, iclight: Command, monkeypatch: pytest.MonkeyPatch) -> None:
        answer = iclight(*shop.words("--offline"))
        assert answer.status == 2
        assert answer.sentence.startswith("Nothing is fetched because --offline, ICLIGHT_OFFLINE or config.toml says ")
        monkeypatch.setenv("ICLIGHT_OFFLINE", "1")
        assert iclight(*shop.words("iclight-fc", "--json")).json["error"]["message"] == answer.sentence

    def test_the_librarys_own_word_for_it(self, shop: Shop) -> None:
        """It is read when the library is loaded, and hence tried in a process of its own, which can open no sockets."""
        words = [str(word) for word in shop.words()]
        code = (
            "import socket, sys; from iclight_local.cli import main\n"
            "def refuse(*_): sys.exit('a socket was opened')\n"
            f"socket.socket.connect = socket.socket.connect_ex = refuse; sys.exit(main({words!r}))"
        )
        usual = environment(HF_HUB_OFFLINE="1")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=usual, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("iclight: Nothing is fetched because HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE ")

    def test_no_such_weights(self, shop: Shop, iclight: Command) -> None:
        answer = iclight(*shop.words("iclight-fcc"))
        assert answer.status == 2
        names = ", ".join(["sd15", *(entry.name for entry in shop.entries)])
        assert answer.sentence == (
            f"There are no published weights 'iclight-fcc': did you mean iclight-fc? Known are {names}."
        )

    def test_what_is_made_from_something_else(self, iclight: Command) -> None:
        answer = iclight("weights", "pull", "birefnet-general-fp16")
        assert answer.status == 2
        assert answer.sentence.endswith("made from birefnet-general on this machine: name birefnet-general.")

    @pytest.mark.parametrize("name", ["paid", "fancy"])
    def test_not_for_commercial_use(self, shop: Shop, iclight: Command, name: str) -> None:
        answer = iclight(*shop.words(name, "--commercial"))
        assert answer.status == 2
        assert f"{name} may" in answer.sentence
        assert "iclight weights licences --commercial" in answer.sentence

    @pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden", "loras", "/tmp"])
    def test_no_name_of_a_bundle(self, shop: Shop, iclight: Command, name: str) -> None:
        answer = iclight(*shop.words(f"--into={name}"))
        assert answer.status == 2
        assert answer.sentence == f"A bundle cannot be called {name!r}: give a plain name, like sd15."


def test_other_commands_stay_offline() -> None:
    """Only this one may reach for the network: for the others the hub's library is kept from it."""
    code = (
        "import os; from iclight_local.cli import main; main(['weights', 'list']); print(os.environ['HF_HUB_OFFLINE'])"
    )
    usual = {name: value for name, value in environment().items() if name != "HF_HUB_OFFLINE"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=usual, check=True)
    assert done.stdout.splitlines()[-1] == "1"
