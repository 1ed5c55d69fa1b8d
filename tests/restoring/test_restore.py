"""Journey 1, whole: with a network that does nothing but is fed and read as every other."""

from __future__ import annotations

import json
import warnings
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from doubles import model, moving
from typer.testing import CliRunner

import restill
from restill import zoo
from restill.cli import app
from restill.errors import RestillError
from restill.restoring.api import restore
from restill.restoring.compare import compared, join
from restill.restoring.outputs import default_output, outputs
from restill.video import EncodeSettings, probe, read_frames
from restill.video.journal import open_journal


@pytest.mark.parametrize("context", [0, 1, 2])
def test_every_frame_comes_back_in_its_place(tmp_path, context):
    src = moving(tmp_path / "in")
    done = restore(src, tmp_path / "out", model(context=context), quiet=True)
    assert (done.frames, done.output) == (7, tmp_path / "out")
    assert done.fps > 0
    for before, after in zip(read_frames(src), read_frames(done.output), strict=True):
        assert np.array_equal(before, after)


def test_one_picture_of_16_bits(tmp_path):
    src = moving(tmp_path / "in", 1, dtype=np.uint16) / "1.png"
    restore(src, tmp_path / "out.png", model(), quiet=True)
    assert np.array_equal(next(read_frames(src)), next(read_frames(tmp_path / "out.png")))


def test_a_larger_picture(tmp_path):
    restore(moving(tmp_path / "in"), tmp_path / "out.mp4", model(scale=2), quiet=True)
    info = probe(tmp_path / "out.mp4")
    assert (info.width, info.height, info.frames) == (100, 76, 7)


@pytest.mark.parametrize("context", [0, 2])
def test_compare_shows_the_same_moment_twice(tmp_path, context):
    src = moving(tmp_path / "in")
    network = model(context=context, darker=0.1)
    restore(src, tmp_path / "side", network, compare="side", quiet=True)
    restore(src, tmp_path / "split", network, compare="split", quiet=True)
    dark = round(0.1 * 255)
    for before, side, split in zip(*map(read_frames, (src, tmp_path / "side", tmp_path / "split")), strict=True):
        assert np.array_equal(side[:, :50], before)
        assert np.abs(side[:, 50:].astype(int) - before + dark).max() <= 1
        assert np.array_equal(split[:, :25], before[:, :25])
        assert (split[:, 25] == 255).all()
        assert np.abs(split[:, 26:].astype(int) - before[:, 26:] + dark).max() <= 1


def test_compare_enlarges_the_input_of_a_larger_output():
    before, after = np.zeros((4, 6, 3), np.uint8), np.full((8, 12, 3), 9, np.uint8)
    assert join(before, after, "side").shape == (8, 24, 3)
    assert join(before, after, "split")[0, :, 0].tolist() == [0] * 6 + [255] + [9] * 5
    assert len(list(compared(lambda frames: frames, "side")(iter([before] * 3)))) == 3


def test_wrong_choices(tmp_path):
    src = moving(tmp_path / "in")
    with pytest.raises(RestillError, match="compare 'over' is unknown; use one of side, split"):
        restore(src, tmp_path / "out", model(), compare="over", quiet=True)  # type: ignore[arg-type]
    with pytest.raises(RestillError, match=r"none\.mp4' does not exist"):
        restore(tmp_path / "none.mp4", tmp_path / "out", model(), quiet=True)
    with pytest.raises(RestillError, match="no-such"):
        restore(src, tmp_path / "out", "no-such", quiet=True)
    assert not (tmp_path / "out").exists()


