"""How long a choice and an update take, beside MABWiser and Vowpal Wabbit, in one run.

What is compared is the linear core, vectors in and arm out, as the peers take it: LinUCB at d = 23
and K = 8, with one context at a time, after the same 400 observations. Vowpal Wabbit (linear
contextual bandit, `--cb_explore 8`) gets its text line ready-made, so that building the text is not
counted; parsing it is, for it has no other door for a new context. All run on one thread.

    pip install -e '.[bench]'
    OMP_NUM_THREADS=1 python tests/benchmarks/bench_bandits.py
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from statistics import median

import numpy as np

from sqlbench.episodes.context import Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.policies import make_policy
from sqlbench.policies.base import choose
from sqlbench.policies.linear import LinearArms

D, K, ALPHA, WARM, ROUNDS = 23, 8, 1.5, 400, 40


def contexts(n: int) -> Iterator[tuple[np.ndarray, int, float]]:
    rng = np.random.default_rng(0)
    for i in range(n):
        x = np.zeros(D)
        x[rng.integers(11)] = x[-1] = 1.0
        x[11], x[12 + rng.integers(8)], x[21] = rng.random(), 1.0, rng.random()
        yield x, i % K, float(rng.random() < 0.4)


def ours() -> tuple[Callable[[int], object], Callable[[int], object]]:
    data = list(contexts(WARM))
    arms, rng = LinearArms(K, D), np.random.default_rng(1)
    for x, arm, reward in data:
        arms.update(arm, x, reward)

    def select(i: int) -> int:
        x = data[i % WARM][0]
        scores = arms.means(x) + ALPHA * arms.widths(x)
        return choose(scores.tolist(), 0.0, rng.random())[0]

    def update(i: int) -> None:
        x, arm, reward = data[i % WARM]
        arms.update(arm, x, reward)

    return select, update


def policy() -> tuple[Callable[[int], object], Callable[[int], object]]:
    """The whole policy: a Context in, a Decision with all scores and the propensity out."""
    learned, rng = make_policy("linucb"), np.random.default_rng(1)
    context = Context(ErrorClass.NO_SUCH_COLUMN, 3, ARMS[0], True, 1)
    assert len(featurize(context)) == D
    return (
        lambda i: learned.select(context, rng),
        lambda i: learned.update(context, ARMS[i % K], 0.4),
    )


def mabwiser() -> tuple[Callable[[int], object], Callable[[int], object]]:
    from mabwiser.mab import MAB, LearningPolicy

    data = list(contexts(WARM))
    bandit = MAB(list(range(K)), LearningPolicy.LinUCB(alpha=ALPHA, l2_lambda=1.0))
    bandit.fit([a for _, a, _ in data], [r for *_, r in data], [x for x, *_ in data])
    rows = [(x[None, :], np.array([a]), np.array([r])) for x, a, r in data]

    def update(i: int) -> None:
        x, arm, reward = rows[i % WARM]
        bandit.partial_fit(arm, reward, x)

    return lambda i: bandit.predict(rows[i % WARM][0]), update


def vowpal_wabbit() -> tuple[Callable[[int], object], Callable[[int], object]]:
    from vowpalwabbit import Workspace

    data = list(contexts(WARM))
    workspace = Workspace(f"--cb_explore {K} --epsilon 0.1 --noconstant --quiet")
    lines = [
        ("| " + " ".join(f"{j}:{v:.6f}" for j, v in enumerate(x) if v), a, 1 - r)
        for x, a, r in data
    ]
    learned = [f"{a + 1}:{cost}:{1 / K} {text}" for text, a, cost in lines]
    for line in learned:
        workspace.learn(line)
    return (
        lambda i: workspace.predict(lines[i % WARM][0]),
        lambda i: workspace.learn(learned[i % WARM]),
    )


def microseconds(call: Callable[[int], object], n: int) -> float:
    start = time.perf_counter()
    for i in range(n):
        call(i)
    return (time.perf_counter() - start) / n * 1e6


def main() -> None:
    warnings.filterwarnings("ignore")
    # The peers take turns in every round, so that a busy machine slows all of them alike.
    peers = {
        "sqlbench core": (ours(), 400),
        "sqlbench policy": (policy(), 400),
        "Vowpal Wabbit": (vowpal_wabbit(), 400),
        "MABWiser": (mabwiser(), 12),
    }
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in peers}
    for _ in range(ROUNDS):
        for name, (calls, n) in peers.items():
            for call, found in zip(calls, times[name], strict=True):
                found.append(microseconds(call, n))
    print(f"d = {D}, K = {K}, medians of {ROUNDS} rounds, µs a call\n")
    print(f"{'':18}{'select':>10}{'update':>10}{'core is faster by':>26}")
    base = [median(t) for t in times["sqlbench core"]]
    for name, found in times.items():
        select, update = (median(t) for t in found)
        faster = f"{select / base[0]:.1f}× / {update / base[1]:.1f}×"
        print(f"{name:18}{select:10.1f}{update:10.1f}{faster:>26}")


if __name__ == "__main__":
    main()
