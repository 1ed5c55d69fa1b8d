"""A table run from end to end on made-up data: what is shown, what is kept, what is not done twice."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml
from rich.console import Console
from tiny_recipes import FIRST, write_recipes

from restill.errors import RestillError
from restill.tables import reproduce, runner
from restill.tables.curves import curves, read_curve
from restill.tables.measure import Measured
from restill.tables.plan import Job, Plan, by_name
from restill.tables.plot import plot
from restill.tables.show import parse_data, parse_seeds
from restill.tables.table import find_table
from restill.training.experiment import train

TABLE = {
    "title": "A table",
    "paper": "Somebody, 2020",
    "protocol": "all-frames",
    "sets": {"rain": {"dataset": "nturain", "clips": ["a1", "a2"]}},
    "columns": [{"name": n, "set": "rain", "clip": n} for n in ("a1", "a2")] + [{"name": "average", "set": "rain"}],
    "metrics": ["psnr", "ssim"],
    "scales": {"smoke": {"recipe": {"steps": 1}, "limit": 2}},
    "rows": [
        {"label": "input", "model": "none"},
        {"label": "before", "recipe": "first.yaml", "paper": {"psnr": [30.5, 31, 30.75]}},
        {"label": "after", "recipe": "second.yaml", "paper": {"psnr": [31.5, 32, 31.75]}, "note": "A note."},
        {"label": "theirs", "paper": {"psnr": [40, 41, 40.5]}},
    ],
    "notes": ["About all."],
}
SECOND = {**FIRST, "name": "second", "method": "mse", "student": {"checkpoint": "runs/first"}}
SECOND["teacher"] = {"checkpoint": "runs/teacher"}


def pictures(folder: Path, frames: int, seed: int, size: tuple[int, int] = (48, 56)) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.integers(0, 255, (size[0] + 20, size[1] + 20, 3)).astype(np.uint8), (0, 0), 2)
    for t in range(frames):
        cv2.imwrite(str(folder / f"{t:05d}.png"), texture[t % 20 : t % 20 + size[0], : size[1]])


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with recipes, a table, clips to train on and two test clips; the current one."""
    teacher = {**FIRST, "name": "teacher", "student": {"network": "rill-l", "options": {"channels": 8}}}
    write_recipes(tmp_path, {"tables/tiny": TABLE, "first": FIRST, "second": SECOND, "teacher": teacher})
    pictures(tmp_path / "clips" / "one", 6, 0)
    for i, clip in enumerate(("a1", "a2")):
        pictures(tmp_path / "rain" / clip / "rain", 4, 10 + i)
        pictures(tmp_path / "rain" / clip / "gt", 4, 20 + i)
    monkeypatch.chdir(tmp_path)
    return tmp_path


DATA = {"nturain": "rain", "clean-clips": "clips"}


def shown(result, width: int = 150) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(result.text())
    return capture.get()


