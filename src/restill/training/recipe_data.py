"""The ``data`` part of a recipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from restill.datasets import TO_TRAIN_ON
from restill.datasets.held_out import HELD_OUT
from restill.degradations import read_degradation
from restill.degradations.weather import Weather
from restill.errors import RestillError


class Part(BaseModel):
    """Base of a recipe's parts: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


class PhotosPart(Part):
    """Photographs that are moved as a camera would, and so are clips too."""

    root: Path = Field(description="folder of pictures, in folders or not")
    names: list[str] | None = Field(default=None, description="paths below the folder; default: all")
    share: float = Field(default=0.35, gt=0, lt=1, description="share of the samples that are made from photographs")


class WeatherPart(Weather):
    """Rain of several kinds; see docs/rain.md."""

    layers: Path | None = Field(
        default=None, description="folder of clips of rain on black, as `restill data harvest` makes them"
    )


def of_clean_frames(given: Any, others: ValidationInfo) -> Any:
    """Validate a field that is for clean frames: the data set has these, and nothing else degrades them."""
    dataset = others.data.get("dataset")
    if given and dataset != "clean-clips" and others.field_name == "photos":
        raise ValueError("is for dataset clean-clips; to train on photographs alone, use dataset clean-photos")
    if given and dataset not in TO_TRAIN_ON:
        raise ValueError(f"is only for data sets that Restill degrades: {', '.join(TO_TRAIN_ON)}")
    made = others.data.get("rain") is not None or others.data.get("degradation", "rain") != "rain"
    if given and made and others.field_name == "weather":
        raise ValueError("replaces 'rain' and 'degradation': leave these out")
    return given


