"""From a spec string to a policy: ``linucb?alpha=1.0&epsilon=0.05``, ``fixed:fix_column``."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import parse_qsl
from zipfile import BadZipFile

import numpy as np

from sqlbench.episodes.context import BLOCKS, feature_names
from sqlbench.episodes.repair import ARMS, Arm
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models.base import ChatModel
from sqlbench.plugins import declared, entry_point, import_path, is_path
from sqlbench.policies.arms import ARM_NAMES
from sqlbench.policies.base import Policy, ScoredPolicy
from sqlbench.policies.cost_aware import CostAwareLinUCBPolicy
from sqlbench.policies.epsilon_greedy import EpsilonGreedyPolicy
from sqlbench.policies.halving import HalvingPolicy
from sqlbench.policies.hybrid import HybridLinUCBPolicy
from sqlbench.policies.lints import LinTSPolicy
from sqlbench.policies.linucb import LinUCBPolicy
from sqlbench.policies.pooled import PooledTablePolicy
from sqlbench.policies.resample import ResamplePolicy
from sqlbench.policies.simple import FixedPolicy, RandomPolicy, RulesPolicy
from sqlbench.policies.table import TablePolicy
from sqlbench.policies.ucb1 import UCB1Policy

Builder = Callable[..., Policy]

_BUILDERS: dict[str, Builder] = {
    "linucb": LinUCBPolicy,
    "hybrid": HybridLinUCBPolicy,
    "cost-aware": CostAwareLinUCBPolicy,
    "lints": LinTSPolicy,
    "epsilon-greedy": EpsilonGreedyPolicy,
    "ucb1": UCB1Policy,
    "table": TablePolicy,
    "pooled": PooledTablePolicy,
    "halving": HalvingPolicy,
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
    module that they can import; runs of one that is defined in a notebook or script are made in
    threads, and a warning says so. A spec may name the import path instead, ``MODULE:NAME``.

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


def _foreign(head: str) -> Builder | None:
    """Return a policy of another package: declared by a name, or named by its import path."""
    found = entry_point("policy", head)
    if found is None and is_path(head):
        found = import_path(head, "policy")
    if found is not None and not callable(found):
        raise ConfigError(f"The policy {head!r} needs a class or function, not {found!r}.")
    return cast("Builder | None", found)


def is_own(name: str) -> bool:
    """Return whether a name was registered with `register_policy`."""
    return name in _OWN


def is_foreign(head: str) -> bool:
    """Return whether another package declares a policy of this name, or it is an import path.

    Raises
    ------
    ConfigError
        If it is an import path of what cannot be imported.
    """
    return head.partition(":")[0] not in (*_BUILDERS, *_OWN, "oracle") and bool(_foreign(head))


def own_policies() -> dict[str, Builder]:
    """Return the registered policies that another process can import."""
    return {name: builder for name, builder in _OWN.items() if _travels(builder)}


def stuck_here(spec: str) -> bool:
    """Return whether a spec names a policy that no other process can be told of.

    Such is one that a notebook or a script defines: another process cannot import it.
    """
    name = spec.partition("?")[0].partition(":")[0]
    return name in _OWN and not _travels(_OWN[name])


def _travels(builder: Builder) -> bool:
    if getattr(builder, "__module__", "__main__") == "__main__":
        return False
    try:
        pickle.dumps(builder)
    except Exception:  # whatever it is, it would be raised in the worker, too
        return False
    return True


def make_policy(spec: str, model: ChatModel | None = None) -> Policy:
    """Make a policy from its spec.

    Parameters
    ----------
    spec : str
        ``NAME``, ``NAME:ARGUMENT``, or ``MODULE:NAME``, the import path of a policy of your own,
        each with ``?parameter=value&…`` behind it.
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
    foreign = None if name in (*builders, "oracle") else _foreign(head)
    if foreign is not None:
        name, argument, builders = head, "", {head: foreign}
    if name not in (*builders, "oracle") or (name == "fixed") != bool(argument):
        raise UnknownNameError("policy", spec, (*POLICY_NAMES, *_OWN, *declared("policy")))
    builder = _oracle(model) if name == "oracle" else builders[name]
    known = [p for p in inspect.signature(builder).parameters if p != "arm"]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of policy {name!r}", parameter, known)
    policy = builder(*([argument] if argument else []), **parameters)
    if (name in _OWN or foreign is not None) and (
        lacking := [m for m in _METHODS if not hasattr(policy, m)]
    ):
        raise ConfigError(
            f"The policy {name!r} is no sqlbench.policies.Policy: what its builder returned, "
            f"{policy!r}, lacks {', '.join(lacking)}."
        )
    if isinstance(policy, ScoredPolicy) and not hasattr(policy, "choices"):
        raise ConfigError(
            f"The policy {name!r} has an __init__ that does not call super().__init__(epsilon): "
            "what a sqlbench.policies.ScoredPolicy chooses among is set there."
        )
    policy.spec = spec  # type: ignore[misc]
    return policy


