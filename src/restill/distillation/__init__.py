"""Distillation methods by name, one line per method. A method's class is imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from restill.errors import RestillError
from restill.registry import look_up

if TYPE_CHECKING:
    from torch import nn

    from restill.distillation.feature_paths import FeaturePaths
    from restill.distillation.method import Method, MethodOptions

METHODS = {
    "plain": "restill.distillation.methods.plain:Plain",
    "cstd": "restill.distillation.methods.cstd:CSTD",
    "std": "restill.distillation.methods.std:STD",
    "slkd": "restill.distillation.methods.slkd:SLKD",
    "ssid-kd": "restill.distillation.methods.ssid_kd:SSIDKD",
    "output": "restill.distillation.methods.output:Output",
    "mse": "restill.distillation.methods.mse:FeatureMSE",
    "rpi": "restill.distillation.methods.rpi:RPI",
    "srkd": "restill.distillation.methods.srkd:SRKD",
    "at": "restill.distillation.methods.at:AT",
    "fakd": "restill.distillation.methods.fakd:FAKD",
    "pisr-teacher": "restill.distillation.methods.pisr_teacher:PISRTeacher",
    "pisr": "restill.distillation.methods.pisr:PISR",
    "dfkd": "restill.distillation.methods.dfkd:DFKD",
    "dckd": "restill.distillation.methods.dckd:DCKD",
}

_NO_METHOD = (
    "method must be a name of 'restill methods' or a class of your own (a subclass of "
    "restill.distillation.paired.Paired), not {}"
)

__all__ = ["METHODS", "create_method", "method_class"]


def method_class(name: str) -> type[Method]:
    """The class behind a method's name.

    Raises:
        RestillError: There is no such method.
    """
    if not isinstance(name, str):
        raise RestillError(_NO_METHOD.format(f"{name!r}"))
    return look_up(METHODS, "method", name)


def create_method(
    name: str | type[Method],
    teacher: nn.Module | None,
    student: nn.Module,
    context: int,
    *,
    teacher_feature: FeaturePaths | None = None,
    student_feature: FeaturePaths | None = None,
    student_head: str | None = None,
    unlabeled: bool = False,
    **options: Any,
) -> Method:
    """Create a method for a teacher and a student.

    Args:
        name: One of :data:`METHODS`; or your own class: a subclass of
            :class:`restill.distillation.paired.Paired`, of :class:`restill.distillation.supervised.Supervised` (no
            teacher), or of :class:`restill.distillation.method.Method` with the same constructor.
        teacher: Will be frozen; None for a method without one.
        student: Will be trained.
        context: Frames at either end of each clip that are only context: the larger of the two networks' own.
        teacher_feature: Paths of the teacher's features, if not its spec's: a module path ("decoder.3" for the
            output, "head:input" for the input), a list of paths for a method that compares several levels, or a
            dict from role to either. See :mod:`restill.distillation.feature_paths` for the roles.
        student_feature: The same of the student.
        student_head: Path of the module that turns the student's feature into the picture; its spec's if not given.
        unlabeled: The batches also have unlabeled clips, whose only target is the teacher's picture. Then a method
            without a teacher takes one too. See :mod:`restill.distillation.unlabeled`.
        options: The method's own (its ``Options``).

    Raises:
        RestillError: The name, an option or a path is wrong, or a teacher is missing or given to a method without one.
    """
    cls: Any = name if isinstance(name, type) else method_class(name)
    checked = _check(cls, options)
    student_paths = {"student_feature": student_feature, "student_head": student_head}
    if cls.has_teacher != (teacher is not None) and (cls.has_teacher or not unlabeled):
        raise RestillError(f"method '{cls.name}' {'needs a' if cls.has_teacher else 'takes no'} teacher")
    if cls.has_teacher:
        made = cls(teacher, student, context, checked, teacher_feature, **student_paths)
    else:
        made = cls(student, context, checked, **student_paths)
    if not unlabeled:
        return made
    from restill.distillation.unlabeled import learn_unlabeled

    return learn_unlabeled(made, teacher)


def _check(cls: type[Method], options: dict[str, Any]) -> MethodOptions:
    from restill.distillation.method import Method

    if not issubclass(cls, Method):
        raise RestillError(_NO_METHOD.format(f"the class {cls.__name__}"))
    try:
        return cls.Options(**options)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            what = f"is not known; the options are: {', '.join(cls.Options.model_fields) or 'none'}"
        raise RestillError(f"method '{cls.name}'{f', option {field!r}' * bool(field)}: {what}") from error
