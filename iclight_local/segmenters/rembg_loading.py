"""Making a rembg session from a file on this machine; the only place that imports rembg and onnxruntime."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Any

from iclight_local.errors import ICLightError, OutOfMemory, Unsupported, WeightsError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

NOTICE_AFTER_S = 4.0
"""Seconds of importing rembg after which the user is told why nothing happens."""
COMPILING = "rembg compiles its matting code, once after an installation; that takes about a minute"


def load_session(kind: str, path: Path) -> Any:
    """Make the rembg session ``kind`` from an ONNX file, wherever it lies; never reaches for the network.

    Args:
        kind: rembg's name for the session; it decides how the picture is scaled and normalised.
        path: the file. Where it fixes its input's size, that size is used, else rembg's.

    Returns:
        A ``rembg.sessions.BaseSession``.

    Raises:
        Unsupported: rembg is missing, or too old for ``kind``.
        WeightsError: the file is damaged, or its input is not one float32 picture.
        OutOfMemory: the model does not fit into memory.
    """
    session_class = _local(_session_class(kind), path)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal():  # onnxruntime does not read it; rembg.new_session does the same
        options.inter_op_num_threads = options.intra_op_num_threads = int(threads)
    try:
        session = session_class(kind, options, model_path=str(path))
    except ort_errors() as error:
        raise failure(error, WeightsError, f"{path} is not a readable ONNX model, get it again") from error
    _check_inputs(session.inner_session.get_inputs(), path)
    return session


def ort_errors() -> tuple[type[Exception], ...]:
    """All of onnxruntime's exceptions: they share no base class of their own."""
    import onnxruntime.capi.onnxruntime_pybind11_state as state

    found = [each for each in vars(state).values() if isinstance(each, type)]
    return tuple(each for each in found if issubclass(each, Exception))


def failure(error: Exception, kind: type[ICLightError], sentence: str) -> ICLightError:
    """One of onnxruntime's errors as one sentence: ``kind``, or ``OutOfMemory`` where that is the cause."""
    first_line = str(error).strip().partition("\n")[0]
    message = first_line.rpartition(" : ")[2].rstrip(".")
    memory = "alloc" in message.lower() or "out of memory" in message.lower()
    return (OutOfMemory if memory else kind)(f"{sentence} ({message}).")


def _session_class(kind: str) -> Any:
    patience = threading.Timer(NOTICE_AFTER_S, _log.info, [COMPILING])
    patience.daemon = True
    patience.start()
    try:
        import onnxruntime  # noqa: F401  (without it, importing rembg ends the process)
        import rembg
        import rembg.sessions
    except ImportError as error:
        raise Unsupported(f"rembg cannot be loaded ({error}): pip install 'rembg[cpu]', or give --matte.") from error
    finally:
        patience.cancel()
    classes = {found.name(): found for found in rembg.sessions.sessions_class}
    if kind not in classes:
        raise Unsupported(f"rembg {rembg.__version__} does not know '{kind}': pip install --upgrade rembg.")
    return classes[kind]


def _local(base: Any, path: Path) -> Any:
    """``base`` bound to its file, and to the size that the file wants."""

    def download_models(cls: Any, *args: Any, **kwargs: Any) -> str:
        # rembg's own would reach for the network, or refuse files outside its home.
        return str(path)

    def normalize(self: Any, img: Any, mean: Any, std: Any, size: Any, *args: Any, **kwargs: Any) -> Any:
        height, width = self.inner_session.get_inputs()[0].shape[2:]
        fixed = isinstance(width, int) and isinstance(height, int)
        return base.normalize(self, img, mean, std, (width, height) if fixed else size, *args, **kwargs)

    members = {"download_models": classmethod(download_models), "normalize": normalize}
    return type(f"Local{base.__name__}", (base,), members)


def _check_inputs(inputs: Any, path: Path) -> None:
    if len(inputs) == 1 and inputs[0].type == "tensor(float)" and len(inputs[0].shape) == 4:
        batch, channels = inputs[0].shape[:2]
        # A size that the file leaves free is a name or None.
        if not (isinstance(batch, int) and batch != 1) and not (isinstance(channels, int) and channels != 3):
            return
    found = " and ".join(f"{each.type} {'x'.join(map(str, each.shape))}" for each in inputs)
    raise WeightsError(
        f"{path} is not a segmentation model: it takes {found}, and one tensor(float) 1x3xHxW is needed."
    )
