"""The tables on the page of results are those that the commands wrote."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
FOUND = sorted(path.stem for path in (DOCS / "results").glob("*.md"))


def test_there_are_some():
    assert FOUND


@pytest.mark.parametrize("name", FOUND)
def test_the_page_has_them_as_they_were_written(name):
    written = (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8")
    rows = [line for line in written.splitlines() if line.startswith("|")]
    page = (DOCS / "results.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in page] == []
    numbers = json.loads((DOCS / "results" / f"{name}.json").read_text(encoding="utf-8"))
    labels = [re.split(r" \[| \|", row[2:])[0] for row in rows]
    assert all(row["label"] in labels for row in numbers["rows"])
