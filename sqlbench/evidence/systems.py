"""Many stored systems at once: how accurate each is, and how its failures fail.

`python -m sqlbench.evidence.systems` lists them, writes one as a prediction file, or writes the
profiles of `PROFILES`, which come with the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sqlbench.databases.base import QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.evidence.first_answers import SILENT, measure_first_answers
from sqlbench.evidence.profile_file import profile_text, write_profile
from sqlbench.evidence.stored_answers import SYSTEMS, StoredAnswer, read_systems
from sqlbench.exceptions import SQLBenchError, UnknownNameError
from sqlbench.grading.predictions import Predictions
from sqlbench.models import simulated
from sqlbench.suites import Suite, load_suite

if TYPE_CHECKING:
    import pandas as pd

# The profiles of twelve systems, spread over accuracy; the names on the right are the record's.
PROFILES = {
    "llama3-8b-1000": "Llama3-8B-1000",
    "llama3-8b": "Llama3-8B",
    "codellama-7b-pretrained": "pretrained_codellama_7b",
    "codellama-7b": "CodeLlama-7B",
    "deepseek-coder-7b-pretrained": "pretrained_deepseek_coder_7b",
    "resdsql-base-2000": "resdsql_text2sql_base_2000_train_samples",
    "deepseek-coder-7b": "Deepseek-Coder-7B",
    "deepseek-coder-7b-3000": "deepseek_coder_7b_3000_train_samples",
    "deepseek-coder-7b-7000": "deepseek_coder_7b_7000_train_samples",
    "c3-sql": "C3_SQL",
    "resdsql-natsql-3b": "RESDSQL_NatSQL_3B",
    "dail-sql": "DAILSQL",
}
_FAMILIES = {
    "llama3": "Llama 3 8B",
    "codellama": "CodeLlama 7B",
    "deepseek": "DeepSeek-Coder 7B",
    "resdsql": "RESDSQL (T5)",
    "graphix": "Graphix (T5)",
}
PROMPTED = "GPT, prompted"


def family_of(system: str) -> str:
    """Return the family of a system's name; what names none of the models is a prompted GPT."""
    name = system.lower()
    return next((family for key, family in _FAMILIES.items() if key in name), PROMPTED)


def stored_predictions(stored: Sequence[StoredAnswer], suite: Suite, system: str) -> Predictions:
    """Return one system's stored answers as a prediction file would give them.

    Raises
    ------
    UnknownNameError
        If there is no such system.
    """
    names = {e.position: e.question_id for e in suite.entries if e.question_id is not None}
    sql = {
        str(names[one.position]): one.sql
        for one in stored
        if system in one.systems and one.position in names
    }
    if not sql:
        raise UnknownNameError("system", system, sorted({s for one in stored for s in one.systems}))
    missing = dict.fromkeys((str(q) for q in names.values() if q not in sql), "")
    return Predictions(Path(f"{system}.json"), sql | missing, "")


@dataclass(frozen=True)
class Systems:
    """Outcomes of m systems on n questions.

    Attributes
    ----------
    names : tuple of str
        The systems, by accuracy.
    outcomes : ndarray of shape (m, n)
        The place in `OUTCOMES` of each answer; -1 where there is none.
    """

    names: tuple[str, ...]
    outcomes: NDArray[np.intp]

    def is_any(self, *outcomes: str) -> NDArray[np.float64]:
        """Return whether each answer is one of these outcomes, shape (m, n)."""
        places = [OUTCOMES.index(o) for o in outcomes]
        found: NDArray[np.float64] = np.isin(self.outcomes, places).astype(float)
        return found

    @property
    def raised(self) -> NDArray[np.float64]:
        """Whether each answer raised an error, shape (m, n)."""
        return self.is_any(*(str(c) for c in ErrorClass if c not in SILENT))


OUTCOMES = ("right", *(str(c) for c in ErrorClass))


def measure_outcomes(suite: Suite, stored: Sequence[StoredAnswer]) -> Systems:
    """Run what is wrong in the sandbox, and say how it fails; right is what the record says.

    Parameters
    ----------
    suite : Suite
        Whose questions they answer.
    stored : sequence of StoredAnswer
        Answers to questions that the suite leaves out are skipped.
    """
    places = {e.position: e.question_id for e in suite.entries if e.question_id is not None}
    columns = {position: i for i, position in enumerate(places)}
    names = sorted({system for one in stored for system in one.systems})
    row = {name: i for i, name in enumerate(names)}
    outcomes = np.full((len(names), len(places)), -1, dtype=np.intp)
    for one in stored:
        if one.position in columns:
            code = OUTCOMES.index(_outcome(suite, str(places[one.position]), one))
            outcomes[[row[s] for s in one.systems], columns[one.position]] = code
    asked = np.maximum((outcomes >= 0).sum(axis=1), 1)
    order = np.argsort((outcomes == 0).sum(axis=1) / asked, kind="stable")
    return Systems(tuple(names[i] for i in order), outcomes[order])


