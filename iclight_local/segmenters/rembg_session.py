"""Segmentation through rembg: sessions made once and reused, nothing ever downloaded.

rembg itself is imported when the first segmenter is opened; finding files does without it.
"""

from __future__ import annotations

import difflib
import gc
import logging
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from iclight_local.embedded import segmenter_places
from iclight_local.errors import EngineError, InvalidRequest, Unsupported, WeightsError
from iclight_local.segmenters.catalogue import DEFAULT, EMBEDDED, MODELS, NAMED, OWN_FILE, REFUSED, Model
from iclight_local.segmenters.rembg_loading import failure, load_session, ort_errors
from iclight_local.segmenters.subject import SUBJECT, JudgedSession

if TYPE_CHECKING:
    import numpy.typing as npt

    from iclight_local.segmenters.base import Segmenter

USUAL_KIND = "u2net_custom"
"""How the embedded model and files of one's own are fed, unless they say otherwise."""
_log = logging.getLogger(__name__)


def looked_in(name: str) -> list[Path]:
    """Where the file of a model is looked for, best first; rembg's in both layouts that it has had.

    Args:
        name: a key of ``catalogue.NAMED``.

    Raises:
        InvalidRequest: there is no model of that name.
        Unsupported: rembg has it, but it is of no use here.
    """
    model = _model(name)
    if model is EMBEDDED:
        return segmenter_places()
    flat, home = _homes()
    return list(dict.fromkeys([home / "models" / model.name / model.file, flat / model.file]))


def find_model(name: str) -> Path | None:
    """The file of a model, or None where it has not been fetched. Fast: does not import rembg.

    Raises:
        InvalidRequest: there is no model of that name.
        Unsupported: rembg has it, but it is of no use here.
    """
    return next((path for path in looked_in(name) if path.is_file()), None)


def fetch_command(name: str) -> str:
    """The command that fetches one of rembg's models, or has rembg make it."""
    if MODELS[name].asset is not None:
        return f"iclight weights pull {name}"
    return f"{sys.executable} -c \"import rembg; rembg.new_session('{name}')\""


def check_segmenter(name_or_onnx_path: str, *, allow_noncommercial: bool = False) -> Path:
    """The file that :func:`open_segmenter` would open, found and licensed but not opened; raises as it does."""
    return _licensed(name_or_onnx_path, allow_noncommercial).path


def open_segmenter(name_or_onnx_path: str = DEFAULT, *, allow_noncommercial: bool = False) -> Segmenter:
    """Open a segmenter; the same one comes back for as long as its file stays the same.

    Args:
        name_or_onnx_path: a key of ``catalogue.NAMED``; or an ONNX file of one's own (one float32 input
            1x3xHxW, first output 1x1xHxW, probabilities or logits, any size). Such a file is fed as
            ``u2net_custom``, unless it bears the name of a known model, or is written ``KIND:FILE`` with a
            key of ``catalogue.OWN_FILE``.
        allow_noncommercial: take models whose licence forbids commercial use, too.

    Raises:
        InvalidRequest: there is no model of that name.
        Unsupported: the licence forbids commercial use, or the model is of no use here.
        WeightsError: the file is missing, damaged or not a segmentation model.
        OutOfMemory: the model does not fit into memory.
    """
    source = _licensed(name_or_onnx_path, allow_noncommercial)
    stat = source.path.stat()
    stamp = (stat.st_mtime_ns, stat.st_size)
    key = (source.kind, source.path.resolve())
    with _opening:
        if key not in _open or _open[key][0] != stamp:
            _open[key] = (stamp, RembgSegmenter(source.name, source.path, load_session(*key)))
            if source.model is not None and source.model.commercial == "unknown":
                _log.warning("whether %s may be used commercially: %s", source.name, source.model.licence)
        return _open[key][1]


def drop_segmenters() -> None:
    """Let go of every open segmenter, and so of its model's memory; the next one is read from its file again."""
    with _opening:
        _open.clear()
    # rembg's sessions and what stands in for their inner ones refer to each other.
    gc.collect()


