"""Run exported models: load one on a backend, and stream frames through it. No torch."""

from restill.runtime.info import ModelInfo
from restill.runtime.model import Model, load_model
from restill.runtime.stream import stream, whole_clip

__all__ = ["Model", "ModelInfo", "load_model", "stream", "whole_clip"]
