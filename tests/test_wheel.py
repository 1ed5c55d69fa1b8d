"""The wheel contains the recipes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from restill.tables.table import table_names

ROOT = Path(__file__).resolve().parents[1]
RECIPES = ROOT / "recipes"
# reads one table of networks only, and one with recipes; without data, the second has no numbers
LOOK = """
from restill.tables import reproduce, table
from restill.tables.plan import by_name
from restill.training.recipe import load_recipe

recipes = table.recipes_folder()
print(recipes)
print(len([load_recipe(path) for path in by_name(recipes).values()]))
print(*table.table_names(recipes))
assert all(table.find_table(name, recipes).rows for name in table.table_names(recipes))
assert reproduce("cstd-table2").rows[0].ours["frames"] == [[7]]
assert reproduce("cstd-table1", ["Teacher"], quiet=True).rows[0].messages[0].startswith("needs nturain in data/nturain")
"""


@pytest.mark.slow
def test_the_wheel_has_the_recipes(tmp_path):
    pytest.importorskip("hatchling")

    def run(*words: str, place: Path, **more: str) -> str:
        line = [sys.executable, "-P", *words]
        done = subprocess.run(line, cwd=place, capture_output=True, text=True, env={**os.environ, **more}, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path), place=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    there, empty = tmp_path / "there", tmp_path / "empty"
    empty.mkdir()
    run("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(there), str(wheel), place=tmp_path)
    installed, files = there / "restill" / "recipes", sorted(RECIPES.rglob("*.yaml"))
    assert sorted(installed.rglob("*.yaml")) == [installed / path.relative_to(RECIPES) for path in files]
    where, recipes, tables = run("-c", LOOK, place=empty, PYTHONPATH=str(there)).splitlines()
    assert Path(where) == installed
    assert int(recipes) > 100
    assert tables.split() == table_names(RECIPES)
    listed = run("-m", "restill", "reproduce", "--list", place=empty, PYTHONPATH=str(there))
    assert all(name in listed for name in tables.split())
    assert not list(empty.iterdir())
