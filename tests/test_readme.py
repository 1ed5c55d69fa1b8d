"""The pages are right: links lead to files, commands and options exist, and Python blocks run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer

from restill import zoo
from restill.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(<!-- runs -->\n)?```(\w+)\n(.*?)```", re.S)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]

needs_student = pytest.mark.skipif(not zoo.cards(), reason="the zoo is empty")


def blocks(page: str, language: str) -> list[tuple[bool, str]]:
    return [(bool(runs), code) for runs, kind, code in BLOCK.findall(page) if kind == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_and_options_exist(page: Path) -> None:
    for _, code in blocks(page.read_text(encoding="utf-8"), "bash"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if len(words) < 2 or words[0] != "restill" or words[1].startswith("-"):
                continue
            assert words[1] in COMMANDS, f"{page.name}: {line}"
            command = COMMANDS[words[1]]
            if subcommands := getattr(command, "commands", None):  # restill data check
                assert words[2] in subcommands, f"{page.name}: {line}"
                command = subcommands[words[2]]
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            used = {word.partition("=")[0] for word in words[2:] if word.startswith("-")}
            assert used <= known | {"--help"}, f"{page.name}: {line}"


@pytest.fixture
def rainy(tmp_path: Path) -> Path:
    """A folder that contains a tiny ``rainy.mp4``."""
    import av

    with av.open(tmp_path / "rainy.mp4", "w") as container:
        video = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        for t in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((64, 96, 3), 60 + 20 * t, np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return tmp_path


@needs_student
def test_python_blocks_run(rainy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(rainy)
    for _, code in blocks(README, "python"):
        exec(compile(code, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102


@needs_student
def test_shell_blocks_marked_runs_run(rainy: Path) -> None:
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for runs, code in blocks(README, "bash"):
        if runs:
            done = subprocess.run(["bash", "-ec", code], cwd=rainy, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
