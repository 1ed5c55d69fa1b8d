"""The part of a recipe that says where samples come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from restill.datasets import TO_TRAIN_ON
from restill.degradations import read_degradation
from restill.errors import RestillError


class Part(BaseModel):
    """Fields of a recipe: an unknown one is an error."""

    model_config = ConfigDict(extra="forbid")


class ClipsPart(Part):
    """A data set, and what is done to it where it holds clean frames only."""

    dataset: str = Field(default="clean-clips", description="a name of restill.datasets.DATASETS")
    root: Path = Field(description="folder of the dataset")
    clips: list[str] | None = Field(default=None, description="names of the clips to take; all if not given")
    split: str | None = Field(default=None, description="part of a benchmark's set; its training split if not given")
    options: dict[str, Any] = Field(default={}, description="the data set's own, such as order: see docs/datasets.md")
    degradation: str | dict[str, Any] = Field(
        default="rain",
        description="what is done to clean frames: rain, noise, blur, downsample, or a mapping of that 'name' and its "
        "settings, each a number or [low, high] to draw from for each sample",
    )
    rain: dict[str, Any] | str | None = Field(
        default=None,
        description="rain settings or a preset's name; drawn anew for each sample if 'random' or not given",
    )

    dry: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the samples left as they are, so that a student learns to",
    )

    removes: Literal["all", "streaks"] = Field(
        default="all",
        description="of rendered rain: all of it, or streaks and splashes only, and mist and noise stay",
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
            raise ValueError(f"is for data sets whose degraded side is made here: {', '.join(TO_TRAIN_ON)}")
        if given and kind is not None and kind.shrinks > 1:
            raise ValueError("is for degradations that keep the size of a frame")
        return given

    @field_validator("removes")
    @classmethod
    def _streaks_of_rain(cls, given: str, others: ValidationInfo) -> str:
        rains = others.data.get("dataset") in TO_TRAIN_ON and others.data.get("degradation", "rain") == "rain"
        if given == "streaks" and not rains:
            raise ValueError(f"'streaks' is for rain that is rendered here, on {' or '.join(TO_TRAIN_ON)}")
        return given

    @field_validator("rain")
    @classmethod
    def _rain_alone(cls, given: Any, others: ValidationInfo) -> Any:
        kind = others.data.get("degradation", "rain")
        if given is not None and read_degradation(kind) is not None:
            raise ValueError("is for degradation rain; leave one of the two out")
        return given


class UnpairedPart(ClipsPart):
    """Degraded clips without clean ones, for methods that learn from them too."""

    rain: dict[str, Any] | str | None = Field(
        default=None,
        description="rain to render on clean frames, 'random' to draw it; the frames as they are if not given",
    )


class TestPart(Part):
    """A test set, none of whose pictures may be trained on."""

    dataset: str = Field(description="a benchmark's name")
    root: Path = Field(description="its folder")
    split: str | None = Field(default=None, description="the split to evaluate on if not given")
    options: dict[str, Any] = Field(default={}, description="the data set's own")


class DataPart(ClipsPart):
    """Where the clips come from and how samples are cut from them."""

    held_out: list[str] = Field(default=[], description="names of clips to keep out of training and validate on")
    crop: int = Field(default=96, ge=16, description="height and width of a sample's clean frames")
    centres: int = Field(default=5, ge=1, description="L: frames restored in one sample")
    align: Literal["none", "dis", "spynet"] = Field(
        default="none", description="how neighbours are brought onto the centre"
    )
    aligner: Path | None = Field(
        default=None, validate_default=True, description=".safetensors file of SPyNet's weights, for align spynet"
    )
    scale: tuple[float, float] = Field(default=(1.0, 1.0), description="range of random resampling")
    edges: Literal["context", "replicate"] = Field(
        default="context",
        description="frames before the first center and after the last: the clip's, or these two again, as at the ends "
        "of a clip",
    )
    augment: bool = Field(default=True, description="flip left-right and reverse time at random")
    turns: bool = Field(default=False, description="turn by 90 degrees at random too; not for rain, which falls down")
    position: Literal["random", "topleft"] = "random"
    distinct: int | None = Field(
        default=None,
        ge=1,
        description="make so many samples, keep them and go through them again; a new one for every place in every "
        "batch if not given",
    )
    cache: bool = Field(
        default=True,
        description="keep the samples of 'distinct' on the disk for further runs, in the cache folder (10 GB at most); "
        "if false, in each worker's memory",
    )
    workers: int = Field(default=1, ge=0, description="processes that make samples")
    damaged: Literal["stop", "skip"] = Field(
        default="stop", description="a picture that cannot be read stops the run, or its clip is named and left out"
    )
    unpaired: UnpairedPart | None = Field(default=None, description="degraded clips without clean ones")
    never: list[TestPart] = Field(
        default=[], description="test sets that no training picture may be of, besides those that are known"
    )

    @field_validator("aligner")
    @classmethod
    def _aligner_with_spynet(cls, path: Path | None, others: ValidationInfo) -> Path | None:
        if path is None and others.data.get("align") == "spynet":
            raise ValueError("must name a .safetensors file of SPyNet's weights where align is spynet")
        return path
