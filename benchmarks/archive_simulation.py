"""Simulate an archive on 2 to 2,000 workers, with stragglers, failures and a shared store.

    python benchmarks/archive_simulation.py [--begin 1.5] [--each 0.045] [--store 20] [--plot FILE.svg]

Items have lengths of a log-normal distribution and are taken one after another by whoever is free. An item is fetched
and put through a store whose bandwidth all workers share, and restored in the time that ``benchmarks/cost.py`` gives
for one core. One worker of twenty is slow. Workers die, on average, once in so many hours; what they had begun is done
anew by another one. The latency of an item is from when it is taken first until it is done.
"""

from __future__ import annotations

import argparse
import heapq
from pathlib import Path
from typing import NamedTuple

import numpy as np

WORKERS = (2, 8, 32, 128, 512, 2000)
ITEMS = 40  # for each worker
MEDIAN, SPREAD = 60.0, 0.8  # seconds of video of an item, and the standard deviation of its logarithm
PIXELS, FPS = 1920 * 1080, 25
BITS = 0.1  # of a pixel, in and out each
SLOW, FACTOR = 0.05, 3.0  # share of the workers that are slow, and how much
LINK = 1e9 / 8  # bytes a second of a worker's own network
RESTART = 60.0  # seconds until a dead worker is replaced


class Outcome(NamedTuple):
    """What a simulation gives.

    Attributes:
        hours: Hours of video for each hour.
        used: Share of the time of all workers that went into results.
        lost: Share of the work that was done in vain.
        median, tail: Latency of an item, seconds: the median, and the 99th of 100.
    """

    hours: float
    used: float
    lost: float
    median: float
    tail: float


def simulate(workers: int, begin: float, each: float, store: float, died: float, seed: int = 0) -> Outcome:
    """One archive.

    Args:
        workers: Workers with one core each.
        begin: Seconds to begin an item.
        each: Seconds for a million pixels of a frame.
        store: Bytes a second of the store, for all together.
        died: Seconds after which a worker dies, on average.
        seed: Of all random numbers.
    """
    rng = np.random.default_rng(seed)
    lengths = MEDIAN * np.exp(SPREAD * rng.standard_normal(workers * ITEMS))
    speed = np.where(rng.random(workers) < SLOW, 1 / FACTOR, 1.0)
    rate = min(LINK, store / workers)  # all are at it about equally often
    todo = [(0.0, number) for number in range(len(lengths))][::-1]  # (taken first, item)
    free = [(0.0, worker) for worker in range(workers)]
    heapq.heapify(free)
    latencies, useful, vain, end = [], 0.0, 0.0, 0.0
    taken = np.full(len(lengths), np.nan)
    while todo:
        now, worker = heapq.heappop(free)
        _, item = todo.pop()
        taken[item] = now if np.isnan(taken[item]) else taken[item]
        frames = lengths[item] * FPS
        moved = 2 * frames * PIXELS * BITS / 8 / rate
        takes = (begin + frames * PIXELS / 1e6 * each) / speed[worker] + moved
        lives = rng.exponential(died)
        if lives < takes:
            vain += lives
            todo.append((0.0, item))
            heapq.heappush(free, (now + lives + RESTART, worker))
            continue
        useful += takes
        end = max(end, now + takes)
        latencies.append(now + takes - taken[item])
        heapq.heappush(free, (now + takes, worker))
    median, tail = np.percentile(latencies, [50, 99])
    return Outcome(lengths.sum() / end, useful / (end * workers), vain / (useful + vain), float(median), float(tail))


def plot(file: Path, results: dict[str, list[Outcome]]) -> None:
    """Throughput for each worker, as a small SVG."""
    width, height, left, top = 460, 240, 52, 16
    most = 1.1 * max(one.hours / n for many in results.values() for n, one in zip(WORKERS, many, strict=True))
    xs = [left + (width - left - 90) * np.log(n / 2) / np.log(1000) for n in WORKERS]
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif">']
    lines.append(f'<rect width="{width}" height="{height}" fill="white"/>')
    lines += [
        f'<text x="{x:.0f}" y="{height - 22}" font-size="10" text-anchor="middle">{n}</text>'
        for x, n in zip(xs, WORKERS, strict=True)
    ]
    lines.append(f'<text x="{width / 2:.0f}" y="{height - 6}" font-size="11" text-anchor="middle">workers</text>')
    lines.append(f'<text x="4" y="{top}" font-size="11">hours of video an hour, for each worker</text>')
    for step in range(4):
        value = most * step / 4
        y = height - 40 - (height - 40 - top - 10) * value / most
        lines.append(f'<text x="{left - 6}" y="{y + 3:.0f}" font-size="10" text-anchor="end">{value:.2f}</text>')
        lines.append(f'<path d="M{left} {y:.0f}H{width - 90}" stroke="#ddd"/>')
    for (name, many), color in zip(results.items(), ("#1f6feb", "#d97706", "#6b7280"), strict=False):
        ys = [
            height - 40 - (height - 40 - top - 10) * one.hours / n / most for n, one in zip(WORKERS, many, strict=True)
        ]
        points = " ".join(f"{x:.0f},{y:.0f}" for x, y in zip(xs, ys, strict=True))
        lines.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>')
        lines.append(f'<text x="{xs[-1] + 6:.0f}" y="{ys[-1] + 4:.0f}" font-size="10" fill="{color}">{name}</text>')
    file.write_text("\n".join([*lines, "</svg>"]) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--begin", type=float, default=1.5, help="processor seconds to begin an item")
    parser.add_argument("--each", type=float, default=0.045, help="processor seconds for a million pixels of a frame")
    parser.add_argument("--store", type=float, default=20.0, help="Gbit a second of the store")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    results: dict[str, list[Outcome]] = {}
    for name, store, died in (
        (f"{given.store:g} Gbit/s", given.store * 1e9 / 8, 24 * 3600.0),
        ("1 Gbit/s", 1e9 / 8, 24 * 3600.0),
        ("a death an hour", given.store * 1e9 / 8, 3600.0),
    ):
        print(f"{name}\nworkers  hours of video an hour  used   in vain  latency, median / 99 % (s)")
        results[name] = []
        for workers in WORKERS:
            one = simulate(workers, given.begin, given.each, store, died)
            results[name].append(one)
            print(
                f"{workers:7}  {one.hours:22.1f}  {100 * one.used:3.0f} %  {100 * one.lost:5.1f} %  "
                f"{one.median:8.0f} / {one.tail:.0f}",
                flush=True,
            )
    if given.plot:
        plot(given.plot, results)


if __name__ == "__main__":
    main()
