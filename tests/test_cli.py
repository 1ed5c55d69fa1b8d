"""The command line: every command has help, and every mistake gives a one-sentence error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from restill.cli import app, main

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def restill(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command in this process and returns its exit status and output."""
    said, errors, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(said), redirect_stderr(errors):
        patch.setattr(sys, "argv", ["restill", *map(str, arguments)])
        patch.setattr(warnings, "showwarning", warnings.showwarning)  # commands replace showwarning
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    return subprocess.CompletedProcess(sys.argv, status, said.getvalue(), errors.getvalue())


def test_a_real_process_fails_in_the_same_way(tmp_path: Path) -> None:
    command = ["derain", str(tmp_path / "absent.mp4")]
    done = subprocess.run([sys.executable, "-m", "restill", *command], capture_output=True, text=True)
    inside = restill(*command)
    assert done.returncode == inside.returncode == 1
    assert done.stderr == inside.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output


def fails(*arguments: str | Path, naming: str) -> None:
    """Checks that the command fails with one sentence on stderr that contains ``naming``, without a traceback."""
    done = restill(*arguments)
    assert done.returncode not in (0, None)
    assert done.stderr.startswith("error: "), done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert naming in done.stderr


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.mp4"
    path.write_text("this is no video\n" * 50)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    cv2.imwrite(str(path), np.full((32, 32, 3), 90, np.uint8))
    return path


def test_missing_input(tmp_path: Path) -> None:
    fails("derain", tmp_path / "absent.mp4", "-o", tmp_path / "out.mp4", naming="absent.mp4")


def test_text_named_mp4(text_file: Path, tmp_path: Path) -> None:
    fails("derain", text_file, "-o", tmp_path / "out.mp4", naming="notes.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_unknown_model(picture: Path, tmp_path: Path) -> None:
    fails("restore", picture, "-o", tmp_path / "out.png", "--model", "no-such-model", naming="no-such-model")


@pytest.mark.parametrize("command", [["derain"], ["restore", "--model", "rill-s"]])
def test_small_tiles(picture: Path, tmp_path: Path, command: list[str]) -> None:
    fails(
        *command,
        picture,
        "-o",
        tmp_path / "out.png",
        "--tile",
        "8",
        naming="tile 8 is too small: use at least 64 pixels",
    )


def test_output_in_a_file(picture: Path, text_file: Path) -> None:
    fails("derain", picture, "-o", text_file / "out.png", naming="notes.mp4")


def test_rain_on_text(text_file: Path, tmp_path: Path) -> None:
    fails("rain", text_file, "-o", tmp_path / "out.mp4", naming="notes.mp4")


@pytest.mark.parametrize(
    ("text", "naming"),
    [
        ("name: a\nsteps: 3\nstepz: 3\nstudent: {network: rill-s}\ndata: {root: .}\n", "stepz"),
        ("name: a\nsteps: many\nstudent: {network: rill-s}\ndata: {root: .}\n", "steps"),
        ("name: [\n", "YAML"),
        ("name: a\nsteps: 1\nstudent: {network: rill-xxl}\ndata: {root: .}\n", "rill-xxl"),
    ],
)
def test_wrong_recipe(tmp_path: Path, text: str, naming: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    fails("train", path, "--set", f"output={tmp_path}", naming=naming)


def test_missing_recipe(tmp_path: Path) -> None:
    fails("train", tmp_path / "absent.yaml", naming="absent.yaml")


def test_evaluate_unknown_protocol(tmp_path: Path) -> None:
    fails("evaluate", "none", "--data", tmp_path, "--protocol", "best", naming="best")


def test_evaluate_empty_folder(tmp_path: Path) -> None:
    fails("evaluate", "none", "--data", tmp_path, "--protocol", "all-frames", naming=str(tmp_path))


@pytest.mark.parametrize(
    ("wrong", "naming"),
    [(["no-such-model"], "no-such-model"), (["--size", "big"], "WIDTHxHEIGHT"), (["--precision", "f1"], "f1")],
)
def test_bench_wrong(wrong: list[str], naming: str) -> None:
    fails("bench", *wrong, naming=naming)


def test_export_no_checkpoint(tmp_path: Path) -> None:
    fails("export", tmp_path / "absent", "-o", tmp_path / "model.onnx", naming="absent")


def test_unknown_command() -> None:
    done = restill("fly")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [pytest.param("networks", marks=pytest.mark.slow), "models", "methods"])
def test_json_is_a_list_of_objects(command: str) -> None:
    done = restill(command, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert isinstance(rows, list)
    assert all(isinstance(row, dict) for row in rows)
    if command == "networks":
        assert all(row.keys() >= {"name", "parameters", "macs", "size"} for row in rows)


@pytest.mark.parametrize("command", ["derain", "restore"])
def test_the_help_of_the_main_commands(command: str) -> None:
    """Both commands show the same options in panels, with examples and exit codes."""
    result = CliRunner().invoke(app, [command, "-h"], env={"COLUMNS": "100"})
    assert result.exit_code == 0
    shown = " ".join(result.output.split())
    for text in ("Input and output", "Quality", "Speed", "Limits", "Examples:", f"restill {command} "):
        assert text in shown
    assert "130 interrupted" in shown
    shared = [{p.name for p in typer.main.get_command(app).commands[name].params} for name in ("derain", "restore")]
    assert shared[0] >= shared[1] >= {"crf", "fps", "untrusted", "quiet"}


def _commands() -> dict[str, typer.core.TyperCommand]:
    """Every command that does something, by its words, such as "data check"."""
    group = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    below = {f"{name} {word}": c for name in group for word, c in getattr(group[name], "commands", {}).items()}
    return {name: command for name, command in group.items() if not hasattr(command, "commands")} | below


@pytest.mark.parametrize("command", _commands())
def test_every_help_has_examples_that_fit_and_plain_words(command: str) -> None:
    """No Python type is shown, options come in panels where there are more than eight, and examples are right."""
    shown = CliRunner().invoke(app, [*command.split(), "-h"], env={"COLUMNS": "120"}).output
    assert not re.search(r"<\w+", shown)
    examples = [line.split("  (")[0] for line in shown.splitlines() if line.strip().startswith(f"restill {command}")]
    assert examples
    options = [option for option in _commands()[command].params if isinstance(option, typer.core.TyperOption)]
    known = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    for example in examples:
        assert {word for word in example.split() if word.startswith("-") and word != "-"} <= known, example
    if len(options) > 8:
        assert len({option.rich_help_panel for option in options}) > 1


def test_short_names_and_completion() -> None:
    assert restill("-V").stdout.startswith("restill 0.")
    assert "--install-completion" in CliRunner().invoke(app, ["-h"]).output
