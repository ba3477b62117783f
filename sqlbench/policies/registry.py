"""From a spec string to a policy: ``linucb?alpha=1.0&epsilon=0.05``, ``fixed:fix_column``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl
from zipfile import BadZipFile

import numpy as np

from sqlbench.episodes.context import FEATURE_NAMES
from sqlbench.episodes.repair import ARMS
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models.base import ChatModel
from sqlbench.policies.base import Policy
from sqlbench.policies.epsilon_greedy import EpsilonGreedyPolicy
from sqlbench.policies.lints import LinTSPolicy
from sqlbench.policies.linucb import LinUCBPolicy
from sqlbench.policies.resample import ResamplePolicy
from sqlbench.policies.simple import FixedPolicy, RandomPolicy, RulesPolicy
from sqlbench.policies.table import TablePolicy
from sqlbench.policies.ucb1 import UCB1Policy

Builder = Callable[..., Policy]

_BUILDERS: dict[str, Builder] = {
    "linucb": LinUCBPolicy,
    "lints": LinTSPolicy,
    "epsilon-greedy": EpsilonGreedyPolicy,
    "ucb1": UCB1Policy,
    "table": TablePolicy,
    "rules": RulesPolicy,
    "random": RandomPolicy,
    "resample": ResamplePolicy,
    "fixed": FixedPolicy,
}
POLICY_NAMES = (
    *(name for name in _BUILDERS if name != "fixed"),
    *(f"fixed:{arm}" for arm in ARMS),
    "oracle",
)


_OWN: dict[str, Builder] = {}
_METHODS = [name for name in vars(Policy) if name[0] != "_" and name != "spec"]


def register_policy(name: str, builder: Builder) -> None:
    """Let specs name a policy of your own: ``NAME``, or ``NAME?parameter=number&…``.

    Local worker processes (`compare`, `run_grid`, `run_sweep`) are told of it if it comes from a
    module that they can import. For one that is defined in a notebook or script give them threads:
    ``workers=lambda: ThreadPoolExecutor(2)``.

    Parameters
    ----------
    name : str
        Lower-case letters, digits, ``-`` and ``_``. A run is known by the spec alone: give a policy
        that behaves differently another name.
    builder : callable
        Takes numbers by name and returns a `Policy`: mostly a class, for example a child of
        `sqlbench.policies.base.ScoredPolicy`, which only has to score the arms.

    Raises
    ------
    ConfigError
        If the name has another form, or is one of sqlbench's own.

    Examples
    --------
    >>> from sqlbench.policies import RandomPolicy
    >>> register_policy("chance", RandomPolicy)
    >>> make_policy("chance?epsilon=0.5").spec
    'chance?epsilon=0.5'
    """
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_-]*", name):
        raise ConfigError(
            f"A policy's name is lower-case letters, digits, '-' and '_', not {name!r}."
        )
    if name in (*_BUILDERS, "oracle"):
        raise ConfigError(f"The name {name!r} is taken by a policy of sqlbench; choose another.")
    if not callable(builder):
        raise ConfigError(f"The policy {name!r} needs a class or function, not {builder!r}.")
    _OWN[name] = builder


def is_own(name: str) -> bool:
    """Return whether a name was registered with `register_policy`."""
    return name in _OWN


def own_policies() -> dict[str, Builder]:
    """Return the registered policies that another process can import."""
    return {n: b for n, b in _OWN.items() if getattr(b, "__module__", "__main__") != "__main__"}


def make_policy(spec: str, model: ChatModel | None = None) -> Policy:
    """Make a policy from its spec.

    Parameters
    ----------
    spec : str
        ``NAME``, ``NAME:ARGUMENT``, each with ``?parameter=value&…`` behind it.
    model : ChatModel or None
        The model of the experiment: `oracle` reads its repair matrix.

    Raises
    ------
    UnknownNameError
        If there is no such policy, arm or parameter.
    ConfigError
        If a value has the wrong form, or `oracle` is asked of a model that is not simulated.
    """
    if not isinstance(spec, str):
        raise ConfigError(
            f"A policy is named by its spec, like 'linucb', not {spec!r}: "
            "sqlbench.register_policy gives a class of your own a name."
        )
    head, _, query = spec.partition("?")
    name, _, argument = head.partition(":")
    parameters = parse_parameters(spec, query)
    builders = _BUILDERS | _OWN
    if name not in (*builders, "oracle") or (name == "fixed") != bool(argument):
        raise UnknownNameError("policy", spec, (*POLICY_NAMES, *_OWN))
    builder = _oracle(model) if name == "oracle" else builders[name]
    known = [p for p in inspect.signature(builder).parameters if p != "arm"]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of policy {name!r}", parameter, known)
    policy = builder(*([argument] if argument else []), **parameters)
    if name in _OWN and (lacking := [m for m in _METHODS if not hasattr(policy, m)]):
        raise ConfigError(
            f"The policy {name!r} is no sqlbench.policies.Policy: what its builder returned, "
            f"{policy!r}, lacks {', '.join(lacking)}."
        )
    policy.spec = spec  # type: ignore[misc]
    return policy


def parse_parameters(spec: str, query: str) -> dict[str, float]:
    """Read the ``parameter=number&…`` behind a spec's question mark.

    Raises
    ------
    ConfigError
        If it has another form: the message names the spec.
    """
    parameters = {}
    try:
        pairs = parse_qsl(query, strict_parsing=True) if query else []
    except ValueError:
        raise ConfigError(f"The policy {spec!r} needs the form NAME?parameter=number&…") from None
    for key, text in pairs:
        if key in parameters:
            raise ConfigError(
                f"The policy {spec!r} gives the parameter {key} twice; give one value."
            )
        try:
            parameters[key] = float(text)
        except ValueError:
            raise ConfigError(
                f"The parameter {key} of policy {spec!r} is a number, not {text!r}."
            ) from None
    return parameters


def save_policy(policy: Policy, path: Path) -> None:
    """Save what a policy learned, with the names that its numbers stand for, as one ``.npz``."""
    arrays: dict[str, Any] = dict(policy.state())
    np.savez(
        path,
        _spec=np.array(policy.spec),
        _features=np.array(FEATURE_NAMES),
        _arms=np.array([str(a) for a in ARMS]),
        **arrays,
    )


def load_policy(path: Path, model: ChatModel | None = None) -> Policy:
    """Load a policy that `save_policy` saved.

    Raises
    ------
    ConfigError
        If the file is no saved policy, or was saved for other features or arms.
    """
    return read_policy(path, str(path), model)


def read_policy(source: Path | IO[bytes], name: str, model: ChatModel | None = None) -> Policy:
    """Read a saved policy from a file that may be open; errors call it by its name.

    Raises
    ------
    ConfigError
        As `load_policy` raises it.
    """
    try:
        with np.load(source, allow_pickle=False) as file:
            arrays: Mapping[str, Any] = dict(file)
        spec = str(arrays["_spec"])
        features, arms = arrays["_features"].tolist(), arrays["_arms"].tolist()
    except (OSError, EOFError, ValueError, KeyError, BadZipFile) as error:
        raise ConfigError(f"{name!r} is no saved policy: {error}.") from error
    if features != list(FEATURE_NAMES) or arms != list(ARMS):
        raise ConfigError(
            f"The policy in {name!r} was saved for {len(features)} features and {len(arms)} "
            f"arms that are not today's {len(FEATURE_NAMES)} and {len(ARMS)}; train it anew."
        )
    policy = make_policy(spec, model)
    policy.load_state({k: v for k, v in arrays.items() if not k.startswith("_")})
    return policy


def _oracle(model: ChatModel | None) -> Builder:
    from sqlbench.models.simulated.simulated import SimulatedModel
    from sqlbench.policies.oracle import OraclePolicy

    if not isinstance(model, SimulatedModel):
        given = f"{model.spec!r}" if model is not None else "no model"
        raise ConfigError(
            f"The policy 'oracle' reads the simulated model's matrix and needs model 'simulated', "
            f"not {given}."
        )
    profile = model.profile
    return lambda epsilon=0.0: OraclePolicy(profile, epsilon=epsilon)
