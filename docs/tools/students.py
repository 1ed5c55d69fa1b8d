"""The page of the students that come with Restill, from their cards."""

from __future__ import annotations

from docs.tools.text import plain, table

from restill import zoo

INTRODUCTION = """# The students' cards

Each student comes with a card. This page shows all cards; `restill models NAME` shows one. [How to choose a
student](../choosing.md) compares them. [Licences](../licences.md) says what the licences mean.
"""


def page() -> str:
    """The page, as Markdown."""
    lines = [INTRODUCTION]
    for card in zoo.cards():
        facts = {
            "licence of the weights": f"{card.licence}" + (": also for use at work" if card.any_use else ""),
            "default for": ", ".join(card.default_for) or "nothing",
            "network": f"`{card.network}`, {card.parameters:,} parameters, {card.macs_per_pixel:,.0f} MAC per pixel",
            "frames": f"{card.frames_before} before, {card.frames_after} after; aligned: `{card.align}`",
            "recipe": f"`{card.recipe}`" if card.recipe else "none",
        }
        lines += [f"## `{card.name}`", "", plain(card.description), ""]
        lines += [*(f"- {name}: {value}" for name, value in facts.items()), ""]
        lines += ["Trained on:", "", *(f"- {source}" for source in card.trained_on), ""] if card.trained_on else []
        scores = [(s.model, s.dataset, s.clip, s.protocol, f"{s.psnr:.2f} / {s.ssim:.4f}") for s in card.scores]
        lines += table(["model", "data set", "clip", "protocol", "PSNR / SSIM"], scores)
    return "\n".join(lines)
