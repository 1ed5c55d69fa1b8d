"""Imports run one way, without circles, and restoring never imports PyTorch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from restill.bench.clip import rainy_clip, write_clip

SOURCE = Path(__file__).resolve().parents[1] / "src" / "restill"

# From top to bottom. A package may import from its own level and from the levels below it.
LEVELS = (
    {"cli", "web", "cluster", "__main__"},
    {"bench", "tables"},
    {"restoring", "training", "evaluation"},
    {"runtime", "distillation", "datasets"},
    {"networks", "losses", "degradations", "video", "zoo"},
    {"errors", "progress", "registry", "clock", "alignment", "planes", "version", "busy", "html"},
)
# Restoring needs only the base install. These packages must not import the heavy extras, even inside a function.
LIGHT = (
    "cli",
    "web",
    "bench",
    "restoring",
    "clock",
    "busy",
    "version",
    "runtime",
    "video",
    "zoo",
    "alignment",
    "planes",
    "errors",
    "progress",
    "html",
    "degradations",
)
TRAIN_EXTRA = {"torch", "yaml", "safetensors", "accelerate", "skimage", "onnx", "onnxscript", "tensorboard"}


def modules() -> dict[str, Path]:
    """Every module by its name, such as "runtime.stream". The name of an __init__ is that of its package."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name:  # skip restill/__init__, which imports lazily by name
            found[name] = path
    return found


def imports(path: Path, module: str) -> Iterator[str]:
    """Full dotted names of all imports of a file, inside functions too. `from x import y` gives x and x.y."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(["restill", *package[: len(package) - node.level + 1], *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def level(room: str) -> int:
    return next(i for i, rooms in enumerate(LEVELS) if room in rooms)


@pytest.mark.parametrize("module", modules())
def test_one_way(module: str) -> None:
    room = module.split(".")[0]
    assert any(room in rooms for rooms in LEVELS), (
        f"restill.{room} is in no level: add it to LEVELS in tests/test_imports.py"
    )
    for name in imports(modules()[module], module):
        parts = name.split(".")
        if parts[0] == "restill" and len(parts) > 1 and any(parts[1] in rooms for rooms in LEVELS):
            assert level(parts[1]) >= level(room), f"restill.{module} imports {name}, which is above it"


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """All import cycles in the graph."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> None:
        if node in path:
            found.append([*path[path.index(node) :], node])
        elif node not in done:
            for after in sorted(graph.get(node, ())):
                visit(after, [*path, node])
            done.add(node)

    for node in sorted(graph):
        visit(node, [])
    return found


def test_no_circles() -> None:
    """There are no cycles between modules or between packages. Imports inside functions count."""
    known = modules()
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        names = {name.removeprefix("restill.") for name in imports(path, module) if name.startswith("restill.")}
        # `from restill.x import y` imports the module x.y, or a name in the module x
        submodules = {name for name in names if name in known}
        graph[module] = {n for n in submodules if not any(m.startswith(f"{n}.") for m in submodules)} - {module}
    assert cycles(graph) == []
    rooms: dict[str, set[str]] = {}
    for module, used in graph.items():
        room = module.split(".")[0]
        rooms.setdefault(room, set()).update({name.split(".")[0] for name in used} - {room})
    assert cycles(rooms) == []


@pytest.mark.parametrize("module", [m for m in modules() if any(m == x or m.startswith(f"{x}.") for x in LIGHT)])
def test_journey_one_needs_no_train_extra(module: str) -> None:
    heavy = {name for name in imports(modules()[module], module) if name.split(".")[0] in TRAIN_EXTRA}
    assert not heavy, f"restill.{module} imports {sorted(heavy)}"


@pytest.mark.parametrize("start", ["import restill", "from restill.cli import main; sys.argv[1:] = ['--help']; main()"])
def test_start_is_light(start: str) -> None:
    code = f"import sys, atexit; atexit.register(lambda: print('LOADED', *sys.modules)); {start}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert not loaded & {"torch", "cv2", "av", "onnxruntime", "skimage", "yaml"}


def test_a_short_job_loads_one_backend(tmp_path) -> None:
    """Each backend takes a while to load, and a short clip needs one of them only."""
    pytest.importorskip("openvino")
    write_clip(tmp_path / "in.mp4", rainy_clip(48, 64, 3))
    arguments = ["restill", "derain", str(tmp_path / "in.mp4"), "-o", str(tmp_path / "out.mp4")]
    code = "import sys, atexit; atexit.register(lambda: print('LOADED', *sys.modules)); sys.argv = sys.argv[1:]; "
    code += "from restill.cli import main; main()"
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert "on openvino in int8" in run.stderr
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert "openvino" in loaded
    assert not loaded & {"onnxruntime", "torch"}
