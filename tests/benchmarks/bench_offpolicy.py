"""Validate the off-policy estimators in full: coverage and bias over many simulated logs.

Run: python tests/benchmarks/bench_offpolicy.py [LOGS]
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from sqlbench.evidence.offpolicy import ESTIMATORS, target_probabilities
from sqlbench.evidence.offpolicy_validation import table_contexts, validate
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.models.simulated.profile import load_profile
from sqlbench.policies import make_policy
from sqlbench.words import markdown_table


def main() -> None:
    """Print coverage, bias and spread of each estimator, by logging policy and target."""
    logs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    profile = load_profile("default")
    shares = {str(c): v for c, v in profile.first_attempt.items()}
    rng = np.random.default_rng(0)
    table = synthetic_table(sharpened(profile, 1.0), shares, 800, rng, samples=4)
    table = replace(table, expected=None)  # the stored samples are the truth
    contexts = table_contexts(table)
    rows = []
    for behaviour in ("random", "rules?epsilon=0.5"):
        for target in ("rules", "fixed:rewrite_full"):
            found = validate(
                table,
                target_probabilities(make_policy(behaviour), contexts),
                target_probabilities(make_policy(target), contexts),
                logs=logs,
                seed=11,
            )
            for e in ESTIMATORS:
                bias, error = found.bias(e)
                rows.append(
                    [
                        behaviour,
                        target,
                        e,
                        f"{found.coverage(e):.1%}",
                        f"{bias:+.4f} ± {error:.4f} ({bias / error:+.1f} se)",
                        f"{found.spread(e):.3f}",
                    ]
                )
    header = ["logged by", "target", "estimator", "coverage", "bias", "spread"]
    print(f"{logs} logs, 400 questions drawn anew for each, 2 decisions a question (simulated)\n")
    print(markdown_table(header, rows))


if __name__ == "__main__":
    main()
