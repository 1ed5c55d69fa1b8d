"""The page of every field of a recipe, and of the options of methods, from their models."""

from __future__ import annotations

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from docs.tools.text import cell, table
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from restill.distillation import METHODS, method_class
from restill.training.recipe import Recipe

INTRODUCTION = """# Recipe fields

A recipe is a YAML file for `restill train`. [Training](../training.md) explains recipes with examples. On the command
line, `--set data.crop=64` sets a field of a part. A field without a default must be given.
"""
BOUNDS = {Ge: ("ge", "at least"), Gt: ("gt", "more than"), Le: ("le", "at most"), Lt: ("lt", "less than")}


def page() -> str:
    """The page, as Markdown."""
    lines = [INTRODUCTION, "## The recipe", "", *_fields(Recipe, "")]
    for place, part in _parts(Recipe, ""):
        lines += [f"## `{place}`", "", cell((part.__doc__ or "").split("\n\n")[0]), "", *_fields(part, f"{place}.")]
    lines += ["## Options of the methods", "", "These are the fields of `options:`, by method.", ""]
    for name in METHODS:
        options = getattr(method_class(name), "Options", None)
        if options is not None and options.model_fields:
            link = "" if name == "plain" else f"The [page of the method](../methods/{name}.md) explains them."
            lines += [f"### `{name}`", "", link, "", *_fields(options, "")]
    return "\n".join(lines)


def _parts(model: type[BaseModel], before: str) -> list[tuple[str, type[BaseModel]]]:
    """The models of the fields that have fields of their own, by the whole name of the field."""
    found = []
    for name, field in model.model_fields.items():
        for part in _models(field.annotation):
            found += [(before + name, part), *_parts(part, f"{before}{name}.")]
    return found


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _fields(model: type[BaseModel], before: str) -> list[str]:
    rows = [
        (f"`{before}{name}`", cell(_accepted(field)), _default(field), cell(field.description or ""))
        for name, field in model.model_fields.items()
    ]
    return table(["field", "values", "default", "what it is"], rows)


def _accepted(field: FieldInfo) -> str:
    """What a field takes, in words."""
    said = [_words(field.annotation)]
    for bound in field.metadata:
        if type(bound) in BOUNDS:
            attribute, words = BOUNDS[type(bound)]
            said.append(f"{words} {getattr(bound, attribute)}")
    return ", ".join(said)


def _words(annotation: Any) -> str:
    """A type in words: "number or none"."""
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind is Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if kind in (Union, UnionType):
        return " or ".join(dict.fromkeys(_words(one) for one in inner if one is not type(None)))
    if kind is list:
        return f"list of {_words(inner[0])}"
    if kind is tuple:
        return f"list of {_words(inner[0])}" if ... in inner else f"[{', '.join(_words(one) for one in inner)}]"
    if kind is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "fields below"
    names = {int: "whole number", float: "number", bool: "true or false", str: "text", Any: "anything"}
    return names.get(annotation, "path" if "Path" in str(annotation) else str(annotation))


def _default(field: FieldInfo) -> str:
    """The default as in YAML; empty if there is none or it is a part."""
    default = field.default
    if default is PydanticUndefined or default is None or isinstance(default, BaseModel):
        return ""
    text = {True: "true", False: "false"}.get(default, default) if isinstance(default, bool) else default
    return f"`{list(text) if isinstance(text, tuple) else text}`"
