"""Policies choose the repair prompt that is tried next."""

from sqlbench.policies.base import Decision, Policy
from sqlbench.policies.registry import POLICY_NAMES, load_policy, make_policy, save_policy

__all__ = ["POLICY_NAMES", "Decision", "Policy", "load_policy", "make_policy", "save_policy"]
