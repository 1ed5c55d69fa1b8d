"""Measuring: every case has its row, the stages add up, the report can be read by people and machines."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from io import StringIO
from itertools import islice, product

import av
import numpy as np
import pytest
from av.video.frame import PictureType
from rich.console import Console
from typer.testing import CliRunner

from restill import zoo
from restill.bench import Plan, Report, Times, measure, plan, rounds
from restill.bench import turns as turns_module
from restill.bench.clip import rainy_clip, write_clip
from restill.bench.plain import plain_transcode
from restill.bench.row import COLUMNS
from restill.cli import app
from restill.errors import RestillError
from restill.runtime import backends, load_model
from restill.video import EncodeSettings, probe, read_frames

WITH_WEIGHTS = [card.name for card in zoo.cards() if card.parameters]
pytestmark = pytest.mark.skipif(not WITH_WEIGHTS, reason="the zoo is empty")
SIZES = ("64x48", "50x38")


def small(**change) -> Plan:
    options = {"sizes": SIZES, "on": ["onnxruntime"], "precisions": ["f32"]}
    options |= {"threads": 1, "frames": 4, "rounds": 2} | change
    return plan([WITH_WEIGHTS[0]], **options)


@pytest.fixture(scope="module")
def report() -> Report:
    return measure(small(against="min-median"), quiet=True)


def test_every_case_has_its_row(report):
    cases = [(row.case.model, row.case.size_text, row.case.precision) for row in report.rows]
    assert cases == [(model, size, "f32") for size in SIZES for model in (WITH_WEIGHTS[0], "min-median")]
    assert report.rounds == 2
    assert not report.left_out
    for row in report.rows:
        assert row.file is not None
        assert all(len(times.rounds) == 2 for times in (row.network, row.stream, row.file))
        assert row.network.ms == pytest.approx(1000 / row.network.fps)


def test_stages_are_those_of_the_pipeline(report):
    for row in report.rows:
        assert row.stages.keys() == {stage for stages in COLUMNS.values() for stage in stages}
        assert all(seconds > 0 for seconds in row.stages.values())


def test_against(report):
    assert report.against == "min-median"
    assert [row.ratio for row in report.rows if row.case.model == "min-median"] == [1, 1]
    first, second = report.rows[0], report.rows[1]
    ratios = [theirs / ours for theirs, ours in zip(second.stream.rounds, first.stream.rounds, strict=True)]
    assert first.ratio == pytest.approx(sum(ratios) / 2)
    ratios = [theirs / ours for theirs, ours in zip(second.network.rounds, first.network.rounds, strict=True)]
    assert first.network_ratio == pytest.approx(sum(ratios) / 2)


def test_share_of_the_peak(report):
    first, baseline = report.rows[0], report.rows[1]
    peaks = report.peaks["onnxruntime", "f32"]
    assert first.macs == zoo.card(WITH_WEIGHTS[0]).macs_per_pixel * 64 * 48
    shares = [first.macs / s / 1e9 / peak for s, peak in zip(first.network.rounds, peaks, strict=True)]
    assert first.of_peak == pytest.approx(sum(shares) / 2)
    assert baseline.of_peak is None
    assert report.rows[2].macs == zoo.card(WITH_WEIGHTS[0]).macs_per_pixel * 50 * 38  # a multiple of 2 as it is


def test_json(report):
    data = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert data["machine"]["cpu"]
    assert data["machine"]["versions"]["onnxruntime"]
    assert data["threads"] == 1
    assert data["peaks"][0].keys() >= {"backend", "precision", "gmacs_per_second"}
    assert len(data["rows"]) == 4
    assert data["rows"][0]["network"].keys() == {"ms", "fps", "rounds_ms"}
    assert data["rows"][1]["of_peak"] is None


def test_text(report):
    console = Console(file=StringIO(), width=190)
    console.print(report.text())
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(f"{title} ms" in text for title in ("network", "stream", "file", *COLUMNS))
    assert "x min-median" in text
    assert text.count("50x38") == 4
    assert "1 thread for the network, 4 frames per pass, 2 rounds." in text
    assert "onnxruntime f32" in text
    assert "…" not in text


def test_markdown(report):
    tables = [part for part in report.markdown().split("\n\n") if part.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1
        assert len(table.splitlines()) == 2 + len(report.rows)
    assert "- Machine: " in report.markdown()


def test_without_files():
    found = measure(small(file=False, sizes=SIZES[:1], frames=2), quiet=True)
    (row,) = found.rows
    assert row.file is None
    assert row.as_dict()["file"] is None
    assert row.column("decode") is None
    assert row.column("encode") is None
    assert row.column("convert") == row.stages["pack"]
    assert row.ratio == 1
    assert found.against == WITH_WEIGHTS[0]
    assert "H.264" not in found.markdown()


def test_the_time_is_over():
    found = measure(small(seconds=1e-3, rounds=5, sizes=SIZES[:1], frames=2, file=False), quiet=True)
    assert found.rounds == 1
    assert "1 round of 5" in found.markdown()
    assert "0.001 seconds were over: it has 1 of 1 cases" in found.markdown()


def test_what_cannot_be_loaded_is_left_out(monkeypatch):
    def load(model, *, precision, **options):
        if precision == "f8":
            raise RestillError("there is no file for f8")
        return load_model(model, precision=precision, **options)

    monkeypatch.setitem(backends.PRECISIONS, "onnxruntime", ("f32", "f8"))
    monkeypatch.setattr("restill.bench.rounds.load_model", load)
    found = measure(small(precisions=(), sizes=SIZES[:1], frames=2, rounds=1, file=False), quiet=True)
    assert [row.case.precision for row in found.rows] == ["f32"]
    assert f"Left out: on onnxruntime, {WITH_WEIGHTS[0]} in f8: there is no file for f8." in found.markdown()
    for wrong in (small(precisions=["f8"]), small(precisions=["f8"], against="min-median")):
        with pytest.raises(RestillError, match="f8"):
            measure(wrong, quiet=True)


def test_openvino():
    pytest.importorskip("openvino")
    found = measure(small(on=["openvino"], precisions=[], sizes=SIZES[:1], frames=2, rounds=1, file=False), quiet=True)
    assert [(row.case.backend, row.case.precision) for row in found.rows][:2] == [
        ("openvino", "f32"),
        ("openvino", "bf16"),
    ]
    assert found.machine.versions.keys() >= {"openvino"}
    assert found.rows[0].ratio == 1


def test_times():
    times = Times([0.5, 0.1, 0.2])
    assert times.ms == pytest.approx(200)
    assert times.fps == pytest.approx(5)


def test_a_plain_transcode_and_both_sources():
    """One run has a row for each source, with the ratio of each round's job to the transcode of the same file."""
    found = measure(small(sources=["camera", "x264"], transcode=True, sizes=SIZES[:1]), quiet=True)
    assert [row.case.source for row in found.rows] == ["camera", "x264"]
    for row in found.rows:
        assert row.file is not None
        assert row.plain is not None
        ratios = [job / plain for job, plain in zip(row.file.rounds, row.plain.rounds, strict=True)]
        assert row.of_plain == pytest.approx(sum(ratios) / 2)
        assert row.as_dict()["of_transcode"] == row.of_plain
    speed, stages = found.tables()
    assert speed[1][speed[0].index("x transcode")] == f"{found.rows[0].of_plain:.2f}"
    assert stages[1][-1] == f"{found.rows[0].around:.2f}"
    assert "- Source x264: libx264, preset medium, crf 23." in found.markdown()


