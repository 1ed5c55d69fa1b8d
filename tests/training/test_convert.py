"""Published weights become ours: all of them, only them, and no code is run from the file."""

from __future__ import annotations

import copy
import os
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_networks import SMALL
from typer.testing import CliRunner

from restill.cli import app
from restill.errors import RestillError
from restill.networks import NETWORKS, create, network_class
from restill.networks.blocks.spynet import SPyNet, load_spynet
from restill.networks.published import Published
from restill.training.checkpoint import load_network
from restill.training.convert import convert, match_keys
from restill.training.weights_file import read_places

torch.set_num_threads(1)
WIDTH = {"channels": 8}
PUBLISHED = sorted(name for name in NETWORKS if getattr(network_class(name), "published", None))


@pytest.fixture
def foreign(monkeypatch):
    """Weights of a small rill-s as somebody else might have named them."""
    monkeypatch.setattr(
        network_class("rill-s"),
        "published",
        Published(
            "somebody",
            rename=((r"^conv_in\.", "first."), (r"^blocks\.(\d)\.c(.)\.", r"body.\1.\2.")),
            ignore=("counter$",),
        ),
        raising=False,
    )
    names = ((r"^first\.", "conv_in."), (r"^body\.(\d)\.(.)\.", r"blocks.\1.c\2."))
    weights = {}
    for key, value in create("rill-s", **WIDTH).state_dict().items():
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        weights[key] = value
    return weights | {"blocks.0.counter": torch.zeros(())}


def save(content, path: Path) -> Path:
    torch.save(content, path)
    return path


