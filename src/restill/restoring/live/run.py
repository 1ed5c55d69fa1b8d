"""The run of ``restill live``: from a camera to a target until it is stopped. No torch."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from fractions import Fraction
from functools import partial
from typing import Any

from restill import zoo
from restill.progress import say
from restill.restoring.choose import MAX_WORKERS
from restill.restoring.live.addresses import scheme, shown
from restill.restoring.live.camera import Camera, Item
from restill.restoring.live.counters import Counters, Summary
from restill.restoring.live.frames import Maker, Picture, working_size
from restill.restoring.live.newest import Newest
from restill.restoring.live.page import Page
from restill.restoring.live.remote import Remote
from restill.restoring.live.schedule import Schedule
from restill.restoring.live.settings import Live
from restill.restoring.live.targets import PAGE, STDOUT, Muxed, Target, Written, format_of, standard_output
from restill.restoring.live.writer import Writer
from restill.runtime import Model, load_model, stream
from restill.runtime.model import MAX_PIXELS, default_threads
from restill.video.info import DEFAULT_FPS

INBOX = 8  # decoded frames that wait; each holds a picture
CLOSING = 10.0  # seconds that the target may take to end
M_ARENA_MAX = -8  # of glibc's mallopt


def live(settings: Live, stop: threading.Event | None = None, counters: Counters | None = None) -> Summary:
    """Take the rain out of a running camera until Ctrl-C, or until the settings say.

    Args:
        settings: The camera, the target, and all else.
        stop: Ends the run when it is set; by default Ctrl-C and SIGTERM do.
        counters: Counts what happens, for who wants to see it meanwhile.

    Raises:
        RestillError: The camera or the target cannot be opened, the model cannot be loaded, or a target that is not on
            the network fails.
    """
    share_arenas()
    counters = counters or Counters()
    sounds: list[Callable[[Any, float], object]] = []  # the writer's, once it is there

    def on_sound(packet: Any, shift: float) -> None:
        for take in sounds:
            take(packet, shift)

    camera = Camera(settings.source, counters, real_time=settings.real_time, patient=settings.wait, on_sound=on_sound)
    with _stop_signals() if stop is None else nullcontext(stop) as stop:
        camera.start()
        try:
            picture = camera.first(stop)
            if picture is not None:
                _run(settings, camera, picture, counters, stop, sounds.append)
        finally:
            camera.stop()
            camera.join(1)
    return counters.summary()


def share_arenas(most: int = 2) -> None:
    """Let all threads of this process share a few memory arenas of glibc; elsewhere, do nothing.

    With an arena for each thread, the decoder of each connection may leave its free buffers in another one: about 8 MB
    for each reconnect at 640x360, up to eight times the number of cores.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, most)


def _run(
    settings: Live,
    camera: Camera,
    picture: Picture,
    counters: Counters,
    stop: threading.Event,
    give_sound: Callable[[Callable[[Any, float], object]], object],
) -> None:
    """Restore until the end."""
    height, width = size = working_size(picture, settings.wanted_size)
    turned = (width, height) if settings.rotate in (90, 270) else size
    model = _load(settings, turned)
    bound = settings.bound(picture.fps, model.info.frames_after)
    _introduce(settings, camera, picture, turned, model, bound)
    written = _written(settings, camera, picture, turned, model)
    writer = Writer(
        partial(_open_target, settings, written, counters), counters, bound, again=bool(scheme(settings.target))
    )
    inbox: Newest[Item] = Newest(INBOX, lambda: counters.add("dropped"))
    counters.begin()
    until = time.monotonic() + settings.seconds if settings.seconds else float("inf")

    def stopped() -> bool:
        return stop.is_set() or writer.error is not None or time.monotonic() >= until

    schedule = Schedule(inbox, model.info, counters, bound, settings.fps, stopped)
    writer.start()
    if written.sound is not None:
        give_sound(writer.sound)
    camera.begin(Maker(size, picture.color, settings.rotate, planes=model.takes_planes(*turned)), inbox, bound)
    try:
        with _status_lines(counters, settings.every):
            while not schedule.ended:
                restored = stream(
                    model,
                    schedule.context(),
                    guard=settings.guard,
                    aligner=settings.aligner,
                    strength=settings.strength,
                    wanted=schedule.wanted,
                )
                for frame in restored:
                    writer.outbox.put((frame, schedule.ticket()))
    finally:
        camera.stop()
        writer.outbox.close()
        writer.join(CLOSING)
        camera.join(1)  # so that no frame comes after the last count
    schedule.abandon()
    for error in (writer.error, camera.error):
        if error is not None:
            raise error


def _load(settings: Live, size: tuple[int, int]) -> Model:
    """Load the model for frames of (height, width)."""
    workers = min(settings.threads or default_threads(), MAX_WORKERS)
    return load_model(
        settings.model or zoo.default("derain-fast"),
        backend=settings.backend,
        threads=settings.threads,
        precision=settings.precision,
        size=size,
        tile=settings.tile,
        workers=1 if size[0] * size[1] > MAX_PIXELS else workers,
    )


def _written(settings: Live, camera: Camera, picture: Picture, size: tuple[int, int], model: Model) -> Written:
    """What the target gets."""
    fps = picture.fps or DEFAULT_FPS
    if settings.fps is not None:
        fps = min(fps, Fraction(settings.fps).limit_denominator(1001))
    scale, aspect = model.info.scale, picture.sample_aspect
    if aspect and settings.rotate in (90, 270):
        aspect = 1 / aspect
    return Written(
        scale * size[0],
        scale * size[1],
        fps,
        picture.color,
        aspect if settings.size is None else None,
        camera.sound if settings.sound and settings.target != PAGE else None,
        settings.crf,
        settings.preset,
    )


def _open_target(settings: Live, written: Written, counters: Counters) -> Target:
    target, name = settings.target, shown(settings.target)
    if target == PAGE:
        return Page(settings.port, written.color, written.height, counters.numbers)
    if scheme(target):
        return Remote(target, written)
    file = standard_output() if target == STDOUT else target
    return Muxed(
        file, format_of(target, settings.pipe_format), written, "standard output" if target == STDOUT else name
    )


def _introduce(
    settings: Live, camera: Camera, picture: Picture, size: tuple[int, int], model: Model, bound: float
) -> None:
    """Say what comes in, what restores it, and the delay."""
    fps = f"{float(picture.fps):.4g} fps" if picture.fps else "no frame rate given"
    sound = f", sound {camera.sound.name}" if camera.sound else ""
    say(f"{shown(settings.source)}: {picture.width}x{picture.height}, {fps}, {picture.codec}{sound}")
    how = f"{model.info.name} on {model.backend} in {model.precision}"
    say(f"{how} at {size[1]}x{size[0]}: {model.why or 'as requested'}")
    say(f"no frame is written later than {bound:g} s after it was due; later ones are dropped and counted")
    if camera.sound and settings.target == PAGE:
        say("note: the page has no sound")


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = threading.Event()
    kinds = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(kind) for kind in kinds]

    def handle(number: int, frame: object) -> None:
        stop.set()
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)

    for kind in kinds:
        signal.signal(kind, handle)
    try:
        yield stop
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


@contextmanager
def _status_lines(counters: Counters, every: float) -> Iterator[None]:
    """Say how it goes each few seconds; 0 for never."""
    ended = threading.Event()

    def speak() -> None:
        while every and not ended.wait(every):
            say(f"{time.strftime('%H:%M:%S')} {counters.status()}")

    thread = threading.Thread(target=speak, name="restill-status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