def test_align_and_pack_over_the_network(report):
    turns = [{"align": 1.0, "pack": 2.0, "network": 6.0}, {"align": 3.0, "pack": 1.0, "network": 4.0}]
    assert replace(report.rows[0], turns=turns).around == pytest.approx(0.75)


def test_a_plain_transcode_keeps_the_frames(tmp_path):
    """Every frame comes out at its time, and the encoder chooses the types of the pictures itself."""
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(source, rainy_clip(48, 64, 12), "camera")
    assert plain_transcode(source, target, EncodeSettings()) > 0
    with av.open(str(source)) as before, av.open(str(target)) as after:
        given, made = list(before.decode(video=0)), list(after.decode(video=0))
    assert [frame.time for frame in made] == [frame.time for frame in given]
    assert PictureType.B in {frame.pict_type for frame in made}
    for a, b in zip(given, made, strict=True):
        assert np.abs(a.to_ndarray().astype(int) - b.to_ndarray()).mean() < 4


def test_sources_differ_in_b_frames(tmp_path):
    for source, b_frames in (("camera", False), ("x264", True)):
        write_clip(tmp_path / "clip.mp4", rainy_clip(48, 64, 12), source)
        with av.open(str(tmp_path / "clip.mp4")) as container:
            assert (PictureType.B in {frame.pict_type for frame in container.decode(video=0)}) == b_frames


def test_the_aligner_reaches_the_stream_and_the_job(monkeypatch):
    asked = []
    for name in ("stream", "restore"):
        whole = getattr(turns_module, name)

        def spied(*arguments, whole=whole, **options):
            asked.append(options["aligner"])
            return whole(*arguments, **options)

        monkeypatch.setattr(turns_module, name, spied)
    found = measure(small(sizes=SIZES[:1], frames=3, rounds=1, aligner="search"), quiet=True)
    assert asked == ["search", "search"]
    assert "Aligner: search." in found.markdown()


