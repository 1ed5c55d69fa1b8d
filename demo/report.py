"""The report of the demo: one HTML file that opens offline. Sentences about results are chosen by their numbers."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from string import Template

import cv2
import numpy as np

PAGE = Path(__file__).with_name("page.html")
EVEN = 0.05  # dB: smaller differences count as none
PROTOCOL = "all-frames"

Points = list[tuple[float, float]]


@dataclass
class Score:
    """One row of a table: PSNR in dB and SSIM, both RGB, protocol :data:`PROTOCOL`."""

    label: str
    psnr: float
    ssim: float
    note: str = ""


@dataclass
class Restored:
    """The result of the model that comes with Restill."""

    model: str
    rainy: np.ndarray  # (H, W, 3) uint8, one frame
    clean: np.ndarray  # the same frame restored
    before: Score
    after: Score
    frames: int
    seconds: float
    video: bytes = b""  # mp4: before and after, split


@dataclass
class Run:
    """One training run."""

    score: Score
    steps: int
    seconds: float
    curves: dict[str, Points] = field(default_factory=dict)  # by the name of the loss


@dataclass
class Distilled:
    """The comparison with and without CSTD: same start, same data in the same order, same steps."""

    student: str
    teacher: str
    parameters: int
    teacher_parameters: int
    rainy: Score
    start: Score
    alone: Run
    cstd: Run
    teacher_score: Score | None = None
    crops: dict[str, np.ndarray] = field(default_factory=dict)  # by caption: (h, w, 3) uint8


@dataclass
class Report:
    """The contents of the page."""

    machine: str
    seconds: float
    restored: Restored | None
    distilled: Distilled | None


def build(report: Report) -> str:
    """The page as HTML."""
    sections = []
    if report.restored:
        sections.append(_restored(report.restored))
    if report.distilled:
        sections.append(_distilled(report.distilled))
    sections.append(_next())
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        intro=f"What <code>make demo</code> did on this machine ({escape(report.machine)}) in {clock(report.seconds)}: "
        "it moved a camera over photographs from scikit-image, rendered rain on them, removed the rain with a model of "
        "Restill, and distilled a tiny student.",
        sections="\n".join(sections),
        footer=f"PSNR and SSIM are RGB, protocol <b>{PROTOCOL}</b>: every frame, rounded to 8 bits, "
        "averaged over frames, then over clips. The rain is rendered, and the clips are moving photographs: these "
        "numbers show that the parts work, not how well they remove real rain.",
    )


def verdict(alone: Score, cstd: Score) -> str:
    """One sentence that names the better student."""
    lead = cstd.psnr - alone.psnr
    if abs(lead) < EVEN:
        return f"In this run CSTD made almost no difference: {lead:+.2f} dB."
    if lead > 0:
        return f"The student distilled with CSTD is {lead:.2f} dB better than the one trained alone."
    return f"In this run the student trained alone is {-lead:.2f} dB better than the one distilled with CSTD."


def clock(seconds: float) -> str:
    """ "2 min 05 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def _restored(r: Restored) -> str:
    gain = r.after.psnr - r.before.psnr
    change = (
        "closer to the clean clip than the rainy clip"
        if gain > 0
        else "farther from the clean clip than the rainy clip"
    )
    video = ""
    if r.video:
        source = base64.b64encode(r.video).decode()
        video = (
            '<figure><video autoplay muted loop playsinline controls src="data:video/mp4;base64,'
            f'{source}"></video><figcaption>The whole clip: rainy on the left, restored on the right.</figcaption>'
            "</figure>"
        )
    return f"""<section>
<h2>Restoring a clip</h2>
<p><code>{escape(r.model)}</code> restored {r.frames} frames in {r.seconds:.1f} s, including decoding and encoding:
{r.frames / r.seconds:.0f} frames per second. The result is {abs(gain):.2f} dB {change}
({r.before.psnr:.2f} dB before, {r.after.psnr:.2f} dB after; protocol {PROTOCOL}, RGB).</p>
{slider(r.rainy, r.clean, "rain", "restored")}
{video}
</section>"""


