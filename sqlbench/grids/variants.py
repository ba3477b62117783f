"""What is compared: combinations of a run's fields, named by what varies."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.runs.config import RunConfig, make_config

# What makes two runs pair up cannot vary; seeds vary for every variant.
PAIRED = ("suite", "task", "database", "episodes", "feedback", "seed")
# A field's own default, where that is no text: no prompts folder, no other model for repairs.
DEFAULT = "default"


def make_variants(base: RunConfig, vary: Mapping[str, Sequence[str]]) -> dict[str, RunConfig]:
    """Return a configuration for every combination of values, by name.

    Parameters
    ----------
    base : RunConfig
        What they have in common.
    vary : mapping of str to sequence of str
        Fields of a run's configuration, and the values that each takes; ``default`` is the field's
        own. The last field varies fastest.

    Returns
    -------
    dict of str to RunConfig
        Named by what varies: the value of a single field, else ``field=value`` for each.

    Raises
    ------
    UnknownNameError, ConfigError
        If a field does not exist or cannot vary, or a value has the wrong form.
    """
    fields = [n for n in RunConfig.model_fields if n not in PAIRED]
    for field, values in vary.items():
        if field not in fields:
            raise UnknownNameError("field that can vary", field, fields)
        if len(set(values)) < len(values):
            raise ConfigError(f"--vary {field} names a value twice: {', '.join(values)}.")
    found: dict[str, RunConfig] = {}
    for combination in itertools.product(*vary.values()):
        chosen = dict(zip(vary, combination, strict=True))
        typed = {n: None if v == DEFAULT else v for n, v in chosen.items()}
        defaults = {n: RunConfig.model_fields[n].default for n, v in typed.items() if v is None}
        name = ", ".join(
            chosen.values() if len(vary) == 1 else (f"{n}={v}" for n, v in chosen.items())
        )
        found[name] = make_config(**(dict(base) | typed | defaults))
    return found


def parse_vary(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read ``FIELD=VALUE,VALUE`` of each ``--vary``.

    Raises
    ------
    ConfigError
        If one has another form, or a field comes twice.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        field, equals, values = text.partition("=")
        field = field.strip().replace("-", "_")
        listed = [v.strip() for v in values.split(",") if v.strip()]
        if not equals or not listed:
            raise ConfigError(
                f"--vary takes a field and its values, like model=openai:a,openai:b, not {text!r}."
            )
        if field in found:
            raise ConfigError(f"--vary names {field} twice: give all its values at once.")
        found[field] = listed
    return found


def are_policies(variants: Mapping[str, RunConfig]) -> bool:
    """Return whether it is the policy that varies, and nothing else."""
    policies = {c.policy for c in variants.values()}
    others = {c.model_copy(update={"policy": "", "seed": 0}) for c in variants.values()}
    return len(others) == 1 and (len(policies) > 1 or policies == {*variants})


def differ_only_in_learning(variants: Sequence[RunConfig]) -> bool:
    """Return whether variants ask the same model the same first questions: only policies differ."""
    learning = {"policy", "hindsight", "learner", "start_from", "lag"}
    return len({c.model_copy(update=dict.fromkeys(learning)) for c in variants}) == 1
