"""The command line: every command explains itself, and what is wrong is said in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from restill.cli import app

COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def restill(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The real command, as a shell would start it."""
    return subprocess.run(
        [sys.executable, "-m", "restill.cli", *map(str, arguments)], capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