def _distilled(d: Distilled) -> str:
    rows = [(d.rainy, 0), (d.start, d.parameters), (d.alone.score, d.parameters), (d.cstd.score, d.parameters)]
    if d.teacher_score:
        rows.append((d.teacher_score, d.teacher_parameters))
    best = max(d.alone.score.psnr, d.cstd.score.psnr)
    table = "".join(
        f"<tr{' class=best' if score.psnr == best else ''}><td>{escape(score.label)}</td>"
        f"<td>{f'{parameters:,}' if parameters else ''}</td><td>{score.psnr:.2f}</td><td>{score.ssim:.4f}</td></tr>"
        for score, parameters in rows
    )
    crops = "".join(
        f"<figure><img alt='{escape(name)}' src='{picture(crop, '.png')}'>"
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, crop in d.crops.items()
    )
    return f"""<section>
<h2>Distilling a student</h2>
<p class="verdict">{verdict(d.alone.score, d.cstd.score)}</p>
<p>Two copies of one student ({escape(d.student)}) were trained for {d.cstd.steps} more steps, from the same weights and
on the same samples in the same order. One learned only from the clean frames. The other was also distilled from
{escape(d.teacher)} with CSTD. Both were then scored on held-out clips. One seed and a few hundred steps say little
about a method; <code>recipes/cstd</code> has the paper's experiments.</p>
<div class="wide"><table><thead><tr><th>held-out clips</th><th>parameters</th><th>PSNR, dB<br>{PROTOCOL}, RGB</th>
<th>SSIM<br>{PROTOCOL}, RGB</th></tr></thead><tbody>{table}</tbody></table></div>
<div class="crops">{crops}</div>
<div class="grid">{_charts(d)}</div>
<p class="note">Losses over the steps, as moving means. Only losses of the same name can be compared.</p>
</section>"""


def _charts(d: Distilled) -> str:
    both = [name for name in d.alone.curves if name in d.cstd.curves]
    charts = [chart(name, {"alone": d.alone.curves[name], "CSTD": d.cstd.curves[name]}) for name in both]
    charts += [chart(name, {"": [], "CSTD": points}) for name, points in d.cstd.curves.items() if name not in both]
    return "".join(f"<figure>{svg}</figure>" for svg in charts)


def _next() -> str:
    return """<section>
<h2>Next steps</h2>
<pre>. .venv/bin/activate

<i># your own video, folder of frames or picture</i>
restill derain your-video.mp4 -o clean.mp4
restill derain your-video.mp4 -o both.mp4 --compare split

<i># the models of Restill and their scores; all networks and their cost</i>
restill models
restill networks

<i># the distillation above with more steps; you can set any field of a recipe</i>
restill train demo/cstd.yaml --set name=longer --set steps=5000
restill evaluate demo_out/runs/longer --data demo_out/held_out --protocol all-frames</pre>
</section>"""


def slider(left: np.ndarray, right: np.ndarray, left_name: str, right_name: str) -> str:
    """Two pictures of one size, (H, W, 3) uint8, with a divider to drag."""
    return (
        f'<figure><div class="slider"><img alt="{left_name}" src="{picture(left)}">'
        f'<img alt="{right_name}" src="{picture(right)}"><span class="tag left">{left_name}</span>'
        f'<span class="tag right">{right_name}</span><input type="range" min="0" max="100" value="50" step="0.1" '
        'aria-label="move the divider"></div><figcaption>Drag the divider, or use the arrow keys.</figcaption></figure>'
    )


def picture(frame: np.ndarray, kind: str = ".jpg") -> str:
    """A data URI of (H, W, 3) uint8 RGB."""
    done, data = cv2.imencode(kind, frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90] if kind == ".jpg" else [])
    assert done  # noqa: S101
    return f"data:image/{'jpeg' if kind == '.jpg' else 'png'};base64,{base64.b64encode(data.tobytes()).decode()}"


def chart(title: str, series: dict[str, Points]) -> str:
    """Lines over steps as SVG; the series' order decides their colors."""
    width, height, left, top, right, bottom = 440, 260, 66, 36, 12, 40
    points = [p for line in series.values() for p in line if math.isfinite(p[1])]
    if not points:
        return ""
    x_max = max(x for x, _ in points)
    ticks = _ticks(min(y for _, y in points), max(y for _, y in points))
    low, high = ticks[0], ticks[-1]

    def at(x: float, y: float) -> str:
        px = left + (width - left - right) * x / max(x_max, 1)
        return f"{px:.1f},{height - bottom - (height - top - bottom) * (y - low) / (high - low):.1f}"

    parts = [f'<text class="title" x="0" y="16">{escape(title)}</text>']
    for tick in ticks:
        y = at(0, tick).split(",")[1]
        parts.append(f'<line class="grid-line" x1="{left}" x2="{width - right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end">{tick:.6g}</text>')
    for x in (0, x_max / 2, x_max):
        px = at(x, low).split(",")[0]
        anchor = "end" if x == x_max else "middle"
        parts.append(f'<text x="{px}" y="{height - 20}" text-anchor="{anchor}">{x:.0f}</text>')
    for i, (name, line) in enumerate(series.items()):
        path = " ".join(at(x, y) for x, y in line if math.isfinite(y))
        if path:
            parts.append(f'<path class="s{i}" d="M{path.replace(" ", " L")}"/>')
            parts.append(
                f'<text class="s{i}" x="{width - right - 70 * (len(series) - 1 - i)}" y="16" '
                f'text-anchor="end">{escape(name)}</text>'
            )
    parts.append(f'<text x="{left}" y="{height - 1}">steps</text>')
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _ticks(low: float, high: float) -> list[float]:
    """About five round numbers around a range."""
    span = (high - low) or abs(high) or 1.0
    rough = span / 4
    unit = 10 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [i * step for i in range(first, max(last, first + 1) + 1)]
