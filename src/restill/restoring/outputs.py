"""Where results go, and whether there is room for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from restill.errors import RestillError
from restill.progress import say
from restill.video import EncodeSettings
from restill.video.picture_names import holds_picture
from restill.video.pictures import result_suffix
from restill.video.probe import VideoInfo
from restill.video.settings import SUFFIXES

# of an output, on the generous side; of other codecs than these 0.05
BYTES_A_PIXEL = {"prores": 0.4, "ffv1": 1.5, "png": 1.5}


def default_output(src: str | os.PathLike[str], word: str) -> Path:
    """Where a result goes when nobody said: beside the input, such as ``clip.derained.mp4`` for ``clip.mp4``.

    A container that Restill does not write becomes a ``.mkv``, which holds every stream there is.
    """
    src = Path(src)
    if src.is_dir():
        return src.absolute().with_name(f"{src.absolute().name}-{word}")
    return src.with_name(f"{src.stem}.{word}{_suffix(src)}")


def outputs(sources: Sequence[Path], output: str | None, word: str) -> list[tuple[Path, Path]]:
    """Where the result of each source goes.

    Args:
        sources: Videos, folders of frames, pictures.
        output: As it was given: one output for one source; a folder that results go into, because there are several
            sources, or by a slash at its end (of a folder of frames, that is the folder of its result); None for
            beside each source.
        word: What the results are, see :func:`default_output`.

    Raises:
        RestillError: Two results would have one name, or what should be a folder is a file.
    """
    into = None
    ends = output is not None and output.endswith(("/", os.sep))
    if output is not None and (len(sources) > 1 or (ends and not sources[0].is_dir())):
        into = Path(output)
        if into.exists() and not into.is_dir():
            raise RestillError(f"'{into}' is a file; the results of {len(sources)} inputs need a folder")
    pairs: dict[Path, Path] = {}
    for source in sources:
        target = default_output(source, word) if into is None else into / result_name(source)
        target = Path(output) if output is not None and into is None else target
        if target in pairs:
            raise RestillError(
                f"the results of '{pairs[target]}' and '{source}' would both be '{target}'; restore them one by one"
            )
        pairs[target] = source
    if into is not None:
        try:
            into.mkdir(exist_ok=True)
        except OSError as error:
            raise RestillError(f"the folder '{into}' cannot be made: {error.strerror}") from error
    return [(source, target) for target, source in pairs.items()]


def result_name(source: Path) -> str:
    """A result's name in a folder of results: the source's, with an ending that Restill writes."""
    return source.absolute().name if source.is_dir() else f"{source.stem}{_suffix(source)}"


def _suffix(source: Path) -> str:
    """The ending of a file's result."""
    if holds_picture(source):
        return result_suffix(source)
    return source.suffix if source.suffix.lower() in SUFFIXES else ".mkv"


def check_space(info: VideoInfo, dst: Path, settings: EncodeSettings, scale: int, done: int, *, quiet: bool) -> None:
    """Say so when an output may not fit on its disk; the estimate is a rough one.

    Args:
        info: The source.
        dst: The output.
        settings: How it is encoded.
        scale: How much larger than the source's its frames are.
        done: Frames that lie there already.
        quiet: Say nothing.
    """
    frames = max(0, (info.expected_frames or 0) - done)
    to_files = dst.is_dir() or not dst.suffix
    each = BYTES_A_PIXEL.get("png" if to_files else settings.choose_codec(dst, info), 0.05) * (1 if to_files else 2)
    needed = frames * info.width * info.height * scale**2 * each
    free = shutil.disk_usage(dst.absolute().parent).free
    if needed > free:
        say(
            f"note: about {needed / 1e9:.1f} GB may be needed at '{dst}', where {free / 1e9:.1f} GB are free; if the "
            "disk gets full, what is done is kept, and the same command goes on",
            quiet=quiet,
        )