def test_every_weight_arrives_and_the_checkpoint_is_ours(foreign, tmp_path):
    source = save(
        {"params": {}, "epoch": 3, "state_dict": {f"module.{k}": v for k, v in foreign.items()}}, tmp_path / "x.pth"
    )
    done = convert(source, "rill-s", options=WIDTH)
    assert done.output == tmp_path / "rill-s.safetensors"
    assert done.place.path == "state_dict"  # params holds nothing
    assert done.match.ignored == ["blocks.0.counter"]
    assert done.match.renamed["blocks.1.cb.bias"] == "body.1.b.bias"
    network, info = load_network(done.output)
    assert info == {"network": "rill-s", "options": WIDTH, "align": "none", "name": "rill-s"}
    assert torch.equal(network.first.weight, foreign["conv_in.weight"])
    assert torch.equal(network.body[1].b.bias, foreign["blocks.1.cb.bias"])
    text = str(done)
    for part in (
        "12 weights taken from 'state_dict'\n",
        "\n10 renamed: ",
        "conv_in.weight is first.weight",
        "blocks.0.counter",
        "written",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_half_precision_and_both_formats(name, foreign, tmp_path):
    half = {key: value.half() for key, value in foreign.items()}
    source = tmp_path / name
    (save_file if source.suffix == ".safetensors" else torch.save)(half, source)
    network, _ = load_network(convert(source, "rill-s", tmp_path / "out.safetensors", options=WIDTH).output)
    assert network.first.weight.dtype == torch.float32
    assert torch.equal(network.first.weight, half["conv_in.weight"].float())


RAW, EMA = 1.0, 2.0
LAYOUTS = {
    "the file itself": ({}, RAW),
    "params": ({"params": RAW, "params_ema": EMA}, EMA),
    "timm": ({"state_dict": RAW, "state_dict_ema": EMA}, EMA),
    "model_ema": ({"model": RAW, "model_ema": EMA, "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}}}, EMA),
    "ema": ({"ema": EMA, "model": RAW, "epoch": 3}, EMA),
    "ema_model": ({"ema_model": EMA, "generator": RAW}, EMA),
    "nested": ({"state": {"ema": {"module": EMA}, "net": RAW}}, EMA),
    "an unusual name": ({"the_weights": RAW, "step": torch.zeros(())}, RAW),
}
PREFIXES = (
    "",
    "module.",
    "module.module.",
    "_orig_mod.",
    "module._orig_mod.",
    "model.",
    "net_g.",
    "generator.",
    "a.b.c.",
)


def laid_out(layout: dict, weights: dict[str, torch.Tensor], prefix: str) -> dict:
    """A file's content: numbers of a layout become weights times that number."""
    return {
        key: laid_out(value, weights, prefix)
        if isinstance(value, dict)
        else {f"{prefix}{name}": value * weight for name, weight in weights.items()}
        if isinstance(value, float)
        else value
        for key, value in layout.items()
    }


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_averaged_weights_are_taken_wherever_they_are_and_prefixes_dropped(layout, prefix, tmp_path):
    shape, expected = LAYOUTS[layout]
    weights = create("rill-s", **WIDTH).state_dict()
    content = laid_out(shape, weights, prefix) if shape else laid_out({"x": RAW}, weights, prefix)["x"]
    done = convert(save(content, tmp_path / "x.pth"), "rill-s", options=WIDTH)
    network, _ = load_network(done.output)
    assert all(torch.equal(value, expected * weights[key]) for key, value in network.state_dict().items())
    assert ("averages over training steps" in str(done)) == (expected == EMA)
    assert ("choose with --key" in str(done)) == (expected == EMA)
    assert (f"'{prefix}' dropped" in str(done)) == bool(prefix)
    if expected == EMA:
        raw = convert(tmp_path / "x.pth", "rill-s", options=WIDTH, key=done.others[0], overwrite=True)
        network, _ = load_network(raw.output)
        assert torch.equal(network.first.weight, weights["first.weight"])


def test_two_networks_in_one_dict(tmp_path):
    weights = create("rill-s", **WIDTH).state_dict()
    names = {"generator.": 1.0, "generator_ema.": 2.0}
    content = {f"{prefix}{key}": times * value for prefix, times in names.items() for key, value in weights.items()}
    done = convert(save(content | {"step_counter": torch.zeros(())}, tmp_path / "x.pth"), "rill-s", options=WIDTH)
    assert torch.equal(load_network(done.output)[0].first.weight, 2 * weights["first.weight"])
    assert f"{len(weights) + 1} left out, whose names do not begin so: generator.first.weight" in str(done)


def test_a_key_that_leads_nowhere(tmp_path):
    source = save({"params": {"w": torch.zeros(1)}, "step": 3}, tmp_path / "x.pt")
    assert [place.name for place in read_places(source)] == ["params"]
    with pytest.raises(RestillError, match=r"no dict of tensors under 'step'.* its keys: params, step"):
        read_places(source, "step")
    with pytest.raises(RestillError, match=r"no dict of tensors in it$"):
        read_places(save([{"w": torch.zeros(1)}], tmp_path / "z.pt"))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda w: w * torch.nan, "first.weight' contains NaN or infinite"),
        (lambda w: w + torch.inf, "first.weight' contains NaN or infinite"),
        pytest.param(
            lambda w: torch.quantize_per_tensor(w, 0.1, 0, torch.qint8),
            r"first.weight' is quantized \(qint8\)",
            marks=pytest.mark.filterwarnings("ignore"),
        ),
        (lambda w: w.to(torch.int8), r"first.weight' is quantized \(int8\)"),
    ],
)
def test_numbers_that_are_no_weights(spoil, words, tmp_path):
    weights = create("rill-s", **WIDTH).state_dict()
    weights["first.weight"] = spoil(weights["first.weight"])
    with pytest.raises(RestillError, match=words):
        convert(save(weights, tmp_path / "x.pth"), "rill-s", options=WIDTH)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]


def test_what_does_not_fit_is_named_and_nothing_is_written(foreign, tmp_path):
    foreign["extra.weight"] = torch.zeros(1)
    foreign["blocks.0.ca.bias"] = torch.zeros(9)
    del foreign["conv_in.bias"]
    source = save(foreign, tmp_path / "x.pth")
    result = CliRunner().invoke(app, ["convert", str(source), "--network", "rill-s", "--set", "channels=8"])
    assert isinstance(result.exception, RestillError)
    sentence = str(result.exception)
    for part in (
        f"{source}: does not fit network 'rill-s'",
        "1 of the network's weights are not in it (first.bias)",
        "1 of its keys do not belong to the network (extra.weight)",
        "1 have another shape (blocks.0.ca.bias is 9, not 8)",
        "--set (channels, pairs)",
    ):
        assert part in sentence
    assert "\n" not in sentence
    assert [path.name for path in tmp_path.iterdir()] == ["x.pth"]
    with pytest.raises(RestillError, match=r"blocks.0.ca.weight is 8x8x3x3, not 16x16x3x3.*, \.\.\.\)"):
        convert(source, "rill-s")


