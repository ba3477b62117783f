#!/usr/bin/env bash
# mabwiser 2.7.4, LearningPolicy.LinUCB: the confidence width of an arm that was never tried grows
# with the ridge penalty, as α·√λ·‖x‖, where LinUCB's (Li et al. 2010, algorithm 1, with A = λI)
# shrinks, as α·‖x‖/√λ. With λ = 1 the two agree. An arm that was tried follows the algorithm.
# Seen, for x = (1, 0) and α = 1: 0.5 at λ = 0.25, 1 at λ = 1 and 2 at λ = 4, where the algorithm has
# 2, 1 and 0.5. So with λ above 1 untried arms are tried sooner, and a strong penalty explores more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3.11}" -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install mabwiser==2.7.4 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import numpy as np
from mabwiser.mab import MAB, LearningPolicy

x, contexts, rewards = np.array([1.0, 0.0]), [[1, 0], [0, 1], [1, 1]], [1, 0, 1]
for penalty, seen in ((0.25, 0.5), (1, 1.0), (4, 2.0)):
    bandit = MAB(["tried", "never"], LearningPolicy.LinUCB(alpha=1.0, l2_lambda=penalty))
    bandit.fit(["tried"] * 3, rewards, contexts)
    found = bandit.predict_expectations([x])
    matrix = penalty * np.eye(2) + np.array(contexts).T @ np.array(contexts)
    inverse = np.linalg.inv(matrix)
    tried = x @ inverse @ np.array(contexts).T @ np.array(rewards) + np.sqrt(x @ inverse @ x)
    untried = np.sqrt(x @ np.linalg.inv(penalty * np.eye(2)) @ x)
    print(f"λ = {penalty}: never tried {found['never']:.3f}, by the algorithm {untried:.3f}")
    assert abs(found["tried"] - tried) < 1e-9
    assert abs(found["never"] - seen) < 1e-9 and abs(untried - 1 / np.sqrt(penalty)) < 1e-9
PY
