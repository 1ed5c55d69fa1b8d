"""Module paths of the features that a method uses, by role, from the network's spec or from the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from restill.distillation.hooks import find_module, module_path
from restill.errors import RestillError
from restill.networks.spec import NetworkSpec

# one path, a list of paths (levels), or either for each role
FeaturePaths = str | Sequence[str] | Mapping[str, str | Sequence[str]]

ROLES = {
    "feature": "the last feature before the picture",
    "lr": "the last feature at input resolution",
    "levels": "features at several depths",
    "encoder": "features of the encoder, finest first, the bottleneck's last",
    "decoder": "features of the decoder, coarsest first",
    "embedding": "the code in the middle",
}


def find_feature_paths(
    network: nn.Module, side: str, given: FeaturePaths | None, roles: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """The module paths of each known role.

    Args:
        network: Any module.
        side: "teacher" or "student", for error messages.
        given: The user's paths, which take precedence over the spec. A path or a list of paths applies to every role.
        roles: Roles that the method uses, of :data:`ROLES`.

    Returns:
        Paths by role, without the roles that neither the user nor the spec names.

    Raises:
        RestillError: The method does not use a role, or there is no module at a path.
    """
    found = {role: paths for role in roles if (paths := _from_spec(getattr(network, "spec", None), role))}
    if isinstance(given, Mapping):
        unknown = [role for role in given if role not in roles]
        if unknown:
            known = ", ".join(f"'{role}'" for role in roles) or "no feature"
            raise RestillError(f"{side}_feature names the role '{unknown[0]}', but this method uses: {known}")
        found |= {role: _paths(paths) for role, paths in given.items()}
    elif given is not None:
        found |= dict.fromkeys(roles, _paths(given))
    for paths in found.values():
        for path in paths:
            find_module(network, module_path(path))
    return found


def _paths(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _from_spec(spec: NetworkSpec | None, role: str) -> tuple[str, ...]:
    """The paths of a role in a spec, or of the nearest role that the spec has."""
    if spec is None:
        return ()
    return {
        "feature": (spec.feature,),
        "lr": (spec.lr_feature or spec.feature,),
        "levels": spec.levels or (spec.feature,),
        "encoder": spec.encoder,
        "decoder": spec.decoder,
        "embedding": (spec.embedding,) if spec.embedding else spec.encoder[-1:],
    }[role]