def test_a_table_is_run_and_nothing_is_done_twice(place, monkeypatch):
    result = reproduce("tiny", data=DATA, seeds=[1, 2], quiet=True)
    before, after = result.rows[1], result.rows[2]
    assert [row.messages for row in result.rows] == [[], [], [], ["not implemented"]]
    assert [len(values) for values in before.ours["psnr"]] == [2, 2, 2]
    a1, a2, average = after.ours["psnr"]
    assert average[0] == pytest.approx((a1[0] + a2[0]) / 2)
    assert a1[0] != a1[1]  # another seed, another student
    assert [len(values) for values in result.rows[0].ours["psnr"]] == [1, 1, 1]
    # a student of each seed before and after, and one teacher
    runs = sorted(path.name.rpartition("-")[0] for path in (place / "runs/tables/paper").iterdir())
    assert runs == ["first-seed1", "first-seed2", "second-seed1", "second-seed2", "teacher"]
    monkeypatch.setattr(runner, "train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("restill.tables.measure.evaluate", lambda *_, **__: pytest.fail("measured again"))
    again = reproduce("tiny", data=DATA, seeds=[1, 2], quiet=True)
    assert again.as_dict() == result.as_dict()
    text = shown(again)
    assert "±" in text
    assert "paper" in text
    assert "Somebody, 2020" in text
    assert "theirs: not implemented" in text
    assert "[1] A note." in text
    assert "after [1]" in text
    narrow = shown(again, 60)
    number = f"{np.mean(a1):.2f}±{np.std(a1, ddof=1):.2f}"
    assert any(word.startswith("after") for word in narrow.split()), narrow
    assert number in narrow, narrow  # a terminal breaks titles, not numbers
    json.dumps(again.as_dict(), allow_nan=False)


def test_what_a_run_is_made_of_decides_whether_it_is_another(place):
    def mark(row: str, **changes) -> str:
        path = place / "recipes" / "first.yaml"
        path.write_text(yaml.safe_dump({**FIRST, **changes}))
        table = find_table("tiny", place / "recipes")
        found = Plan(table, "paper", place / "recipes", Path("out"), {}).of_row(
            next(r for r in table.rows if r.label == row), None, None
        )
        assert isinstance(found, Job)
        return found.mark

    first, second = mark("before"), mark("after")
    assert mark("before", steps=3) != first
    assert mark("after", steps=3) != second  # it starts from the other
    assert mark("before", threads=2, data={**FIRST["data"], "root": "elsewhere", "damaged": "skip"}) == first


def test_rows_without_data_say_which_and_where_and_the_others_go_on(place):
    result = reproduce("tiny", data={"nturain": "rain"}, quiet=True)
    assert result.rows[0].ours["psnr"][0]
    assert result.rows[1].messages == [
        "needs clean-clips in data/clips, or in another folder given by --data clean-clips=DIR"
    ]
    nothing = reproduce("tiny", quiet=True)
    assert (
        nothing.rows[0]
        .messages[0]
        .startswith("needs nturain in data/nturain, or in another folder given by --data nturain=DIR, laid out as ")
    )
    assert "input, before, after: needs nturain" in shown(nothing)
    # an empty table says why before it is looked at
    empty = "There are no numbers of ours here: needs nturain in data/nturain"
    assert any(line.startswith(empty) for line in nothing.head())
    assert not any(line.startswith("There are no numbers") for line in result.head())
    assert not (place / "runs").exists() or not list((place / "runs").rglob("checkpoint-*"))


def test_a_clip_that_is_not_there_leaves_its_column_and_the_average_empty(place):
    table = yaml.safe_load((place / "recipes/tables/tiny.yaml").read_text())
    table["sets"]["rain"]["clips"] = ["a1", "b1"]
    table["columns"][1] = {"name": "b1", "set": "rain", "clip": "b1"}
    (place / "recipes/tables/tiny.yaml").write_text(yaml.safe_dump(table))
    row = reproduce("tiny", ["input"], DATA, quiet=True).rows[0]
    assert [len(values) for values in row.ours["psnr"]] == [1, 0, 0]
    assert row.messages == ["rain has no b1 of nturain"]
    # where no more than one clip is scored anyway, one is enough
    table["scales"]["smoke"]["clips"] = 1
    (place / "recipes/tables/tiny.yaml").write_text(yaml.safe_dump(table))
    result = reproduce("tiny", ["input"], DATA, scale="smoke", quiet=True)
    assert [len(values) for values in result.rows[0].ours["psnr"]] == [1, 0, 1]
    assert result.rows[0].messages == []
    assert result.part


def test_a_run_that_was_made_by_its_recipe_is_taken(place):
    train("recipes/first.yaml", ["data.root=clips"], quiet=True)
    result = reproduce("tiny", ["before"], DATA, evaluate_only=True, quiet=True)
    assert result.rows[0].messages == []
    assert not (place / "runs/tables/paper").exists()
    # with other steps it is no longer the recipe's
    (place / "recipes/first.yaml").write_text(yaml.safe_dump({**FIRST, "steps": 3}))
    late = reproduce("tiny", ["before"], DATA, evaluate_only=True, quiet=True)
    assert late.rows[0].messages == ["is not trained yet; run without --evaluate-only to train it"]


def test_interrupted_it_says_how_to_go_on(place, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "train", stop)
    result = reproduce("tiny", data=DATA, quiet=True)
    assert result.stopped
    assert [row.row.label for row in result.rows] == ["input", "before"]
    assert "Run the same command again to continue" in shown(result)


def test_markdown_and_picture_hold_both_sides(place):
    result = reproduce("tiny", ["input", "before"], DATA, scale="smoke", quiet=True)
    assert result.part
    page = result.markdown()
    assert "| before | paper | 30.50 | 31.00 | 30.75 |" in page
    assert f"|  | ours | {result.rows[1].ours['psnr'][0][0]:.2f} |" in page
    assert "only prove that all is wired" in page
    root = ElementTree.fromstring(plot(result))  # noqa: S314 - our own
    circles = root.findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 2 + 1 + 2  # the key, the paper's average, two of ours


def test_rows_are_compared_seed_by_seed_and_their_curves_drawn(place):
    table = {**TABLE, "columns": TABLE["columns"][2:], "against": "before"}
    table["rows"] = [{k: v for k, v in row.items() if k != "paper"} for row in TABLE["rows"][:3]]
    (place / "recipes/tables/tiny.yaml").write_text(yaml.safe_dump(table))
    for name, fields in {"first": FIRST, "second": SECOND}.items():
        fields = {**fields, "data": {**FIRST["data"], "held_out": ["two"]}, "validation": {"every": 1, "samples": 1}}
        (place / "recipes" / f"{name}.yaml").write_text(yaml.safe_dump(fields))
    pictures(place / "clips" / "two", 6, 1)
    result = reproduce("tiny", data=DATA, seeds=[1, 2], quiet=True)
    before, after = (row.ours["psnr"][0] for row in result.rows[1:])
    difference = [a - b for a, b in zip(after, before, strict=True)]
    assert result.against(result.rows[2], "psnr", 0) == pytest.approx(difference)
    assert result.against(result.rows[0], "psnr", 0) == []  # one number against two
    assert f"| {np.mean(difference):+.2f} ± {np.std(difference, ddof=1):.2f} |" in result.markdown()
    assert "against 'before'" in shown(result)
    logs = [[json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()] for run in result.rows[2].runs]
    values = [[row[key] for row in log for key in row if key.startswith("validation")] for log in logs]
    curve = read_curve(result.rows[2].runs)
    assert [point[0] for point in curve] == [1, 2]
    assert [point[1] for point in curve] == pytest.approx(np.mean(values, axis=0))
    root = ElementTree.fromstring(curves(result))  # noqa: S314 - our own
    assert len(root.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_flicker_is_measured_where_a_table_asks_for_it(place):
    table = {**TABLE, "columns": TABLE["columns"][2:], "metrics": ["psnr", "warping_error"], "rows": TABLE["rows"][:1]}
    table["rows"] = [{k: v for k, v in row.items() if k != "paper"} for row in table["rows"]]
    (place / "recipes/tables/tiny.yaml").write_text(yaml.safe_dump(table))
    result = reproduce("tiny", data=DATA, quiet=True)
    [row] = result.rows
    [value] = row.ours["warping_error"][0]
    assert value > 0
    assert f"| {1000 * value:.4f} |" in result.markdown()
    assert "warping error (1e-3)" in shown(result)
    assert "temporal: warping error" in result.protocols[0]


def test_a_mean_over_pictures_weighs_clips_by_their_frames():
    clips = {"a": {"psnr": 30.0, "frames": 1}, "b": {"psnr": 33.0, "frames": 2}}
    assert Measured(clips, (), False).value("psnr", None) == pytest.approx(31.5)
    assert Measured(clips, (), False, weighed=True).value("psnr", None) == pytest.approx(32)


def test_what_a_user_can_get_wrong(place):
    (place / "recipes/third.yaml").write_text(yaml.safe_dump(FIRST))
    with pytest.raises(RestillError, match=r"third\.yaml: has the name 'first', which .*first\.yaml has too"):
        by_name(place / "recipes")
    with pytest.raises(RestillError, match="table 'tiny' has no row 'befor'; its rows are: input; before"):
        reproduce("tiny", ["befor"])
    with pytest.raises(RestillError, match="--scale small: the scales of this table are: paper, smoke"):
        reproduce("tiny", scale="small")
    with pytest.raises(RestillError, match="--data rain: should be NAME=DIR"):
        parse_data(["rain"])
    with pytest.raises(RestillError, match="there is no folder nowhere"):
        parse_data(["nturain=nowhere"])
    with pytest.raises(RestillError, match="--seeds one: should be whole numbers"):
        parse_seeds("one")
