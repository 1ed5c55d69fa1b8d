"""The list of students for people and for machines."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from restill import zoo
from restill.cli import app
from restill.zoo.show import as_data, overview, speed


def printed(width: int = 80) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(overview(zoo.cards()))
    return console.export_text()


def test_the_table_marks_defaults_quality_speed_and_licence():
    lines = {line.split()[0]: line for line in printed().splitlines() if line.strip()}
    assert zoo.default("derain") in lines
    for card in zoo.cards():
        line = lines[card.name]  # no name is cut at 80 columns
        own = next(score for score in card.scores if score.model == card.name)
        assert f"{own.psnr:.2f}" in line
        assert speed(card) in line
        assert ("any" if card.any_use else "research") in line
        assert ("clips" in line) == (card.name == zoo.DEFAULTS["derain"])
        assert ("--fast" in line) == (card.name == zoo.DEFAULTS["derain-fast"])
        assert ("pictures" in line) == (card.name == zoo.DEFAULTS["derain-picture"])
    assert "protocol all-frames" in " ".join(printed().split())


def test_for_machines():
    result = CliRunner().invoke(app, ["models", "--json"])
    cards = {card["name"]: card for card in json.loads(result.stdout)}
    for task, name in zoo.DEFAULTS.items():
        assert cards[name]["default_for"] == [task]
    assert cards["min-median"]["default_for"] == []
    assert cards["rill-m-permissive"]["easy_names"] == ["permissive"]
    assert all(card["bytes"] == zoo.find(name).stat().st_size for name, card in cards.items())


@pytest.mark.parametrize(("macs", "word"), [(0, "fastest"), (4464, "fast"), (18144, "medium"), (71280, "very slow")])
def test_speed_in_words(macs, word):
    assert speed(zoo.cards()[0].model_copy(update={"macs_per_pixel": float(macs)})) == word


def test_licences_in_words():
    card = zoo.card("rill-m")
    data = as_data(card.model_copy(update={"licence": "Apache-2.0"}))
    assert data["any_use"]
    assert not as_data(card.model_copy(update={"licence": "research use"}))["any_use"]