def test_two_keys_for_one_weight_do_not_fit(foreign):
    network = create("rill-s", **WIDTH)
    match = match_keys(foreign | {"first.weight": foreign["conv_in.weight"]}, network)
    assert match.left_over == ["first.weight"]
    assert not match.fits


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_no_code_is_run_from_a_file(zipped, foreign, tmp_path):
    trap = tmp_path / "trap"
    source = tmp_path / "evil.pth"
    torch.save(foreign | {"x": Evil(trap)}, source, _use_new_zipfile_serialization=zipped)
    with pytest.raises(RestillError, match=r"evil\.pth: holds a Python object \((posix|nt)\.mkdir\)"):
        convert(source, "rill-s", options=WIDTH)
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pth"]
    torch.load(source, weights_only=False)
    assert trap.is_dir()  # the trap was one


@pytest.mark.parametrize("content", [b"", b"a poem", b"PK\x03\x04 cut off"])
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_files_of_something_else(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RestillError, match=rf"{name}: cannot be read as a checkpoint"):
        convert(tmp_path / name, "rill-s", tmp_path / "out.safetensors")


def test_what_is_there_is_not_replaced_unasked(foreign, tmp_path):
    source = save(foreign, tmp_path / "x.pth")
    output = tmp_path / "out.safetensors"
    output.write_text("precious")
    with pytest.raises(RestillError, match="exists already"):
        convert(source, "rill-s", output, options=WIDTH)
    assert output.read_text() == "precious"
    convert(source, "rill-s", output, options=WIDTH, overwrite=True)
    with pytest.raises(RestillError, match=r"must end in \.safetensors"):
        convert(source, "rill-s", tmp_path / "out.pth")
    with pytest.raises(RestillError, match="cannot be written"):
        convert(source, "rill-s", tmp_path / "no" / "out.safetensors", options=WIDTH)
    with pytest.raises(RestillError, match="no such file"):
        convert(tmp_path / "no.pth", "rill-s", tmp_path / "new.safetensors")


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_mappings(name, tmp_path):
    """Whether a mapping is right, each network's own test says, by the authors' full list of keys."""
    assert network_class(name).published.source
    torch.manual_seed(0)
    network = create(name, **SMALL[name])
    source = save(
        {"net": copy.copy(network.state_dict())}, tmp_path / "ours.pth"
    )  # our names, as from a script of one's own
    loaded, _ = load_network(convert(source, name, options=SMALL[name]).output)
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    wrong = save({"conv.weight": torch.zeros(3)}, tmp_path / "wrong.pth")
    with pytest.raises(RestillError, match=r"1 of its keys do not belong to the network \(conv.weight\)"):
        convert(wrong, name, tmp_path / "wrong.safetensors", options=SMALL[name])


@pytest.mark.parametrize("form", ["basic_module.{}.basic_module.{}", "moduleBasic.{}.moduleBasic.{}"])
def test_spynet(form, tmp_path):
    torch.manual_seed(0)
    net = SPyNet()
    theirs = {"mean": torch.zeros(1, 3, 1, 1)}
    for key, value in net.state_dict().items():
        _, level, layer, kind = key.split(".")
        theirs[f"{form.format(level, layer)}.{kind}"] = value
    done = convert(save({"params": theirs}, tmp_path / "x.pth"), "spynet")
    loaded = load_spynet(done.output)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), loaded.parameters(), strict=True))
    with pytest.raises(RestillError, match="no options"):
        convert(tmp_path / "x.pth", "spynet", options=WIDTH)


def test_the_page_lists_whose_weights_are_read():
    page = (Path(__file__).resolve().parents[2] / "docs/converting.md").read_text(encoding="utf-8")
    for name in [*PUBLISHED, "spynet"]:
        assert f"`{name}`" in page, f"docs/converting.md has no row for {name}"
