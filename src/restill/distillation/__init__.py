"""Distillation methods by name. One line per method; the class is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from restill.errors import RestillError

if TYPE_CHECKING:
    from torch import nn

    from restill.distillation.method import Method

METHODS = {
    "cstd": "restill.distillation.cstd:CSTD",
}

__all__ = ["METHODS", "create_method", "method_class"]


def method_class(name: str) -> type[Method]:
    """The class behind a method's name.

    Raises:
        RestillError: There is no such method.
    """
    if name not in METHODS:
        raise RestillError(f"method '{name}' is not known; the methods are: {', '.join(METHODS)}")
    module, _, attribute = METHODS[name].partition(":")
    return getattr(import_module(module), attribute)


def create_method(
    name: str,
    teacher: nn.Module,
    student: nn.Module,
    context: int,
    *,
    teacher_feature: str | None = None,
    student_feature: str | None = None,
    student_head: str | None = None,
    **options: Any,
) -> Method:
    """A method around a teacher and a student.

    Args:
        name: One of :data:`METHODS`.
        teacher: Will be frozen.
        student: Will be trained.
        context: Frames at either end of each clip that are only context: the larger of the two networks' own.
        teacher_feature: Tap path of the teacher's feature; its spec's if not given.
        student_feature: Tap path of the student's feature; its spec's if not given.
        student_head: Path of the module that turns the student's feature into the picture; its spec's if not given.
        options: The method's own (its ``Options``).

    Raises:
        RestillError: The name, an option or a path is not right.
    """
    cls = method_class(name)
    try:
        checked = cls.Options(**options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "options"
        accepted = f"; the options are: {', '.join(cls.Options.model_fields)}" if field not in options else ""
        if first["type"] == "extra_forbidden":
            accepted = f"; the options are: {', '.join(cls.Options.model_fields)}"
        raise RestillError(f"method '{name}', {field}: {first['msg']}{accepted}") from error
    paths = {"teacher_feature": teacher_feature, "student_feature": student_feature, "student_head": student_head}
    return cls(teacher, student, context, checked, **paths)  # type: ignore[call-arg]