def _outcome(suite: Suite, question_id: str, one: StoredAnswer) -> str:
    if one.right:
        return OUTCOMES[0]
    question = suite.question(question_id)
    try:
        result = suite.databases[question.db_id].execute(one.sql)
    except QueryError as error:
        return str(classify_error(error))
    return str(ErrorClass.WRONG_RESULT if result.rows else ErrorClass.EMPTY_RESULT)


def systems_table(systems: Systems) -> pd.DataFrame:
    """Return a row a system, by accuracy.

    Columns: system, family, questions, right, right_low, right_high, failures, raised, raised_low,
    raised_high, empty, wrong_rows (shares of the failures). Intervals are 95%, by question.
    """
    import pandas as pd

    from sqlbench.stats import clustered_ratio

    rows = []
    right, raised = systems.is_any("right"), systems.raised
    empty, wrong = systems.is_any("empty_result"), systems.is_any("wrong_result", "timeout")
    for i, name in enumerate(systems.names):
        asked = systems.outcomes[i] >= 0
        questions = np.flatnonzero(asked).tolist()
        failed = 1.0 - right[i][asked]
        good = clustered_ratio(right[i][asked], np.ones(len(questions)), questions)
        n = max(failed.sum(), 1.0)
        share = clustered_ratio(raised[i][asked], failed, questions)
        rows.append(
            {
                "system": name, "family": family_of(name), "questions": len(questions),
                "right": good.estimate, "right_low": good.low, "right_high": good.high,
                "failures": int(failed.sum()), "raised": share.estimate,
                "raised_low": share.low, "raised_high": share.high,
                "empty": empty[i].sum() / n, "wrong_rows": wrong[i].sum() / n,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def correlation(systems: Systems, seed: int = 0) -> tuple[float, float, float]:
    """Return the correlation of accuracy with the raised share of failures, and its 95% interval.

    The interval resamples questions: all systems answer the same ones. It says nothing of other
    systems.
    """
    right, raised = systems.is_any("right").T, systems.raised.T

    def found(sums: NDArray[np.float64]) -> NDArray[np.float64]:
        m = right.shape[1]
        share = sums[..., :m] / len(right)
        gone = sums[..., m:] / np.maximum(len(right) - sums[..., :m], 1.0)
        a = share - share.mean(axis=-1, keepdims=True)
        b = gone - gone.mean(axis=-1, keepdims=True)
        r: NDArray[np.float64] = (a * b).sum(axis=-1) / np.sqrt(
            (a**2).sum(axis=-1) * (b**2).sum(axis=-1)
        )
        return r

    rows = np.hstack([right, raised])
    rng = np.random.default_rng(seed)
    n = len(rows)
    drawn = np.stack([rng.multinomial(n, np.full(n, 1.0 / n)) for _ in range(1000)]) @ rows
    low, high = np.quantile(found(drawn), [0.025, 0.975])
    return float(found(rows.sum(axis=0))), float(low), float(high)


def write_profiles(
    stored: Sequence[StoredAnswer], suite: Suite, out: Path, systems: Mapping[str, str] = PROFILES
) -> None:
    """Write the profiles of some systems, by `exact`."""
    for name, system in systems.items():
        answers = measure_first_answers(suite, [stored_predictions(stored, suite, system)])
        print(f"Written: {write_profile(profile_text(answers), out / f'{name}.toml')}")


def main(arguments: list[str] | None = None) -> None:
    """List the systems, write one as a prediction file, or write the package's profiles."""
    parser = argparse.ArgumentParser(prog="python -m sqlbench.evidence.systems")
    parser.add_argument("system", nargs="?", help="write this one as JSONL; default: list all")
    parser.add_argument("--out", type=Path, help="the file; default: SYSTEM.jsonl")
    parser.add_argument("--profiles", action="store_true", help="write the package's profiles")
    parser.add_argument("--spider", type=Path, default=Path("../shared/spider"))
    given = parser.parse_args(arguments)
    suite = load_suite(f"spider:{given.spider}")
    stored = read_systems(given.spider / SYSTEMS)
    if given.profiles:
        write_profiles(stored, suite, Path(simulated.__file__).parent / "profiles")
    elif given.system:
        found = stored_predictions(stored, suite, given.system)
        place = given.out or Path(f"{given.system}.jsonl")
        entries = [e for e in suite.entries if e.question_id is not None]
        lines = [
            json.dumps({"index": e.position, "pred": found.sql[e.question_id]})
            for e in entries
            if e.question_id is not None
        ]
        place.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"Written: {place}")
    else:
        for row in systems_table(measure_outcomes(suite, stored)).itertuples():
            print(f"{row.system}: {row.right:.1%} right, {row.raised:.1%} of failures raised")


if __name__ == "__main__":
    try:
        main()
    except SQLBenchError as error:
        sys.exit(f"sqlbench: {error}")
