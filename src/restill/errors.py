"""The exception for errors that a user sees, and the conversion of other exceptions into it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

_LONGEST = 300  # characters of a library's message

# The extra that installs a library that a command may need.
_EXTRAS = dict.fromkeys(
    ["torch", "accelerate", "safetensors", "yaml", "skimage", "onnx", "onnxscript", "tensorboard"], "train"
)


class RestillError(Exception):
    """An error that the user can fix, described in one sentence.

    The sentence names the file or field, what is wrong with it, and what would be right.
    The command line prints it without a traceback and exits with status 1, or 75 if the machine is at fault
    (:func:`is_machine_fault`).
    """


class TryAgain(RestillError):
    """A fault of this machine, not of the input: later or on another machine, the same command may succeed."""


# What the system says when a machine, its disk or its network is at fault.
_NAMES = (
    *("ENOSPC", "EDQUOT", "EROFS", "ESTALE", "EREMOTEIO"),
    *("ENOMEM", "EMFILE", "ENFILE"),
    *("ETIMEDOUT", "ECONNRESET", "ECONNREFUSED", "ECONNABORTED", "ENOTCONN"),
    *("ENETDOWN", "ENETUNREACH", "EHOSTUNREACH"),
)
_MACHINE = {getattr(errno, name) for name in _NAMES if hasattr(errno, name)}


def is_machine_fault(error: BaseException | None) -> bool:
    """Whether an error, or one of its causes, is a fault of this machine: full disk, no memory, a lost store."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, TryAgain | MemoryError | ConnectionError | TimeoutError):
            return True
        if getattr(error, "errno", None) in _MACHINE:
            return True
        error = error.__cause__ or error.__context__
    return False


class OutputClosed(RestillError):
    """The reader of standard output, such as ``head``, has closed it. The command ends without a message."""


def need_extra(module: str, extra: str, what: str) -> RestillError:
    """The error for an optional library that is not installed."""
    return RestillError(f"{what} needs '{module}', which is not installed: pip install 'restill[{extra}]'")


def need_library(module: str, what: str) -> RestillError:
    """The error for a library of the base install that is missing, such as OpenVINO where it has no wheels."""
    return RestillError(f"{what} needs '{module}', which is not installed: pip install {module}")


@contextmanager
def boundary(what: str) -> Iterator[None]:
    """Turn any exception raised inside into a :class:`RestillError` of one sentence, with the exception as its cause.

    Args:
        what: The input or the command that failed, with which the sentence begins: "'clip.mp4'".

    Raises:
        RestillError: Any exception was raised except an interruption (KeyboardInterrupt, SystemExit).
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
    """Whether Ctrl-C caused an exception, such as the ImportError of a library that was being loaded."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__
    return error is not None


def sentence(error: Exception, what: str) -> RestillError:
    """The error for an exception that a library raised for an input or a command."""
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if module in _EXTRAS:
        return need_extra(module, _EXTRAS[module], what)
    words = " ".join(str(error).split())
    words = words if len(words) <= _LONGEST else f"{words[:_LONGEST]} ..."
    if isinstance(error, MemoryError):
        return RestillError(f"{what} failed: it needs more memory than this machine has free")
    if reason := getattr(error, "strerror", None):  # from the system or FFmpeg
        file = getattr(error, "filename", None)
        about = f" ('{file}')" if isinstance(file, str) and file and file not in what else ""
        return RestillError(f"{what} failed: {reason}{about}")
    kind = type(error).__name__
    return RestillError(f"{what} failed, which should not happen: {kind}: {words or 'no reason given'} (see --debug)")