def test_default_outputs_stand_beside_the_input(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    assert default_output(folder, "derained") == tmp_path / "frames-derained"
    names = {"a.mp4": "a.derained.mp4", "b.avi": "b.derained.mkv", "c.JPG": "c.derained.JPG", "d": "d.derained.mkv"}
    for name, beside in names.items():
        assert default_output(tmp_path / name, "derained") == tmp_path / beside


def test_the_public_name_takes_callers_code(tmp_path):
    steps = []
    src = moving(tmp_path / "in", 3)
    settings = EncodeSettings(codec="ffv1", fps="30000/1001")
    done = restill.restore(
        src, tmp_path / "a.mkv", model(), settings=settings, on_frame=lambda: steps.append(1), quiet=True
    )
    assert len(steps) == done.frames == 3
    assert probe(done.output).codec == "ffv1"


def run(*arguments: str | Path):
    with warnings.catch_warnings():
        return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_commands(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "default", lambda task: f"default-{task}")
    monkeypatch.setattr(
        "restill.restoring.choose.load_model", lambda name, **_: model(darker={"default-derain": 0.1}.get(name, 0.2))
    )
    src = moving(tmp_path / "in")
    monkeypatch.setattr(zoo, "find", lambda name: src / "1.png")  # a model is known by its bytes
    done = run("derain", src, "--quiet")
    assert done.exit_code == 0, done.output
    assert "7 frames in" in done.output
    assert "in-derained" in done.output
    levels = [next(read_frames(path))[20, 40, 0] for path in (src, tmp_path / "in-derained")]
    assert levels[0] - levels[1] in (25, 26)
    done = run("restore", src, "-o", tmp_path / "b.mkv", "--model", "x", "--codec", "ffv1", "--fps", "10", "--quiet")
    assert done.exit_code == 0, done.output
    assert probe(tmp_path / "b.mkv").fps == Fraction(10)
    for wrong in (["--codec", "h266"], ["--crf", "99"], ["--compare", "up"], ["--preset", "warp"], ["--fps", "x"]):
        assert isinstance(run("derain", src, "-o", tmp_path / "c.mp4", "--quiet", *wrong).exception, RestillError)
    assert not (tmp_path / "c.mp4").exists()


def test_several_inputs(tmp_path, monkeypatch):
    """One that fails does not stop the others; the end says which, and why stands above."""
    monkeypatch.setattr("restill.restoring.choose.load_model", lambda name, **_: model(darker=0.1))
    for name in ("a", "b"):
        restore(moving(tmp_path / name), tmp_path / f"{name}.mkv", model(), quiet=True)
    broken = tmp_path / "broken.mkv"
    broken.write_bytes((tmp_path / "a.mkv").read_bytes()[:300])
    done = run("derain", tmp_path / "a.mkv", broken, tmp_path / "b.mkv", "-o", tmp_path / "out", "--quiet")
    assert isinstance(done.exception, RestillError)
    assert str(done.exception) == f"1 of 3 inputs failed, for the reasons above: '{broken}'"
    assert f"error: '{broken}'" in done.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mkv", "b.mkv"]
    done = run("derain", tmp_path / "a.mkv", "-o", f"{tmp_path / 'one'}/", "--quiet")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["a.mkv"]


def test_where_results_go(tmp_path):
    a, b = tmp_path / "a.mp4", tmp_path / "deep" / "a.mp4"
    into = f"{tmp_path}/out/"
    assert outputs([a], into, "x") == [(a, tmp_path / "out" / "a.mp4")]
    assert outputs([a], f"{tmp_path}/out", "x") == [(a, tmp_path / "out")]  # a folder of frames
    assert outputs([tmp_path], into, "x") == [(tmp_path, tmp_path / "out")]
    assert outputs([tmp_path, a], into, "x")[0][1] == tmp_path / "out" / tmp_path.name
    assert outputs([a, b], None, "x") == [(a, tmp_path / "a.x.mp4"), (b, tmp_path / "deep" / "a.x.mp4")]
    assert outputs([a, tmp_path / "c.avi"], into, "x")[1][1] == tmp_path / "out" / "c.mkv"
    with pytest.raises(RestillError, match="would both be"):
        outputs([a, b], into, "x")
    a.touch()
    with pytest.raises(RestillError, match="is a file; the results of 2 inputs need a folder"):
        outputs([a, b], str(a), "x")


def test_a_disk_that_may_get_full_is_told_of(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    restore(moving(tmp_path / "in"), tmp_path / "out.mkv", "min-median")
    assert "out.mkv' may need about " in capsys.readouterr().err
    assert (tmp_path / "out.mkv").is_file()


def test_jobs_are_listed_and_cleared(tmp_path):
    with open_journal(tmp_path / "out.mkv", {"source": "in.mkv"}) as journal:
        journal.choose({})
        journal.segment(0).write_bytes(b"frames")
    listed = run("jobs", tmp_path)
    assert "from 'in.mkv', 1 part done" in listed.output
    assert json.loads(run("jobs", tmp_path, "--json").output)[0]["parts"] == 1
    assert "cleared 1 of 1" in run("jobs", tmp_path, "--clear").output
    assert "no unfinished jobs" in run("jobs", tmp_path).output
    assert "is not a folder" in str(run("jobs", tmp_path / "nowhere").exception)


def test_the_sound_of_a_clip_is_kept(tmp_path):
    src = tmp_path / "a.mp4"
    with av.open(str(src), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=48000)
        video.width, video.height = 48, 32
        for number in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 40 * number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number in range(8):
            chunk = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
            chunk.sample_rate, chunk.pts = 48000, 1024 * number
            container.mux(sound.encode(chunk))
        container.mux(sound.encode(None))
    restore(src, tmp_path / "b.mp4", model(), quiet=True)
    assert probe(tmp_path / "b.mp4").streams == {"audio": 1}
    assert probe(tmp_path / "b.mp4").frames == 5


@pytest.mark.slow
def test_a_real_clip(shared_data, tmp_path):
    src = shared_data / "test_only" / "real_rain" / "yard.mp4"
    done = restore(src, tmp_path / "yard.mp4", model(context=0), quiet=True)
    assert done.frames == probe(src).frames == 376
    middle = [frame for number, frame in enumerate(read_frames(src)) if number == 100]
    again = [frame for number, frame in enumerate(read_frames(done.output)) if number == 100]
    assert cv2.PSNR(middle[0], again[0]) > 36  # joint RGB, 8 bits: near-lossless coding, nothing turned or shifted


@pytest.mark.parametrize("inputs", [1, 2])
def test_the_licence_is_told_once_for_a_command(tmp_path, inputs, monkeypatch):
    monkeypatch.setattr("restill.restoring.choose.load_model", lambda name, **options: model())
    sources = [str(moving(tmp_path / f"in{number}", 2)) for number in range(inputs)]

    def told(*options: str) -> str:
        result = CliRunner().invoke(app, ["derain", *sources, "-o", f"{tmp_path}/out/", "--overwrite", *options])
        assert result.exit_code == 0, result.output
        return result.stderr

    says = "for research only; for commercial use add --model permissive"
    assert told().count(says) == 1
    assert told("--fast").count("rill-s") == 1
    assert says not in told("--quiet")
    assert says not in told("--model", "permissive")
    card = zoo.card("rill-m")
    free = [other.model_copy(update={"licence": "Apache-2.0"}) for other in zoo.cards()]
    monkeypatch.setattr("restill.zoo.show.cards", lambda: free)
    assert card.licence == "research use"
    assert says not in told()


def test_help_names_the_defaults():
    wide = CliRunner().invoke(app, ["derain", "--help"], env={"COLUMNS": "300"}).output
    assert f"{zoo.default('derain')} for clips and {zoo.default('derain-picture')} for pictures" in wide
