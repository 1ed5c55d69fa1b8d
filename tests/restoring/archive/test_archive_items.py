"""The items of an archive: patterns, manifests and URLs, and what is said about wrong ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from restill.errors import RestillError, TryAgain, is_machine_fault
from restill.restoring.archive import store
from restill.restoring.archive.items import Item, manifest_items, named_items
from restill.restoring.archive.record import open_record


def manifest(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_pattern_stands_for_the_files_that_it_fits(tmp_path):
    for name in ("b.mp4", "a.mp4", "deep/c.mov", "x[1].mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list(named_items([f"{tmp_path}/**/*.m*"], "out"))
    assert [Path(item.source).name for item in found] == ["a.mp4", "b.mp4", "c.mov", "x[1].mp4"]
    assert [item.output for item in found] == ["out/a.mp4", "out/b.mp4", "out/c.mov", "out/x[1].mp4"]
    assert all(item.id == item.source for item in found)
    (literal,) = named_items([f"{tmp_path}/x[1].mp4"], "out")  # it exists, so it is no pattern
    assert literal.output == "out/x[1].mp4"
    with pytest.raises(RestillError, match="nothing fits"):
        list(named_items([f"{tmp_path}/*.avi"], "out"))


def put(tmp_path: Path, items: Iterable[Item], *, twice: bool) -> list[Item]:
    with open_record(tmp_path / "record.sqlite", "") as record:
        record.put_items(items, twice=twice)
        return list(record.items())


def test_two_inputs_of_one_name_are_refused(tmp_path):
    with pytest.raises(RestillError, match=r"would both be 'out/a\.mp4'"):
        put(tmp_path, named_items(["x/a.mp4", "y/a.mp4"], "out"), twice=True)
    assert not (tmp_path / "record.sqlite").exists()
    assert len(put(tmp_path, named_items(["x/a.mp4", "x/a.mp4"], "out"), twice=True)) == 1


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_names_inputs_and_outputs(tmp_path, kind):
    rows = [("a", "clips/1.mp4", ""), ("b", "/abs/2.mkv", "sub/two.mkv"), ("ü,3", "s3://bucket/3.mp4", "")]
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        path.write_bytes(
            "\ufeffnote,id,source,output\n".encode()
            + "".join(f'x,"{name}",{source},{output}\n' for name, source, output in rows).encode()
        )
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        from pyarrow import parquet

        columns = dict(zip(("id", "source", "output"), zip(*rows, strict=True), strict=True))
        parquet.write_table(pyarrow.table({name: list(values) for name, values in columns.items()}), path)
    found = list(manifest_items(str(path), "out"))
    assert [item.id for item in found] == ["a", "b", "ü,3"]
    assert [item.source for item in found] == [f"{tmp_path}/clips/1.mp4", "/abs/2.mkv", "s3://bucket/3.mp4"]
    assert [item.output for item in found] == ["out/a.mp4", "out/sub/two.mkv", "out/ü,3.mp4"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column 'id'"),
        ("id,path\n1,a.mp4\n", "no column 'source'.*it has: id, path"),
        ("id,source\n1,a.mp4\n1,b.mp4\n", "the id '1' is there twice"),
        ("id,source\n,a.mp4\n", "row 1: the column 'id' is empty"),
        ("id,source\n1,\n", "row 1: the column 'source' is empty"),
        ("id,source\n1/2,a.mp4\n", "row 1: the id '1/2' cannot name a file; add a column 'output'"),
        ("id,source\n..,a\n", "cannot name a file"),
        ("id,source,output\n1,a.mp4,x.mp4\n2,b.mp4,x.mp4\n", "would both be 'out/x.mp4'"),
        ('id,source\n1,"a.mp4\n', "is not a CSV file"),
    ],
)
def test_a_wrong_manifest_is_refused_in_one_sentence(tmp_path, text, said):
    with pytest.raises(RestillError, match=said):
        put(tmp_path, manifest_items(manifest(tmp_path / "m.csv", text), "out"), twice=False)


def test_a_manifest_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(RestillError, match="cannot be read: No such file"):
        list(manifest_items(str(tmp_path / "none.csv"), "out"))
    (tmp_path / "m.csv").write_bytes(b"id,source\n\xff,a\n")
    with pytest.raises(RestillError, match="not a CSV file in UTF-8"):
        list(manifest_items(str(tmp_path / "m.csv"), "out"))


def test_files_at_urls_are_fetched_and_put(tmp_path):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    (tmp_path / "in.txt").write_text("rain")
    with store.at_hand(f"file://{tmp_path}/in.txt") as source:
        assert source.read_text() == "rain"
        assert source.name == "in.txt"
    assert not source.exists()
    target = f"file://{tmp_path}/deep/er/out.txt"
    assert not store.exists(target)
    with store.to_place(target) as result:
        result.write_text("dry")
    assert (tmp_path / "deep/er/out.txt").read_text() == "dry"
    with pytest.raises(FileNotFoundError), store.to_place(f"file://{tmp_path}/no.txt") as result:
        (result.parent / "none" / "half.txt").touch()
    assert not (tmp_path / "no.txt").exists()
    assert [item.output for item in named_items([f"file://{tmp_path}/*.txt"], "out")] == ["out/in.mkv"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///no/such/clip.mp4", "does not exist"),
        ("rtsp://camera/1", "is a camera; use 'restill live'"),
        ("quark://x/clip.mp4", "cannot be opened"),
    ],
)
def test_a_wrong_url_is_refused(url, said):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    with pytest.raises(RestillError, match=said) as caught, store.at_hand(url):
        pass
    assert not is_machine_fault(caught.value)


def test_a_store_that_fails_is_not_the_fault_of_the_input(monkeypatch):
    pytest.importorskip("fsspec", reason="fsspec is not installed")
    from fsspec.implementations.local import LocalFileSystem

    def lost(*_: object, **__: object) -> None:
        raise RuntimeError("no route to bucket")

    monkeypatch.setattr(LocalFileSystem, "get", lost)
    with pytest.raises(TryAgain, match=r"the store of .* failed: no route to bucket"), store.at_hand("file:///x/a.mp4"):
        pass
