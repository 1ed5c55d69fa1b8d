"""What ``--help`` shows beside the options: examples, the exit status, and plain words for the values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup

EXITS = (
    "Exit status: 0 done; 1 an input or a setting is wrong; 2 the command line is wrong; 75 the machine is at fault "
    "(full disk, no memory, lost store): try again; 130 interrupted."
)
# By command; "" is restill itself.
EXAMPLES = {
    "": """
  restill derain rainy.mp4              (removes the rain from a video)
  restill models                        (lists the networks that come with Restill)
  restill train recipe.yaml             (trains a network of your own)""",
    "derain": """
  restill derain rainy.mp4              (writes rainy.derained.mp4)
  restill derain *.mp4 -o clean/        (several videos, into a folder)
  restill derain rainy.mp4 -o look.mp4 --compare split
  ffmpeg -i IN -f yuv4mpegpipe - | restill derain - -o - | ffmpeg -i - OUT""",
    "restore": """
  restill restore clip.mp4 -o out.mp4 --model mine.onnx
  restill restore frames/ -o out.mkv --fps 30 --model rill-s""",
    "live": """
  restill live rtsp://camera/stream --to page
  restill live rtsp://camera/stream --to rtsp://127.0.0.1:8554/dry --size 720 --fps 10
  restill live rtsp://camera/stream --to - | ffplay -
  restill live rainy.mp4 --to page --real-time""",
    "jobs": """
  restill jobs                          (unfinished jobs in this folder and below)
  restill jobs clean/ --clear           (deletes what they have kept)""",
    "models": """
  restill models
  restill models rill-m                 (one model, with all its scores)""",
    "web": """
  restill web                           (opens the page in the browser)
  restill web --folder clips/ --port 9000 --no-open""",
    "bench": """
  restill bench rill-s rill-m --size 1280x720
  restill bench mine.onnx --against rill-s --json speed.json""",
    "rain": """
  restill rain clean.mp4 -o rainy.mp4 --strength heavy --wind 3
  restill rain clean.mp4 -o rainy.mp4 --seed 7 --set exposure=0.02""",
    "degrade": """
  restill degrade clean.mp4 -o noisy.mp4 --kind noise --set sigma=25
  restill degrade clean.mp4 -o blurred.mp4 --kind blur""",
    "networks": """
  restill networks
  restill networks --task derain --size 1280x720""",
    "methods": """
  restill methods
  restill methods --measure             (times each method on this machine)""",
    "train": """
  restill train recipe.yaml
  restill train recipe.yaml --set optimizer.lr=1e-4 --resume""",
    "evaluate": """
  restill evaluate rill-m --data NTURain/ --json scores.json
  restill evaluate rill-m --data NTURain/ --report scores.html
  restill evaluate runs/mine --dataset rain200h --data Rain200H/""",
    "score": """
  restill score restored.mp4
  restill score restored.mp4 --metric rain-left,detail-lost --input rainy.mp4
  restill score frames/ --metric piqe,niqe --niqe-model niqe.mat""",
    "compare": """
  restill compare rainy.mp4 --models rill-s,rill-m,none
  restill compare rainy.mp4 --models mine.onnx,rill-m --clean clean.mp4 -o look.html""",
    "inspect": """
  restill inspect rainy.mp4 --model rill-s --model rill-m -o look/
  restill inspect rainy.mp4 --model mine.onnx --clean clean.mp4 -o look/""",
    "export": """
  restill export runs/mine -o mine.onnx
  restill export rill-m -o rill-m.onnx --layout stacked      (for VapourSynth)""",
    "quantize": """
  restill quantize mine.onnx            (writes mine.int8.onnx)
  restill quantize mine.onnx --clips clean-clips/ --samples 128""",
    "convert": """
  restill convert deraining.pth --network restormer -o restormer.safetensors
  restill convert spynet.pth --network spynet""",
    "reproduce": """
  restill reproduce                     (lists the tables)
  restill reproduce cstd-table5 --scale small --data nturain=NTURain/""",
    "harvest": """
  restill data harvest rain.mp4 -o layers/""",
    "layout": """
  restill data layout gopro""",
    "make": """
  restill data make foreign --clean clean_video/ --layers foreign_rain/ -o foreign/
  restill data make foreign --clean DIR --layers DIR --static real_static/ -o foreign/
  restill data make foreign-rendered --clean clean_video/ -o foreign-rendered/
  restill data make foreign-pictures --clean DIR --photos photos/ --layers DIR -o foreign-pictures/""",
    "check": """
  restill data check GOPRO/ --dataset gopro --split test""",
}


def epilog(command: str) -> str:
    """What stands below the options of a command: its examples, and the exit status."""
    return f"Examples:\n{EXAMPLES[command]}\n\n{EXITS}"


def _plain(parameters: Sequence[Any]) -> list[Any]:
    """Name values by the option's own name, as argparse does, and never by a Python type."""
    for parameter in parameters:
        if isinstance(parameter, TyperArgument):
            parameter.metavar = parameter.metavar or str(parameter.name).upper()
            parameter.display_type_rich = lambda ctx: None  # type: ignore[method-assign]
        elif parameter.metavar is None:
            name = max(parameter.opts, key=len).lstrip("-").replace("-", "_").upper()
            parameter.metavar = "" if parameter.is_flag else name
    return list(parameters)


class PlainCommand(TyperCommand):
    """A command whose help names values in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, named in plain words."""
        return _plain(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group of commands whose help names values in plain words."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, named in plain words."""
        return _plain(super().get_params(ctx))
