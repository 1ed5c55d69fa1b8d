"""The one exception a user is meant to see."""


class RestillError(Exception):
    """Something the user gave is wrong, said in one sentence.

    The sentence names the file or field, what is wrong with it, and what would be right.
    The command line prints it without a traceback and exits with status 1.
    """


def need_extra(module: str, extra: str, what: str) -> RestillError:
    """The sentence for an optional library that is not installed."""
    return RestillError(f"{what} needs '{module}', which is not installed: pip install 'restill[{extra}]'")
