"""Policies choose the repair prompt that is tried next."""

from sqlbench.policies.base import Decision, Policy, ScoredPolicy
from sqlbench.policies.registry import (
    POLICY_NAMES,
    load_policy,
    make_policy,
    register_policy,
    save_policy,
)
from sqlbench.policies.simple import RandomPolicy

__all__ = [
    "POLICY_NAMES",
    "Decision",
    "Policy",
    "RandomPolicy",
    "ScoredPolicy",
    "load_policy",
    "make_policy",
    "register_policy",
    "save_policy",
]
