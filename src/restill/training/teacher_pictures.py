"""The teacher's pictures of a run's unlabeled clips. Of samples that come again, the teacher is asked for each once."""

from __future__ import annotations

from hashlib import blake2b

import torch
from torch import Tensor

from restill.datasets.cached_samples import SampleStore
from restill.distillation.method import Batch, Method
from restill.distillation.unlabeled import Flips, teacher_pictures
from restill.training.recipe_data import DataPart


class TeacherPictures:
    """Asks a method's teacher, and keeps its answers if the samples come again.

    Then each sample is asked for alone, so that its picture does not depend on the batch, and pictures are rounded to
    float16. They are kept on disk or in memory, as the samples are. The key of a picture is a hash of what the teacher
    saw; the key of a teacher is a hash of what it makes of noise.

    Args:
        method: Has the teacher.
        data: A recipe's ``data``, with ``unlabeled``.
    """

    def __init__(self, method: Method, data: DataPart) -> None:
        assert data.unlabeled is not None  # noqa: S101 - the caller has seen to it
        self._method = method
        self._flips: Flips = data.unlabeled.teacher_flips
        self._keeps, self._on_disk = data.distinct is not None, data.cache
        self._store: SampleStore | None = None
        self._made: dict[int, Tensor] = {}

    def __call__(self, clips: Batch) -> Tensor:
        """The pictures of ``degraded`` (B, T, C, H, W), perhaps with ``windows``: (B*L, C, sH, sW), float32."""
        if not self._keeps:
            return teacher_pictures(self._method, clips, self._flips)
        rows = range(len(clips["degraded"]))
        return torch.cat([self._kept({name: value[row : row + 1] for name, value in clips.items()}) for row in rows])

    def _kept(self, clip: Batch) -> Tensor:
        """The pictures of one clip, (L, C, sH, sW)."""
        seen = self._method.shown_to_teacher(clip)  # (L, K, C, H', W')
        key = int.from_bytes(_hash(seen)[:7])
        picture = self._made.get(key)
        if picture is None and (stored := self._disk(clip).read(key) if self._on_disk else None):
            picture = stored["picture"]
        if picture is None:
            picture = teacher_pictures(self._method, clip, self._flips).half().cpu()
            if not (self._on_disk and self._disk(clip).write(key, {"picture": picture})):
                self._made[key] = picture
        return picture.to(seen.device).float()

    def _disk(self, clip: Batch) -> SampleStore:
        """The teacher's pictures on disk; opened when the first clip tells the size."""
        if self._store is None:
            noise = torch.Generator().manual_seed(0)
            probe = {name: torch.rand(value.shape, generator=noise).to(value) for name, value in clip.items()}
            answer = _hash(teacher_pictures(self._method, probe, self._flips))
            self._store = SampleStore(("pictures of a teacher", answer))
        return self._store


def _hash(values: Tensor) -> bytes:
    return blake2b(values.cpu().contiguous().numpy().tobytes()).digest()
