"""The house's rules: layers, one home for each heavy library, every parameter declared once."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

import iclight_local
from iclight_local.fields import knob_fields
from iclight_local.request import RelightRequest

PACKAGE = Path(iclight_local.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
LAYERS = {
    "__init__": 0,
    "errors": 0,
    "embedded": 1,
    "families": 1,
    "headers": 1,
    "light": 1,
    "providers": 1,
    "sentences": 1,
    "request": 2,
    "fields": 3,
    "plan": 3,
    "result": 3,
    "checkpoints": 3,
    "imaging": 3,
    "layouts": 3,
    "segmenters": 3,
    "pipelines": 4,
    "store": 4,
    "dialects": 4,
    "engines": 5,
    "accounts": 6,
    "settings": 6,
    "assemble": 7,
    "hosted": 7,
    "jobs": 7,
    "batch": 8,
    "bench": 8,
    "server": 8,
    "ui": 9,
    "cli": 10,
}
HOMES = {
    "torch": {"pipelines"},
    "diffusers": {"pipelines"},
    "transformers": {"pipelines"},
    "huggingface_hub": {"pipelines", "store"},
    "safetensors": {"pipelines"},
    "rembg": {"segmenters"},
    "onnxruntime": {"segmenters"},
    "urllib": {"imaging"},
    "http": {"imaging"},
    "argparse": {"cli"},
    "tqdm": {"cli"},
    "yaml": {"store"},
    "starlette": {"server", "ui"},
    "gradio": {"ui"},
    "uvicorn": {"server"},
    "prometheus_client": {"server"},
    "sqlite3": {"jobs"},
    "altair": {"bench"},
    "vl_convert": {"bench"},
    "psutil": {"pipelines"},
    "numba": {"pipelines"},
    "httpx": {"engines"},
    "fsspec": {"batch"},
    "keyring": {"accounts"},
    "pyarrow": {"batch"},
    "ray": {"batch"},
    "openvino": {"pipelines"},
    "nncf": {"pipelines"},
}


def room(path: Path) -> str:
    """The folder or module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    """Every module that a file imports, wherever in the file, type checking blocks apart."""
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for child in node.body for inner in ast.walk(child))
    names = []
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            names.append(str(node.module))
    return names


def test_every_room_has_a_layer() -> None:
    assert {room(path) for path in FILES} == set(LAYERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_lower_layers_or_its_own_folder(path: Path) -> None:
    for name in imports(path):
        if not name.startswith("iclight_local."):
            continue
        target = name.split(".")[1]
        assert target == room(path) or LAYERS[target] < LAYERS[room(path)], f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_heavy_library_has_one_home(path: Path) -> None:
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or room(path) in homes, f"{path} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_and_functions_stay_small(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 320
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = node.end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{path}: {node.name} has {lines} lines"


def _declares_knob_with_default(node: ast.AST, knobs: set[str]) -> list[str]:
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        with_default = [*arguments.posonlyargs, *arguments.args][::-1][: len(arguments.defaults)]
        keyword = [a for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        return [argument.arg for argument in (*with_default, *keyword) if argument.arg in knobs]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return [node.target.id] if node.target.id in knobs else []
    return []


@pytest.mark.parametrize(
    "path", [path for path in FILES if room(path) != "request"], ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_parameter_is_declared_once(path: Path) -> None:
    """Outside of request/ no knob has a default, and no option is spelt out."""
    # `model` without a value means "as the weights say" where weights are loaded; it is no second default.
    knobs = set(RelightRequest.model_fields) - {"model"}
    flags = {field.flag for field in knob_fields(RelightRequest)}
    for node in ast.walk(ast.parse(path.read_text())):
        assert _declares_knob_with_default(node, knobs) == [], f"{path}: a knob is declared again"
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            words = {word.value for word in node.args if isinstance(word, ast.Constant)}
            assert not words & flags, f"{path}: an option of a knob is spelt out"


def test_nothing_in_the_repository_stands_open() -> None:
    root = PACKAGE.parent
    for path in [*FILES, *root.glob("scripts/*"), *root.glob("benchmarks/**/*.py")]:
        for word in ("TODO", "FIXME", "XXX", "NotImplementedError"):
            assert path.is_dir() or word not in path.read_text(), f"{path}: {word}"


CONFLICT = re.compile(r"^[ \t]*(?:<{7}|>{7}) ", re.MULTILINE)
"""What git writes round the two sides of a merge that it could not make."""


@pytest.mark.parametrize("blanks", ["", "    ", "\t"])
def test_a_conflict_is_seen_wherever_it_stands(blanks: str) -> None:
    assert all(CONFLICT.search(f"a = 1\n{blanks}{sign * 7} HEAD\n") for sign in "<>")
    assert CONFLICT.search(f"a = 1 {'<' * 7} HEAD\n{'>' * 8} b\n{'=' * 7} c") is None


def test_no_conflict_of_a_merge_is_left() -> None:
    root = PACKAGE.parent
    if not (root / ".git").exists():
        pytest.skip("this is no checkout of git, which knows the files")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    paths = [root / name for name in listed.split("\0") if name and (root / name).is_file()]
    assert len(paths) > len(FILES)
    for path in paths:
        data = path.read_bytes()
        # As git itself takes it for one.
        binary = b"\0" in data[:8000]
        assert binary or CONFLICT.search(data.decode(errors="replace")) is None, f"{path}: a conflict of a merge"
