"""Cards as tables and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table

from restill.zoo import EASY_NAMES, FOLDER, Card, Score, cards

DEFAULT_WORDS = {"derain": "clips", "derain-fast": "--fast", "derain-picture": "pictures"}
SPEEDS = ((1_000, "fastest"), (10_000, "fast"), (30_000, "medium"), (50_000, "slow"))  # by the most MAC per pixel
SLOWEST = "very slow"


def overview(students: Sequence[Card]) -> RenderableType:
    """A table of all models, one line each."""
    if not students:
        return "this version of Restill contains no models; 'restill export' makes one from a trained network"
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))  # 80 columns hold it
    for title in ("model", "default for", "PSNR", "of", "speed", "file", "use"):
        table.add_column(title, no_wrap=True, justify="right" if title in ("PSNR", "file") else "left")
    measured = []
    for card in students:
        score = own_score(card)
        use = "; ".join(DEFAULT_WORDS.get(task, task) for task in card.default_for)
        quality = (f"{score.psnr:.2f}", score.dataset) if score else ("", "")
        table.add_row(card.name, use, *quality, speed(card), file_size(card), "any" if card.any_use else "research")
        if score:
            before = next((s.psnr for s in card.scores if s.model == "input" and _same_place(s, score)), None)
            rainy = "" if before is None else f"; the rainy input has {before:.2f}"
            measured.append(f"{score.dataset}: {score.clip}, protocol {score.protocol}{rainy}")
    easy = ", ".join(f"{name} is {meant}" for name, meant in EASY_NAMES.items())
    notes = [
        f"PSNR in dB: higher is better. {'. '.join(dict.fromkeys(measured))}.",
        "Use 'research': the weights were trained on research data, so do not use them commercially.",
        f"Short names: {easy}. 'restill models NAME' shows all details of a model.",
    ]
    return Group(table, *notes)


def details(card: Card) -> RenderableType:
    """The details of one model: its facts, its training data, and every score with its protocol."""
    facts = Table.grid(padding=(0, 2))
    use = "; ".join(DEFAULT_WORDS.get(task, task) for task in card.default_for) or "nothing"
    facts.add_row("default_for", use)
    facts.add_row("speed", speed(card))
    facts.add_row("file", file_size(card))
    facts.add_row("use", "any" if card.any_use else "research, not commercial")
    for field, value in card.model_dump(exclude={"scores"}).items():
        facts.add_row(field, ", ".join(value) if isinstance(value, tuple) else str(value))
    scores = Table("model", "dataset", "clip", "protocol", "PSNR dB", "SSIM", box=SIMPLE)
    for score in card.scores:
        where = (score.model, score.dataset, score.clip, score.protocol)
        scores.add_row(*where, f"{score.psnr:.2f}", f"{score.ssim:.4f}")
    sources = [f"{score.model}: {score.command} ({score.machine})" for score in card.scores]
    return Group(facts, scores, *sources)


def as_data(card: Card) -> dict[str, Any]:
    """The card and the columns of the table as plain data."""
    return {
        **card.model_dump(),
        "default_for": list(card.default_for),
        "any_use": card.any_use,
        "speed": speed(card),
        "bytes": _bytes(card),
        "easy_names": [name for name, meant in EASY_NAMES.items() if meant == card.name],
    }


def licence_note(names: Iterable[str]) -> str:
    """A note that names the models without commercial use; empty if all allow it.

    Args:
        names: Names of models; paths have no card and are left out.
    """
    known = {card.name: card for card in cards()}
    meant = dict.fromkeys(EASY_NAMES.get(name, name) for name in names)
    research = [name for name in meant if name in known and not known[name].any_use]
    if not research:
        return ""
    verb = "is" if len(research) == 1 else "are"
    return f"note: {' and '.join(research)} {verb} for research only; for commercial use add --model permissive"


def own_score(card: Card) -> Score | None:
    """The first score of the model itself, measured with its ``model.onnx``."""
    return next((score for score in card.scores if score.model == card.name), None)


def speed(card: Card) -> str:
    """Its speed in words, by its multiply-accumulates per pixel."""
    return next((word for most, word in SPEEDS if card.macs_per_pixel <= most), SLOWEST)


def file_size(card: Card) -> str:
    """The size of ``model.onnx``."""
    size = _bytes(card)
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1000:.0f} KB"


def _bytes(card: Card) -> int:
    file = FOLDER / card.name / "model.onnx"
    return file.stat().st_size if file.is_file() else 0


def _same_place(a: Score, b: Score) -> bool:
    return (a.dataset, a.clip, a.protocol) == (b.dataset, b.clip, b.protocol)