def parse_parameters(spec: str, query: str) -> dict[str, Any]:
    """Read the ``parameter=number&…`` behind a question mark; ``features`` and ``arms`` are texts.

    Raises
    ------
    ConfigError
        If it has another form: the message names the spec.
    """
    parameters: dict[str, Any] = {}
    try:
        pairs = parse_qsl(query, strict_parsing=True) if query else []
    except ValueError:
        raise ConfigError(f"The policy {spec!r} needs the form NAME?parameter=number&…") from None
    for key, text in pairs:
        if key in parameters:
            raise ConfigError(
                f"The policy {spec!r} gives the parameter {key} twice; give one value."
            )
        if key in ("features", "arms"):
            parameters[key] = text
            continue
        try:
            parameters[key] = float(text)
        except ValueError:
            raise ConfigError(
                f"The parameter {key} of policy {spec!r} is a number, not {text!r}."
            ) from None
    return parameters


def blocks_of(policy: Policy) -> tuple[str, ...]:
    """Return the blocks of features that a policy sees (`sqlbench.episodes.context.BLOCKS`)."""
    blocks: tuple[str, ...] = getattr(policy, "blocks", ("class",))
    return blocks


def choices_of(policy: Policy) -> tuple[Arm, ...]:
    """Return the arms that a policy chooses among."""
    choices: tuple[Arm, ...] = getattr(policy, "choices", ARMS)
    return choices


def split_specs(text: str) -> list[str]:
    """Return the specs in a list with commas; one between two blocks of features, or arms, joins.

    The arms of a table may be anybody's: behind ``arms=`` whatever names no policy is one.

    Examples
    --------
    >>> split_specs("linucb?features=class,signals,rules")
    ['linucb?features=class,signals', 'rules']
    >>> split_specs("ucb1?arms=llm_exe,llm_plain,rules")
    ['ucb1?arms=llm_exe,llm_plain', 'rules']
    """
    policies = {*_BUILDERS, *_OWN, *declared("policy"), "oracle"}
    specs: list[str] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        listed = specs[-1].rpartition("&")[2].rpartition("?")[2] if specs else ""
        arms, blocks = listed.startswith("arms="), listed.startswith("features=")
        name = part.partition("&")[0]
        arm = name in ARM_NAMES or not (name in policies or {*name} & {*"?:"})
        if (arms and arm) or (blocks and name in BLOCKS):
            specs[-1] += f",{part}"
        else:
            specs.append(part)
    return specs


def save_policy(policy: Policy, target: Path | IO[bytes], *, simulated: bool = False) -> None:
    """Save what a policy learned, with the names that its numbers stand for, as one ``.npz``.

    ``simulated`` is written where no run stands beside the file to say whose outcomes they were.
    """
    arrays: dict[str, Any] = dict(policy.state())
    if simulated:
        arrays["_simulated"] = np.array(True)
    np.savez(
        target,
        _spec=np.array(policy.spec),
        _features=np.array(feature_names(blocks_of(policy))),
        _arms=np.array([str(a) for a in choices_of(policy)]),
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
    policy = make_policy(spec, model)
    expected = list(feature_names(blocks_of(policy)))
    if features != expected or arms != list(choices_of(policy)):
        other = [f for f in features if f not in expected] or [
            f for f in expected if f not in features
        ]
        raise ConfigError(
            f"The policy in {name!r} was saved for {len(features)} features and {len(arms)} "
            f"arms that are not today's {len(expected)} and {len(choices_of(policy))}"
            + (f" (of the features {other[0]!r} is not in both)" if other else "")
            + "; train it anew."
        )
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
