"""PISR's teacher (Lee et al., ECCV 2020): an encoder of the clean picture, and a decoder like the student.

The encoder turns the clean picture into one of the degraded picture's size. So the decoder does the student's task on
an input that may contain more information. It is for training only, because it needs the clean picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from restill.errors import RestillError
from restill.networks import create
from restill.networks.spec import NetworkSpec
from restill.networks.vdsr import VDSR

WIDTH, NARROW = 56, 12  # of the encoder: FSRCNN's two widths


class CleanEncoder(nn.Module):
    """From clean frames to frames of the degraded ones' size: 5x5, 5x5 with the stride, 3x3, 3x3, PReLU between them.

    Args:
        scale: Clean size over degraded size.
        width: Channels of the first two convolutions.
        narrow: Channels of the third.
    """

    def __init__(self, scale: int, width: int = WIDTH, narrow: int = NARROW) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 5, padding=2),
            nn.PReLU(),
            nn.Conv2d(width, width, 5, stride=scale, padding=2),
            nn.PReLU(),
            nn.Conv2d(width, narrow, 3, padding=1),
            nn.PReLU(),
            nn.Conv2d(narrow, 3, 3, padding=1),
        )

    def forward(self, clean: Tensor) -> Tensor:
        """Each frame by itself: (B, K, 3, s*H, s*W) -> (B, 3, K, H, W), a map with time."""
        frames = self.layers(clean.flatten(0, 1))  # (B*K, 3, H, W)
        return frames.unflatten(0, clean.shape[:2]).transpose(1, 2)  # (B, 3, K, H, W)


def privileged_spec(decoder: NetworkSpec) -> NetworkSpec:
    """The spec of a teacher with this decoder."""
    inside = {
        "feature": _inside(decoder.feature),
        "lr_feature": decoder.lr_feature and _inside(decoder.lr_feature),
        "levels": tuple(_inside(path) for path in decoder.levels),
        "decoder": (_inside(decoder.feature),),
    }
    return replace(
        decoder,
        paper="PISR, ECCV 2020",
        head=None,  # its output is added to the code, not to the window's center
        residual=False,
        scale=1,
        size_multiple=decoder.scale * decoder.size_multiple,
        encoder=("encoder",),
        embedding="encoder",
        no_export="it takes the clean picture, which is not available when restoring",
        **inside,
    )


def _inside(path: str) -> str:
    return f"decoder.{path}" if path else "decoder"


class PrivilegedTeacher(nn.Module):
    """Encoder and decoder; 755,023 parameters around VDSR, 89,102 of them the encoder's.

    Args:
        decoder: The student's architecture: a name of ``restill networks``, or any module (B, K, 3, H, W) ->
            (B, 3, s*H, s*W), which is trained in place: give a copy. With several frames it gets the code of each.
        options: Options of the decoder, if it is a name.
        width: Channels of the encoder's first two convolutions.
        narrow: Channels of its third.
        scale: s, for a module without a ``spec``.
        context: Frames on either side of the center, for a module without a ``spec``.

    Raises:
        RestillError: The name or an option is unknown, or options are given with a module.
    """

    spec: ClassVar[NetworkSpec] = privileged_spec(VDSR.spec)

    def __init__(
        self,
        decoder: str | nn.Module = "vdsr",
        options: Mapping[str, Any] | None = None,
        width: int = WIDTH,
        narrow: int = NARROW,
        scale: int = 1,
        context: int = 0,
    ) -> None:
        super().__init__()
        if isinstance(decoder, nn.Module) and options:
            raise RestillError("pisr-teacher takes options of a decoder that is named; this one is a module already")
        self.decoder = decoder if isinstance(decoder, nn.Module) else create(decoder, **(options or {}))
        unknown = NetworkSpec("restore", "", context, context, feature="", scale=scale)
        decoder_spec: NetworkSpec = getattr(self.decoder, "spec", unknown)  # type: ignore[assignment]
        self.spec = privileged_spec(decoder_spec)  # type: ignore[misc]
        self.encoder = CleanEncoder(decoder_spec.scale, width, narrow)

    def forward(self, window: Tensor) -> Tensor:
        """The clean center frame, restored from its own code.

        Args:
            window: (B, K, 3, s*H, s*W), clean frames; s*H and s*W multiples of s times the decoder's multiple.

        Returns:
            (B, 3, s*H, s*W), not clamped.
        """
        code = self.encoder(window)  # (B, 3, K, H, W), in place of a degraded window
        return self.decoder(code.transpose(1, 2))  # (B, 3, s*H, s*W)