def test_a_long_file_is_kept_in_memory_in_part(monkeypatch):
    monkeypatch.setattr(turns_module, "IN_MEMORY", 2)
    monkeypatch.setattr("restill.bench.report.IN_MEMORY", 2)
    streamed = []
    time_stream = turns_module.time_stream

    def spied(model, frames, *arguments, **options):
        streamed.append(len(frames))
        return time_stream(model, frames, *arguments, **options)

    monkeypatch.setattr(turns_module, "time_stream", spied)
    found = measure(small(sizes=SIZES[:1], frames=5, rounds=1), quiet=True)
    assert streamed == [2]
    assert "measured on the first 2." in found.markdown()


def test_nothing_in_the_clip_moves_by_whole_pixels():
    """A shift by whole pixels never explains the next frame, in any part of the picture, so no aligner is flattered."""
    first, second = islice((frame[..., 1].astype(int) for frame in rainy_clip(120, 160, 2)), 2)
    for top, left in product((20, 60), (20, 60, 100)):
        block = first[top : top + 40, left : left + 40]
        moved = (second[top + y : top + y + 40, left + x : left + x + 40] for y, x in product(range(-4, 5), repeat=2))
        assert min(np.abs(other - block).mean() for other in moved) > 2


@pytest.mark.parametrize("size", [(48, 64), (39, 51)])
def test_the_clip(tmp_path, size):
    frames = list(rainy_clip(*size, 3))
    assert [frame.shape for frame in frames] == [(*size, 3)] * 3
    assert all((a == b).all() for a, b in zip(frames, rainy_clip(*size, 3), strict=True))
    write_clip(tmp_path / "clip.mp4", frames)
    info = probe(tmp_path / "clip.mp4")
    assert (info.height, info.width) == size
    decoded = list(read_frames(tmp_path / "clip.mp4"))
    assert len(decoded) == 3
    assert abs(decoded[1].mean() - frames[1].mean()) < 3


def test_command(tmp_path):
    few = ["--size", "64x48", "--frames", "2", "--rounds", "1", "--threads", "1", "--backend", "onnxruntime"]
    few += ["--precision", "f32", "--quiet"]
    page = tmp_path / "page.md"
    done = CliRunner().invoke(app, ["bench", WITH_WEIGHTS[0], *few, "--json", "-", "--markdown", str(page)])
    assert done.exit_code == 0, done.output
    assert [row["size"] for row in json.loads(done.stdout)["rows"]] == ["64x48"]
    assert page.read_text().startswith("| model |")
    done = CliRunner().invoke(app, ["bench", WITH_WEIGHTS[0], *few, "--no-file", "--json", str(tmp_path / "a.json")])
    assert "Peak of 3x3 convolutions" in done.stdout
    assert json.loads((tmp_path / "a.json").read_text())["rows"][0]["file"] is None


def test_no_folder_for_the_numbers(tmp_path):
    done = CliRunner().invoke(app, ["bench", "--markdown", str(tmp_path / "absent" / "a.md")])
    assert isinstance(done.exception, RestillError)
    assert "absent" in str(done.exception)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("file", [True, False])
def test_a_stopped_run_gives_what_it_has(monkeypatch, after, file):
    """Ctrl-C in the middle of a turn: that turn is left out, all before it is there."""
    turns = []
    time_stream = turns_module.time_stream

    def stopped(*arguments, **options):
        turns.append(None)
        if len(turns) > after:
            raise KeyboardInterrupt
        return time_stream(*arguments, **options)

    monkeypatch.setattr(turns_module, "time_stream", stopped)
    asked = small(against="min-median", file=file)  # four cases, twice
    if not after:
        with pytest.raises(RestillError, match="nothing was measured: it was stopped"):
            measure(asked, quiet=True)
        return
    report = measure(asked, quiet=True)
    assert [row.case for row in report.rows] == list(asked.cases[:after])
    assert f"because it was stopped: it has {after} of 4 cases" in " ".join(report.notes())
    assert report.as_dict()["stopped"] == "it was stopped"
    assert len(report.tables()[0]) == 1 + after
    assert report.markdown()


def test_seconds_end_a_run_within_a_round(monkeypatch):
    report = measure(small(against="min-median", seconds=1e-9, file=False), quiet=True)
    assert len(report.rows) == 1
    assert "seconds were over: it has 1 of 4 cases" in " ".join(report.notes())


def test_sigterm_is_a_stop(monkeypatch):
    def end(*arguments, **options):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(rounds, "measure_stream", end)
    with pytest.raises(RestillError, match="nothing was measured: it was stopped"):
        measure(small(file=False), quiet=True)
    assert signal.getsignal(signal.SIGTERM) == before


def test_rows_that_cannot_be_trusted_are_marked(report):
    row = report.rows[0]
    wrong = replace(row, busy=True, peaks=[row.gmacs / 2] * len(row.peaks))
    marked = replace(report, rows=[wrong, *report.rows[1:]])
    speed = marked.tables()[0]
    assert speed[1][0] == f"{row.case.model}*"
    assert any(cell.endswith("%!") for cell in speed[1])
    notes = " ".join(marked.notes())
    assert "Other programs kept the machine busy during this row" in notes
    assert "More than 100 % of the peak" in notes
