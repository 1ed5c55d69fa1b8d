"""Cards as tables for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table

from restill.zoo import Card


def overview(cards: Sequence[Card]) -> RenderableType:
    """All students, a line each."""
    if not cards:
        return "no student comes with this version of Restill; 'restill export' makes one of what you trained"
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))  # 80 columns hold it
    for title in ("model", "task", "parameters", "MAC/pixel", "frames", "align", "licence"):
        table.add_column(title, no_wrap=True)
    for card in cards:
        frames = f"{card.frames_before}+1+{card.frames_after}"
        numbers = (f"{card.parameters:,}", f"{card.macs_per_pixel:,.0f}")
        table.add_row(card.name, card.task, *numbers, frames, card.align, card.licence)
    return table


def details(card: Card) -> RenderableType:
    """One student: what it is, what it was trained on, and every score with its protocol."""
    facts = Table.grid(padding=(0, 2))
    for field, value in card.model_dump(exclude={"scores"}).items():
        facts.add_row(field, ", ".join(value) if isinstance(value, tuple) else str(value))
    scores = Table("model", "dataset", "clip", "protocol", "PSNR dB", "SSIM", box=SIMPLE)
    for score in card.scores:
        where = (score.model, score.dataset, score.clip, score.protocol)
        scores.add_row(*where, f"{score.psnr:.2f}", f"{score.ssim:.4f}")
    sources = [f"{score.model}: {score.command} ({score.machine})" for score in card.scores]
    return Group(facts, scores, *sources)
