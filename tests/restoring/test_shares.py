"""A long video whose segments are shared out: the same file, whatever the shares and whatever happens to them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from processes import content

from restill.errors import TryAgain
from restill.restoring.request import Request
from restill.restoring.run import job_description, run
from restill.restoring.shares import divide, restore_share
from restill.video import segments
from restill.video.journal import journal_folder, open_share
from restill.video.seeking import KeyFrame, read_index

SIZE, FRAMES = (48, 64), 100


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "FIRST", 8)
    monkeypatch.setattr(segments, "FRAMES", 12)
    monkeypatch.setattr(segments, "FEWEST", 12)


def write(path: Path, codec: str = "libx264", *, options: dict[str, str] | None = None, still: bool = False) -> Path:
    """A clip of noise that moves, or of one picture, with key frames now and then and B frames."""
    rng = np.random.default_rng(1)
    wide = rng.integers(0, 256, (SIZE[0], SIZE[1] + FRAMES, 3), np.uint8)
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt, stream.options = *SIZE, "yuv420p", options or {"g": "15"}
        for number in range(FRAMES):
            first = 0 if still else number
            picture = np.ascontiguousarray(wide[:, first : first + SIZE[1]])
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    return path


def request(src: Path, dst: Path, **more: object) -> Request:
    model = more.pop("model", "min-median")
    return Request(src, dst, model, threads=1, quiet=True, **more)  # type: ignore[arg-type]


def shared(asked: Request, count: int, order: np.random.Generator | None = None) -> int:
    """Restore in shares, in any order; return their number."""
    shares = divide(asked, count)
    for number in range(len(shares)) if order is None else order.permutation(len(shares)):
        restore_share(asked, shares[number])
    assert not asked.dst.exists()
    return len(shares)


@pytest.mark.parametrize(
    ("name", "codec", "options", "count"),
    [
        ("a.mp4", "libx264", {"g": "15"}, 1),
        ("open.mkv", "libx264", {"g": "15", "x264-params": "open-gop=1:bframes=3"}, 3),
        ("a.ts", "libx264", {"g": "20"}, 3),
        ("refresh.ts", "libx264", {"g": "20", "x264-params": "intra-refresh=1:bframes=0"}, 3),
        ("one-key.mkv", "libx264", {"g": "999"}, 3),
        ("a.mov", "mpeg4", {"g": "12", "bf": "2"}, 3),
        ("a.avi", "mpeg4", {"g": "12"}, 3),
        ("a.mpg", "mpeg2video", {"g": "12"}, 3),
        ("a.mkv", "ffv1", {}, 3),
    ],
)
def test_shares_give_the_file_that_one_job_gives(tmp_path, name, codec, options, count):
    src = write(tmp_path / name, codec, options=options)
    (tmp_path / "whole").mkdir()
    (tmp_path / "shared").mkdir()
    asked = request(src, tmp_path / "shared" / "out.mkv")
    whole = run(request(src, tmp_path / "whole" / "out.mkv"))
    assert shared(asked, count, np.random.default_rng(1)) == (0 if read_index(src) is None else {1: 9, 3: 3}[count])
    summary = run(asked)
    assert summary.frames == whole.frames == FRAMES
    assert content(summary.output) == content(whole.output)
    assert not journal_folder(asked.dst).exists()


def test_a_seek_to_another_frame_is_found_out(tmp_path, monkeypatch):
    """Numbers of frames that are wrong, as those of a file whose packets hold fields, cost time and nothing else."""
    src = write(tmp_path / "in.mkv")
    whole = run(request(src, tmp_path / "whole.mp4"))
    right = read_index(src)
    assert right is not None
    wrong = replace(right, keys=tuple(KeyFrame(key.number + 2 * (key.number > 0), key.time) for key in right.keys))
    for module in ("shares", "run"):
        monkeypatch.setattr(f"restill.restoring.{module}.read_index", lambda *_: wrong)
    asked = request(src, tmp_path / "out.mp4")
    shared(asked, 3)
    assert run(asked).frames == FRAMES
    assert content(asked.dst) == content(whole.output)


@pytest.mark.parametrize("still", [False, True])
def test_what_is_missing_damaged_or_of_another_share_is_made_again(tmp_path, still):
    src = write(tmp_path / "in.mp4", still=still)
    whole = run(request(src, tmp_path / "whole.mkv"))

    def cut(part: Path) -> None:
        part.write_bytes(part.read_bytes()[:-1])

    def flip(part: Path) -> None:
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data)

    def another(part: Path) -> None:
        part.write_bytes(part.with_name("000002.part").read_bytes())

    for number, damage in enumerate((Path.unlink, cut, flip, another)):
        asked = request(src, tmp_path / f"out{number}.mkv")
        shared(asked, 3)
        damage(journal_folder(asked.dst) / "000004.part")
        run(asked)
        assert content(asked.dst) == content(whole.output)


def test_a_share_that_was_cut_off_goes_on(tmp_path):
    src = write(tmp_path / "in.mkv")
    asked = request(src, tmp_path / "out.mkv")
    shares = divide(asked, 3)
    restore_share(asked, shares[1])
    folder = journal_folder(asked.dst)
    (folder / "000004.part").unlink()  # the second of three
    (folder / "000004.unfinished").write_bytes(b"half")
    before = (folder / "000003.part").stat().st_mtime_ns
    assert divide(asked, 3) == shares  # the same command goes on
    assert (folder / "000003.part").stat().st_mtime_ns == before
    for share in shares:
        restore_share(asked, share)
    assert (folder / "000003.part").stat().st_mtime_ns == before
    run(asked)
    assert content(asked.dst) == content(run(request(src, tmp_path / "whole.mkv")).output)


def test_a_job_is_not_joined_while_a_share_is_worked_on(tmp_path):
    src = write(tmp_path / "in.mkv")
    asked = request(src, tmp_path / "out.mkv")
    first, second, _ = divide(asked, 3)
    with open_share(asked.dst, job_description(asked), first.numbers):
        with pytest.raises(TryAgain, match="made by another"):
            run(asked)
        with pytest.raises(TryAgain, match="made by another"):
            restore_share(asked, first)
        restore_share(asked, second)
    src.touch()
    write(src, options={"g": "5"})
    with pytest.raises(TryAgain, match="changed since"):
        restore_share(asked, first)


@pytest.mark.parametrize("dst", ["frames", "out.png", "one.mkv"])
def test_what_cannot_be_divided_is_not(tmp_path, dst):
    src = write(tmp_path / "in.mkv")
    assert divide(request(src, tmp_path / dst), 5) == []
    assert not journal_folder(tmp_path / dst).exists()


def test_a_folder_of_frames_is_divided_too(tmp_path):
    src = run(request(write(tmp_path / "in.mkv"), tmp_path / "frames")).output
    whole = run(request(src, tmp_path / "whole.mkv"))
    asked = request(src, tmp_path / "out.mkv")
    assert shared(asked, 3, np.random.default_rng(2)) == 3
    run(asked)
    assert content(asked.dst) == content(whole.output)