class ClipsPart(Part):
    """A data set, and the degradation of its frames if it has only clean ones."""

    dataset: str = Field(default="clean-clips", description="a name of restill.datasets.DATASETS")
    root: Path = Field(description="folder of the dataset")
    clips: list[str] | None = Field(default=None, description="names of the clips to use; default: all")
    split: str | None = Field(default=None, description="split of a benchmark; default: its training split")
    options: dict[str, Any] = Field(
        default={}, description="options of the data set, such as order: see docs/datasets.md"
    )
    degradation: str | dict[str, Any] = Field(
        default="rain",
        description="degradation of clean frames: rain, noise, blur, downsample, or a mapping with this 'name' and its "
        "settings, each a number or a range [low, high] to draw from for each sample",
    )
    rain: dict[str, Any] | str | None = Field(
        default=None,
        description="rain settings or the name of a preset; 'random' (the default) draws new rain for each sample",
    )

    dry: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the samples without rain, so that the student learns to leave clean frames unchanged",
    )

    removes: Literal["all", "streaks"] = Field(
        default="all",
        description="what to remove of rendered rain: all, or only streaks and splashes (mist and noise stay)",
    )

    @field_validator("degradation")
    @classmethod
    def _known_degradation(cls, given: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            read_degradation(given)
        except RestillError as error:
            raise ValueError(str(error)) from error
        return given

    @field_validator("dry")
    @classmethod
    def _dry_where_made(cls, given: float, others: ValidationInfo) -> float:
        kind = read_degradation(others.data.get("degradation", "rain"))
        if given and others.data.get("dataset") not in TO_TRAIN_ON:
            raise ValueError(f"is only for data sets that Restill degrades: {', '.join(TO_TRAIN_ON)}")
        if given and kind is not None and kind.shrinks > 1:
            raise ValueError("is only for degradations that keep the size of a frame")
        return given

    @field_validator("removes")
    @classmethod
    def _streaks_of_rain(cls, given: str, others: ValidationInfo) -> str:
        rains = others.data.get("dataset") in TO_TRAIN_ON and others.data.get("degradation", "rain") == "rain"
        if given == "streaks" and not rains:
            raise ValueError(f"'streaks' is only for rain that Restill renders, on {' or '.join(TO_TRAIN_ON)}")
        return given

    @field_validator("rain")
    @classmethod
    def _rain_alone(cls, given: Any, others: ValidationInfo) -> Any:
        kind = others.data.get("degradation", "rain")
        if given is not None and read_degradation(kind) is not None:
            raise ValueError("is for degradation rain; leave one of the two out")
        return given


class UnpairedPart(ClipsPart):
    """Degraded clips without clean ones, for methods that also learn from such clips."""

    rain: dict[str, Any] | str | None = Field(
        default=None,
        description="rain to render on clean frames, or 'random'; default: the frames stay as they are",
    )


class RainyPart(Part):
    """Clips that are rainy already."""

    root: Path = Field(description="folder of clips, in the layout of the stream's data set")
    clips: list[str] | None = Field(default=None, description="names of the clips to use; default: all")
    share: float = Field(default=0.35, gt=0, lt=1, description="share of the unlabeled samples that are cut from these")


class UnlabeledPart(UnpairedPart):
    """Degraded clips without clean ones. The student learns the teacher's pictures of them, with any method."""

    share: float = Field(default=0.25, gt=0, lt=1, description="share of the batch, in whole samples")
    photos: PhotosPart | None = Field(default=None, description="photographs to make further clips from")
    weather: WeatherPart | None = Field(default=None, description="rain of several kinds to let fall on clean frames")
    rainy: RainyPart | None = Field(default=None, description="further clips, taken as they are")
    zoom: tuple[float, float] = Field(
        default=(1.0, 1.0), description="range of factors by which a part of the degraded frames is enlarged or shrunk"
    )
    teacher_flips: Literal["none", "mirror", "turns"] = Field(
        default="none",
        description="the teacher's picture is the mean over: none; mirror: the frames and their mirror image; turns: "
        "both, in all four quarter turns",
    )

    @property
    def as_they_are(self) -> bool:
        """Whether the frames are degraded already."""
        return self.rain is None and self.weather is None and self.degradation == "rain"

    def rows(self, batch: int) -> int:
        """The number of unlabeled samples in a batch.

        Raises:
            RestillError: The share is no sample or all of them, or cannot be split over the processes.
        """
        rows, processes = round(self.share * batch), int(os.environ.get("WORLD_SIZE", "1"))
        if not 0 < rows < batch or rows % processes:
            whole = f", and for {processes} processes a multiple of {processes}" if processes > 1 else ""
            raise RestillError(
                f"field 'data.unlabeled.share': {self.share:g} of a batch of {batch} is {rows} samples; it must be at "
                f"least one and not all{whole}"
            )
        return rows

    @field_validator("photos", "weather", "rainy")
    @classmethod
    def _of_clean_frames(cls, given: Any, others: ValidationInfo) -> Any:
        return of_clean_frames(given, others)

    @field_validator("zoom")
    @classmethod
    def _a_range(cls, given: tuple[float, float]) -> tuple[float, float]:
        if not 0.1 <= given[0] <= given[1] <= 10:
            raise ValueError("should be two factors from 0.1 to 10, the lower one first")
        return given

    @model_validator(mode="after")
    def _something_falls(self) -> UnlabeledPart:
        if self.photos and self.as_they_are:
            raise ValueError("'photos' are dry: give 'weather' or 'rain' too, and clips that are rainy as 'rainy'")
        return self


class TestPart(Part):
    """A test set. Its pictures must not be used for training."""

    dataset: str = Field(description="name of a benchmark")
    root: Path = Field(description="its folder")
    split: str | None = Field(default=None, description="default: the split to evaluate on")
    options: dict[str, Any] = Field(default={}, description="options of the data set")


class DataPart(ClipsPart):
    """The clips to train on, and how to cut samples from them."""

    held_out: list[str] = Field(
        default=[],
        description="names of clips to validate on; they are not used for training. 'foreign' is the list of those of "
        "the validation set foreign",
    )
    crop: int = Field(default=96, ge=16, description="height and width of a sample's clean frames")
    centres: int = Field(default=5, ge=1, description="L: frames restored in one sample")
    align: Literal["none", "auto", "source", "search", "dis", "spynet"] = Field(
        default="none", description="how neighbours are aligned to the centre frame"
    )
    aligner: Path | None = Field(
        default=None, validate_default=True, description=".safetensors file of SPyNet's weights, for align spynet"
    )
    scale: tuple[float, float] = Field(default=(1.0, 1.0), description="range of random resampling")
    edges: Literal["context", "replicate"] = Field(
        default="context",
        description="frames before the first center and after the last: from the clip, or copies of these two, "
        "as at the ends of a clip",
    )
    augment: bool = Field(default=True, description="flip left-right and reverse time at random")
    turns: bool = Field(
        default=False, description="also rotate by 90 degrees at random; not for rain, which falls down"
    )
    position: Literal["random", "topleft"] = "random"
    distinct: int | None = Field(
        default=None,
        ge=1,
        description="number of samples to make, cache and repeat; default: every sample is new",
    )
    photos: PhotosPart | None = Field(default=None, description="photographs to make further clips from")
    weather: WeatherPart | None = Field(
        default=None, description="rain of several kinds and video compression, instead of 'rain'"
    )
    things: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the samples with poles, wires, lettering and other thin things that move with the scene "
        "and must stay",
    )
    cache: bool = Field(
        default=True,
        description="cache the samples of 'distinct' on disk for later runs (at most 10 GB); if false, in each "
        "worker's memory",
    )
    workers: int = Field(default=1, ge=0, description="processes that make samples")
    damaged: Literal["stop", "skip"] = Field(
        default="stop", description="if a picture cannot be read: stop the run, or print a line and skip its clip"
    )
    unpaired: UnpairedPart | None = Field(default=None, description="degraded clips without clean ones")
    unlabeled: UnlabeledPart | None = Field(
        default=None, description="degraded clips without clean ones, with the teacher's pictures as the only target"
    )
    never: list[TestPart] = Field(
        default=[], description="further test sets whose pictures must not be used for training"
    )

    @field_validator("held_out", mode="before")
    @classmethod
    def _held_out_by_name(cls, given: Any) -> Any:
        return HELD_OUT.get(given, given) if isinstance(given, str) else given

    @field_validator("photos", "weather", "things")
    @classmethod
    def _of_clean_frames(cls, given: Any, others: ValidationInfo) -> Any:
        return of_clean_frames(given, others)

    @field_validator("aligner")
    @classmethod
    def _aligner_with_spynet(cls, path: Path | None, others: ValidationInfo) -> Path | None:
        if path is None and others.data.get("align") == "spynet":
            raise ValueError("must be a .safetensors file of SPyNet's weights if align is spynet")
        return path
