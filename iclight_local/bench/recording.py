"""Answers on the disk, to be played back: hosted engines without a key, and the same figures again."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from iclight_local import errors
from iclight_local.bench.answers import Answer, Entrant
from iclight_local.bench.cases import PICTURE_FIELDS, file_name
from iclight_local.bench.contestants import Price
from iclight_local.errors import EngineError, InvalidRequest, Unsupported
from iclight_local.imaging.encode import encode
from iclight_local.imaging.sources import read_source
from iclight_local.imaging.write import write
from iclight_local.request import RelightRequest
from iclight_local.result import RelightResult

SCHEMA = 1
INDEX = "contestant.json"


def fingerprint(request: RelightRequest) -> str:
    """What makes two requests the same: the bytes of their pictures and all other values."""
    values = request.model_dump(exclude_defaults=True)
    plain = {name: _plain(name, value) for name, value in sorted(values.items())}
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:32]


class Recorder:
    """Passes an entrant's answers on and writes each of them down.

    Raises:
        InvalidRequest: the folder has answers of that entrant already.
    """

    def __init__(self, entrant: Entrant, folder: Path) -> None:
        self.name, self.price, self.replayed, self.apart = (
            entrant.name, entrant.price, entrant.replayed, entrant.apart
        )  # fmt: skip
        self._entrant = entrant
        self._folder = folder / file_name(entrant.name)
        if (self._folder / INDEX).exists():
            raise InvalidRequest(f"{folder} has recorded answers of {self.name} already: name another folder.")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._counts: dict[str, int] = {}
        place = sum(1 for _ in folder.glob(f"*/{INDEX}"))
        index = {"schema": SCHEMA, "place": place, "name": self.name, "price": asdict(self.price), "apart": self.apart}
        _write_json(self._folder / INDEX, index)

    def cold(self, request: RelightRequest) -> Answer:
        """As in :class:`~iclight_local.bench.answers.Entrant`."""
        return self._kept(self._entrant.cold(request), request, "cold")

    def warm(self, request: RelightRequest) -> Answer:
        """As in :class:`~iclight_local.bench.answers.Entrant`."""
        return self._kept(self._entrant.warm(request), request, "warm")

    def close(self) -> None:
        """As in :class:`~iclight_local.bench.answers.Entrant`."""
        self._entrant.close()

    def _kept(self, answer: Answer, request: RelightRequest, kind: str) -> Answer:
        stem = f"{fingerprint(request)}-{kind}"
        number = self._counts[stem] = self._counts.get(stem, -1) + 1
        told: dict[str, Any] = {"seconds": answer.seconds}
        if answer.error is not None:
            told["error"] = {"type": type(answer.error).__name__, "message": str(answer.error)}
        if answer.result is not None:
            told["result"] = self._result(answer.result, f"{stem}-{number}")
        _write_json(self._folder / f"{stem}-{number}.json", told)
        return answer

    def _result(self, result: RelightResult, stem: str) -> dict[str, Any]:
        names = []
        for index, picture in enumerate(result.images):
            names.append(f"{stem}-{index}.png")
            data = encode(picture, output_format="png", quality=95)
            write(self._folder / names[-1], data, overwrite=True)
        return {
            "images": names,
            "seed": result.seed,
            "engine": result.engine,
            "timings": dict(result.timings),
            "peak_memory": result.peak_memory,
            "warnings": list(result.warnings),
            "record": dict(result.record),
        }


class Replayed:
    """An entrant out of a folder: for each request its recorded answers, in their order and then over again."""

    replayed = True

    def __init__(self, folder: Path, index: Mapping[str, Any]) -> None:
        self.name, self.price, self.apart = str(index["name"]), Price(**index["price"]), bool(index["apart"])
        self._folder = folder
        self._counts: dict[str, int] = {}

    def cold(self, request: RelightRequest) -> Answer:
        """As in :class:`~iclight_local.bench.answers.Entrant`."""
        return self._played(request, "cold")

    def warm(self, request: RelightRequest) -> Answer:
        """As in :class:`~iclight_local.bench.answers.Entrant`."""
        return self._played(request, "warm")

    def close(self) -> None:
        """Nothing is held."""

    def _played(self, request: RelightRequest, kind: str) -> Answer:
        stem = f"{fingerprint(request)}-{kind}"
        number = sum(1 for _ in self._folder.glob(f"{stem}-*.json"))
        if number == 0:
            return Answer(
                0.0,
                error=Unsupported(f"Nothing was recorded of {self.name} for this picture and these values ({kind})."),
            )
        turn = self._counts[stem] = self._counts.get(stem, -1) + 1
        try:
            return self._read(self._folder / f"{stem}-{turn % number}.json")
        except (OSError, ValueError, KeyError, TypeError) as error:
            return Answer(0.0, error=EngineError(f"A recorded answer of {self.name} cannot be read ({error})."))

    def _read(self, path: Path) -> Answer:
        told = json.loads(path.read_text(encoding="utf-8"))
        if "error" in told:
            kind = getattr(errors, str(told["error"]["type"]), EngineError)
            return Answer(told["seconds"], error=kind(told["error"]["message"]))
        result = {**told["result"], "warnings": tuple(told["result"]["warnings"])}
        images: list[Image.Image] = []
        for name in result.pop("images"):
            data = (self._folder / Path(name).name).read_bytes()
            image = Image.open(io.BytesIO(data))
            image.load()
            images.append(image)
        return Answer(told["seconds"], result=RelightResult(images=images, **result))


def recorded(folder: Path) -> dict[str, Replayed]:
    """The contestants whose answers lie in a folder, by name, in the order in which they were recorded.

    Raises:
        InvalidRequest: there is none, or what is there cannot be read.
    """
    found = []
    for path in sorted(folder.glob(f"*/{INDEX}")):
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            found.append((int(index["place"]), Replayed(path.parent, index)))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InvalidRequest(f"{path} cannot be read as a recording ({error}): record it again.") from None
    if not found:
        raise InvalidRequest(f"{folder} holds no recorded answers: make some with iclight bench --record {folder}.")
    return {entrant.name: entrant for _, entrant in sorted(found, key=lambda pair: pair[0])}


def _plain(name: str, value: object) -> object:
    """A value as JSON takes it; of a picture the hash of its bytes, wherever it lies."""
    if name in PICTURE_FIELDS:
        data, _ = read_source(value, offline=True)  # type: ignore[arg-type]
        return hashlib.sha256(data if isinstance(data, bytes) else data.tobytes()).hexdigest()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    write(path, (json.dumps(value, indent=1) + "\n").encode(), overwrite=True)
