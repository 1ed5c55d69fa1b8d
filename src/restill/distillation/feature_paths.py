"""Where a method looks in a network: module paths by role, from the network's spec or from the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from restill.distillation.hooks import find_module, module_path
from restill.errors import RestillError
from restill.networks.spec import NetworkSpec

# A path for everything; several, for several levels; or one of both for each role.
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
    """The tap paths of each role that is known.

    Args:
        network: Any module.
        side: "teacher" or "student", for error messages.
        given: What the user says; it goes before the spec. A path or a list of paths is taken for every role.
        roles: Those that the method looks at, of :data:`ROLES`.

    Returns:
        Role to paths; a role that neither the user nor the spec names is absent.

    Raises:
        RestillError: A role is not the method's, or a path leads nowhere.
    """
    places = {role: paths for role in roles if (paths := _from_spec(getattr(network, "spec", None), role))}
    if isinstance(given, Mapping):
        unknown = [role for role in given if role not in roles]
        if unknown:
            known = ", ".join(f"'{role}'" for role in roles) or "no place at all"
            raise RestillError(f"{side}_feature names the role '{unknown[0]}', but this method looks at: {known}")
        places |= {role: _paths(paths) for role, paths in given.items()}
    elif given is not None:
        places |= dict.fromkeys(roles, _paths(given))
    for paths in places.values():
        for path in paths:
            find_module(network, module_path(path))
    return places


def _paths(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _from_spec(spec: NetworkSpec | None, role: str) -> tuple[str, ...]:
    """A spec's paths for a role, or the nearest that it has."""
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