class RembgSegmenter:
    """A ``Segmenter`` on a rembg session; made by ``open_segmenter``. One picture at a time, others wait.

    Args:
        name: see ``Segmenter.name``.
        file: see ``Segmenter.file``.
        session: the rembg session; its ``inner_session`` is put behind a ``JudgedSession``.
    """

    def __init__(self, name: str, file: Path, session: Any) -> None:
        self._name, self._file = name, file
        self._session = session
        self._judged = JudgedSession(session.inner_session, name, gives_logits=hasattr(session, "sigmoid"))
        self._session.inner_session = self._judged
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """See ``Segmenter.name``."""
        return self._name

    @property
    def file(self) -> Path:
        """See ``Segmenter.file``."""
        return self._file

    def segment(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """See ``Segmenter.segment``."""
        picture = Image.fromarray(rgb)
        try:
            # BiRefNet's sigmoid overflows to 0 as it should.
            with self._lock, np.errstate(over="ignore"):
                mask = self._session.predict(picture)[0]
                probability = self._judged.probability
        except ort_errors() as error:
            raise failure(error, EngineError, f"{self._name} failed on this picture") from error
        if float(probability.min()) > SUBJECT:
            # The subject fills the picture; rembg's stretched mask would invent a background.
            filled = Image.fromarray(probability).resize(picture.size, Image.Resampling.BILINEAR)
            return np.asarray(filled, dtype=np.float32).clip(0, 1)
        return np.asarray(mask, dtype=np.float32) / np.float32(255)


_Stamp = tuple[int, int]
_open: dict[tuple[str, Path], tuple[_Stamp, RembgSegmenter]] = {}
_opening = threading.Lock()


class _Source(NamedTuple):
    """What is to be opened: rembg's name for the session, the file, and the model where it is a known one."""

    kind: str
    path: Path
    model: Model | None

    @property
    def name(self) -> str:
        return self.path.name if self.model is None else self.model.name


def _homes() -> tuple[Path, Path]:
    """The flat folder of older rembg versions and the home of newer ones, by rembg's own rules."""
    set_by_user = {name: value for name, value in os.environ.items() if value}
    shared = set_by_user.get("U2NET_HOME")
    if shared is not None:
        return Path(shared).expanduser(), Path(shared).expanduser()
    data = set_by_user.get("XDG_DATA_HOME")
    flat = Path("~" if data is None else data, ".u2net")
    home = Path("~", ".rembg") if data is None else Path(data, "rembg")
    return flat.expanduser(), Path(set_by_user.get("REMBG_HOME", home)).expanduser()


def _model(name: str) -> Model:
    if name in NAMED:
        return NAMED[name]
    if name in REFUSED:
        raise Unsupported(f"The segmentation model '{name}' is not used here: {REFUSED[name]}.")
    if name in OWN_FILE:
        raise InvalidRequest(f"'{name}' needs an ONNX file: write {name}:FILE.onnx.")
    family = [known for known in NAMED if name != "" and known.startswith(name)]
    close = [*family, *difflib.get_close_matches(name, NAMED, n=3, cutoff=0.5)][:3]
    meant = f"the closest are {', '.join(close)}; " if close else ""
    raise InvalidRequest(
        f"There is no segmentation model '{name}': {meant}known are {', '.join(NAMED)} and any .onnx file."
    )


def _licensed(name_or_path: str, allow_noncommercial: bool) -> _Source:
    # The licence first: nobody should fetch a model that is then refused.
    _check_licence(NAMED.get(name_or_path), allow_noncommercial)
    source = _resolve(name_or_path)
    _check_licence(source.model, allow_noncommercial)
    return source


def _resolve(name_or_path: str) -> _Source:
    if name_or_path in NAMED or name_or_path in REFUSED or name_or_path in OWN_FILE:
        path = find_model(name_or_path)
        if path is None:
            raise _missing_model(name_or_path)
        model = NAMED[name_or_path]
        return _Source(USUAL_KIND if model is EMBEDDED else model.name, path, model)
    kind, _, file = name_or_path.partition(":")
    if file == "" or kind not in OWN_FILE:
        kind, file = "", name_or_path
    path = Path(file).expanduser()
    if not path.is_file():
        if kind == "" and path.suffix.lower() != ".onnx":
            _model(name_or_path)
        raise WeightsError(f"The segmentation model {file} is not a file on this machine: check its path.")
    known = {each: model for model in MODELS.values() for each in (model.file, model.asset)}.get(path.name)
    if kind == "":
        kind = USUAL_KIND if known is None else known.name
    return _Source(kind, path, known)


def _missing_model(name: str) -> WeightsError:
    places = " and ".join(map(str, looked_in(name)))
    cure = "install iclight-local again" if name == EMBEDDED.name else f"fetch it once with `{fetch_command(name)}`"
    return WeightsError(
        f"The segmentation model '{name}' is not on this machine (looked for {places}): {cure}, or give --matte."
    )


def _check_licence(model: Model | None, allow_noncommercial: bool) -> None:
    if model is None:
        return
    name, licence = model.name, model.licence
    if model.commercial == "no" and not allow_noncommercial:
        raise Unsupported(
            f"The segmentation model '{name}' may not be used commercially ({licence}): pass "
            f"--allow-noncommercial if your use is not commercial, or take '{DEFAULT}'."
        )
