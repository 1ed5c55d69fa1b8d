"""The names of outputs, and a check of the free disk space."""

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

BYTES_PER_PIXEL = {"prores": 0.4, "ffv1": 1.5, "png": 1.5}  # of an output, an upper estimate; other codecs: 0.05
WORDS = ("derained", "restored")  # in the default names of the results of each command


def default_output(src: str | os.PathLike[str], word: str) -> Path:
    """The default output, beside the input: ``clip.derained.mp4`` for ``clip.mp4``.

    If Restill cannot write the container of the input, the output is a ``.mkv``, which holds nearly every stream; sound
    that it cannot hold becomes FLAC.
    """
    src = Path(src)
    if os.path.isdir(src):  # noqa: PTH112 - False for an invalid name
        return src.absolute().with_name(f"{src.absolute().name}-{word}")
    return src.with_name(f"{src.stem}.{word}{_suffix(src)}")


def outputs(sources: Sequence[Path], output: str | None, word: str) -> list[tuple[Path, Path]]:
    """Pairs of a source and its output.

    Args:
        sources: Videos, folders of frames, pictures.
        output: The value of ``--output``: one output for one source; "-" for standard output; a folder for the results
            if there are several sources or it ends with a slash (for a folder of frames, the folder of its result);
            None for outputs beside the sources.
        word: The word in default names, see :func:`default_output`.

    Raises:
        RestillError: Two results would have the same name, or a file has the name of the folder.
    """
    several, into = len(sources) > 1, None
    if output == "-":
        if several:
            raise RestillError(
                f"{len(sources)} inputs cannot be written to standard output; give a folder, such as '-o out/'"
            )
        return [(sources[0], STDOUT)]
    slash = output is not None and output.endswith(("/", os.sep))
    if output is not None and (several or (slash and not sources[0].is_dir())):
        into = Path(output)
        if into.exists() and not into.is_dir():
            raise RestillError(f"'{into}' is a file; the results of {count(len(sources), 'input')} need a folder")
        if into.suffix and not slash and not into.is_dir():
            raise RestillError(
                f"several inputs need a folder, but '{into}' looks like a file; give a folder, or add a slash to the "
                "name"
            )
    pairs: dict[Path, Path] = {}
    for source in sources:
        if output is None and (source == STDIN or is_pipe(source)):
            raise RestillError(f"'{source}' is a pipe, which has no folder for the result; give an output with -o")
        target = default_output(source, word) if into is None else into / result_name(source)
        target = Path(output) if output is not None and into is None else target
        if target in pairs:
            raise RestillError(
                f"the results of '{pairs[target]}' and '{source}' would both be '{target}'; restore them one by one"
            )
        pairs[target] = source
    if into is not None or (slash and output is not None):
        _make_folder(Path(output or ""))
    return [(source, target) for target, source in pairs.items()]


def skipped(sources: Sequence[Path], output: str | None) -> dict[Path, str]:
    """Sources to skip, with the reasons: files that Restill wrote itself, which a ``*`` often includes.

    Args:
        sources: The inputs of the command; a single one is never skipped.
        output: The value of ``--output``.
    """
    if len(sources) < 2:
        return {}
    results = {default_output(source, word).absolute() for source in sources for word in WORDS}
    found = {source: "it is the result of another input" for source in sources if source.absolute() in results}
    for source in sources:
        if output not in (None, "-") and source.absolute() == Path(str(output)).absolute():
            found[source] = "it is the output"
        elif source.name.endswith(SUFFIX) and os.path.isdir(source):  # noqa: PTH112
            found[source] = "it holds an unfinished job"
    return found


def destination(src: Path, dst: Path) -> Path:
    """The output itself. If a picture goes into a folder, create the folder and return the file in it.

    Raises:
        RestillError: The folder cannot be created.
    """
    folder = dst.is_dir() or not (dst.suffix or dst.exists())
    if not folder or os.path.isdir(src) or not holds_picture(src) or not _suffix(src):  # noqa: PTH112
        return dst
    _make_folder(dst)
    return dst / result_name(src)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise RestillError(f"the folder '{folder.absolute().parent}' does not exist; make it first") from error
    except OSError as error:
        raise RestillError(f"the folder '{folder}' cannot be created: {error.strerror}") from error


def result_name(source: Path) -> str:
    """The name of a result in a folder of results: the name of the source, with an extension that Restill writes."""
    return source.absolute().name if source.is_dir() else f"{source.stem}{_suffix(source)}"


def _suffix(source: Path) -> str:
    """The extension of the result of a file."""
    if holds_picture(source):
        return result_suffix(source)
    return source.suffix if source.suffix.lower() in SUFFIXES else ".mkv"


def check_space(info: VideoInfo, dst: Path, settings: EncodeSettings, scale: int, done: int, *, quiet: bool) -> None:
    """Print a note if an output may not fit on its disk, by a rough estimate.

    Args:
        info: The source.
        dst: The output.
        settings: How it is encoded.
        scale: Side of an output frame over that of a source frame.
        done: Frames that are written already.
        quiet: Print nothing.
    """
    frames = max(0, (info.expected_frames or 0) - done)
    to_files = dst.is_dir() or not dst.suffix
    each = BYTES_PER_PIXEL.get("png" if to_files else settings.choose_codec(dst, info), 0.05) * (1 if to_files else 2)
    needed = frames * info.width * info.height * scale**2 * each
    free = shutil.disk_usage(dst.absolute().parent).free
    if needed > free:
        say(
            f"note: '{dst}' may need about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; if the disk gets "
            "full, the finished frames are kept, and the same command resumes the job",
            quiet=quiet,
        )
