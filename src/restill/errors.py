"""The one exception that a user is meant to see, and what turns every other into it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 300  # characters of a library's own words

# Which extra brings a library that a command may turn out to need.
_EXTRAS = {
    **dict.fromkeys(
        ["torch", "accelerate", "safetensors", "yaml", "skimage", "onnx", "onnxscript", "tensorboard"], "train"
    ),
    "openvino": "openvino",
}


class RestillError(Exception):
    """Something the user gave is wrong, said in one sentence.

    The sentence names the file or field, what is wrong with it, and what would be right.
    The command line prints it without a traceback and exits with status 1.
    """


class OutputClosed(RestillError):
    """Whoever read our standard output has gone, such as ``head``: a command ends then without a word."""


def need_extra(module: str, extra: str, what: str) -> RestillError:
    """The sentence for an optional library that is not installed."""
    return RestillError(f"{what} needs '{module}', which is not installed: pip install 'restill[{extra}]'")


@contextmanager
def boundary(what: str) -> Iterator[None]:
    """Turn whatever is thrown inside into one sentence, with the exception as its cause.

    Args:
        what: The input or the command that is to blame, as the sentence begins: "'clip.mp4'".

    Raises:
        RestillError: Anything was thrown but an interruption (KeyboardInterrupt, SystemExit).
    """
    try:
        yield
    except RestillError:
        raise
    except Exception as error:
        if _is_interruption(error):
            raise KeyboardInterrupt from error
        raise sentence(error, what) from error


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an exception, such as the ImportError of a library that was being loaded."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def sentence(error: Exception, what: str) -> RestillError:
    """What an exception of any library means for an input or a command."""
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if module in _EXTRAS:
        return need_extra(module, _EXTRAS[module], what)
    words = " ".join(str(error).split())
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."
    if isinstance(error, MemoryError):
        return RestillError(f"{what} failed: it needs more memory than this machine has free")
    if reason := getattr(error, "strerror", None):  # of the system or of FFmpeg
        file = getattr(error, "filename", None)
        about = f" ('{file}')" if isinstance(file, str) and file and file not in what else ""
        return RestillError(f"{what} failed: {reason}{about}")
    kind = type(error).__name__
    return RestillError(f"{what} failed, which should not happen: {kind}: {words or 'no reason given'} (see --debug)")
