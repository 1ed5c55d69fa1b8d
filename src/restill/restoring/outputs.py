"""Where results go, and whether there is room for them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from restill.errors import RestillError
from restill.progress import count, say
from restill.video import EncodeSettings
from restill.video.info import VideoInfo
from restill.video.journal import SUFFIX
from restill.video.picture_names import holds_picture
from restill.video.pictures import result_suffix
from restill.video.pipe_names import STDIN, STDOUT, is_pipe
from restill.video.settings import SUFFIXES

# of an output, on the generous side; of other codecs than these 0.05
BYTES_A_PIXEL = {"prores": 0.4, "ffv1": 1.5, "png": 1.5}


WORDS = ("derained", "restored")  # what results are called, by each command


def default_output(src: str | os.PathLike[str], word: str) -> Path:
    """Where a result goes when nobody said: beside the input, such as ``clip.derained.mp4`` for ``clip.mp4``.

    A container that Restill does not write becomes a ``.mkv``, which holds nearly every stream; sound that it refuses
    becomes FLAC.
    """
    src = Path(src)
    if os.path.isdir(src):  # noqa: PTH112 - says False to a name that no file can have
        return src.absolute().with_name(f"{src.absolute().name}-{word}")
    return src.with_name(f"{src.stem}.{word}{_suffix(src)}")


def outputs(sources: Sequence[Path], output: str | None, word: str) -> list[tuple[Path, Path]]:
    """Where the result of each source goes.

    Args:
        sources: Videos, folders of frames, pictures.
        output: As it was given: one output for one source; "-" for standard output; a folder that results go into,
            because there are several sources, or by a slash at its end (of a folder of frames, that is the folder of
            its result); None for beside each source.
        word: What the results are, see :func:`default_output`.

    Raises:
        RestillError: Two results would have one name, or what should be a folder is a file.
    """
    several, into = len(sources) > 1, None
    if output == "-":
        if several:
            raise RestillError(
                f"{len(sources)} inputs cannot all go to standard output; name a folder, such as '-o out/'"
            )
        return [(sources[0], STDOUT)]
    slash = output is not None and output.endswith(("/", os.sep))
    if output is not None and (several or (slash and not sources[0].is_dir())):
        into = Path(output)
        if into.exists() and not into.is_dir():
            raise RestillError(f"'{into}' is a file; the results of {count(len(sources), 'input')} need a folder")
        if into.suffix and not slash and not into.is_dir():
            raise RestillError(
                f"several inputs need a folder, and '{into}' looks like a file; name a folder, or put a slash at the "
                "end of its name"
            )
    pairs: dict[Path, Path] = {}
    for source in sources:
        if output is None and (source == STDIN or is_pipe(source)):
            raise RestillError(f"'{source}' has no place of its own for the result; name an output with -o")
        target = default_output(source, word) if into is None else into / result_name(source)
        target = Path(output) if output is not None and into is None else target
        if target in pairs:
            raise RestillError(
                f"the results of '{pairs[target]}' and '{source}' would both be '{target}'; restore them one by one"
            )
        pairs[target] = source
    if into is not None or (slash and output is not None):
        _make(Path(output or ""))
    return [(source, target) for target, source in pairs.items()]


def skipped(sources: Sequence[Path], output: str | None) -> dict[Path, str]:
    """Which of several sources are made by Restill, and what they are: a ``*`` names them without being meant to.

    Args:
        sources: As they were given; one alone is meant.
        output: As it was given.
    """
    if len(sources) < 2:
        return {}
    results = {default_output(source, word).absolute() for source in sources for word in WORDS}
    found = {source: "it is the result of another input" for source in sources if source.absolute() in results}
    for source in sources:
        if output not in (None, "-") and source.absolute() == Path(str(output)).absolute():
            found[source] = "the results go there"
        elif source.name.endswith(SUFFIX) and os.path.isdir(source):  # noqa: PTH112
            found[source] = "it keeps an unfinished job"
    return found


def destination(src: Path, dst: Path) -> Path:
    """The output itself: of one picture that goes to a folder, its file there, and the folder is made.

    Raises:
        RestillError: The folder cannot be made.
    """
    folder = dst.is_dir() or not (dst.suffix or dst.exists())
    if not folder or os.path.isdir(src) or not holds_picture(src) or not _suffix(src):  # noqa: PTH112
        return dst
    _make(dst)
    return dst / result_name(src)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise RestillError(f"the folder '{folder.absolute().parent}' does not exist; make it first") from error
    except OSError as error:
        raise RestillError(f"the folder '{folder}' cannot be made: {error.strerror}") from error


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
