"""Files of networks with random weights, to measure their speed."""

from __future__ import annotations

from pathlib import Path

from restill import zoo
from restill.datasets.files import cache_folder
from restill.errors import RestillError, need_extra
from restill.networks import NETWORKS
from restill.runtime.info import read_info
from restill.version import __version__


def file_of(name: str) -> Path | None:
    """The file of a network with random weights, exported at the first call and stored in the cache folder.

    Args:
        name: Any name. The result is None for models of the zoo, for paths, and for names of no network.

    Raises:
        RestillError: It is a network, but PyTorch is not installed, or the network cannot be exported.
    """
    if name not in NETWORKS or name in [card.name for card in zoo.cards()] or Path(name).exists():
        return None
    try:
        from restill.training.export import describe, to_onnx, write
    except ImportError as error:
        raise need_extra("torch", "train", f"the network '{name}', which has no weights here,") from error
    from restill.networks import create

    cached = cache_folder() / "untrained" / f"{name}-{__version__}.onnx"
    try:
        read_info(cached)
    except RestillError:  # missing, or in another version of the format
        network = create(name)
        if reason := network.spec.no_export:  # type: ignore[union-attr]
            raise RestillError(f"network '{name}' is not exported to ONNX: {reason}") from None
        cached.parent.mkdir(parents=True, exist_ok=True)
        write(to_onnx(network, describe(network, name, name, "none")).SerializeToString(), cached)
    return cached
