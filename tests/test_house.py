"""The two rules that hold the house up, and what every room may import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Rooms of `edge` and what of `edge` they may import. `edge.runtime` and the commands know all rooms.
MAY_IMPORT = {
    "edge/capture": {"edge.errors", "edge.capture", "edge.quiet"},
    "edge/perceive": {"edge.errors", "edge.capture", "edge.models", "edge.perceive"},
    "edge/engines": {"edge.errors", "edge.engines", "edge.quiet"},
    "edge/m3er": {"edge.reading", "edge.m3er", "edge.engines.engine"},
    "edge/publish": {"edge.errors", "edge.reading", "edge.publish"},
    "edge/update": {
        *("edge.errors", "edge.bundle", "edge.method", "edge.m3er.check", "edge.reading", "edge.runtime"),
        *("edge.selftest", "edge.settings", "edge.update"),
    },
}


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def _modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", _modules("edge"), ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_device_half_imports_neither_torch_nor_the_workstation_half(path: Path) -> None:
    tops = {name.split(".")[0] for name in _imports(path)}
    assert not tops & {"torch", "export", "lightning", "sklearn", "onnx"}


def test_importing_all_of_edge_loads_no_torch() -> None:
    modules = [p.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".") for p in _modules("edge")]
    names = [m.removesuffix(".__init__") for m in modules]
    code = f"import importlib, sys\nfor m in {names!r}: importlib.import_module(m)\n"
    code += "bad = {'torch', 'export', 'matplotlib.pyplot'} & set(sys.modules)\nassert not bad, bad"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    for path in _modules(room):
        for name in _imports(path):
            if name == "edge" or name.startswith("edge."):
                allowed = any(name == may or name.startswith(may + ".") for may in MAY_IMPORT[room])
                assert allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_capture_and_perception_are_the_same_code_in_training_and_on_the_device() -> None:
    """`export` computes no log-mel, no face input and no tokens of its own; its benchmark compares with others'."""
    for path in set(_modules("export")) - set(_modules("export/bench")):
        for name in _imports(path):
            assert name.split(".")[0] not in {"librosa", "torchaudio", "kaldi_native_fbank"}, f"{path}: {name}"


def test_no_file_names_a_machine_path() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ""} and path.is_file() and path != Path(__file__):
            text = path.read_text(encoding="utf-8", errors="ignore")
            for private in ("/work/" + "main", "/work/" + "shared", "/ro" + "ot/"):
                assert private not in text, f"{name} holds {private}"
