"""The eight repair actions, and the messages that carry them out.

The texts lie in ``prompts/*.txt`` beside this file (`string.Template` placeholders). A folder with
files of the same names overrides them one by one, so that a researcher can change a prompt without
changing the package; `Prompts.hash` goes into every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Final, Literal, TypedDict

from sqlbench.exceptions import ConfigError
from sqlbench.paths import located, shown

GENERATE: Final = "generate"
AUTO = "auto"
KEEP: Final = "keep"


class Message(TypedDict):
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


class RepairAction(StrEnum):
    """The bandit's arms, in the order of every array over arms."""

    REWRITE_FULL = "rewrite_full"
    FIX_COLUMN = "fix_column"
    FIX_TABLE = "fix_table"
    ADD_GROUPBY = "add_groupby"
    REWRITE_CTE = "rewrite_cte"
    FIX_SYNTAX = "fix_syntax"
    CHANGE_DIALECT = "change_dialect"
    RELAX_FILTER = "relax_filter"


ARMS: tuple[RepairAction, ...] = tuple(RepairAction)

Arm = RepairAction | Literal["keep"]
"""What a policy may choose: a repair, or to repair nothing (`KEEP`), which calls no model."""

_DIALECT_NAMES = {"sqlite": "SQLite", "postgres": "PostgreSQL", "duckdb": "DuckDB"}
_ALLOWED = {
    "system": {"dialect", "schema"},
    "generate": {"dialect", "schema", "question", "evidence"},
    "repair": {
        *("dialect", "schema", "question", "evidence", "sql", "error", "token", "history"),
        *("facts", "signals"),
    },
    "facts": {"facts", "signals"},
    **{str(a): {"dialect", "dialect_notes"} for a in RepairAction},
}
_NOTHING = {"facts": "", "signals": ""}
_DIALECT_NOTES = {
    "sqlite": (
        "SQLite has no LEFT(), RIGHT(), YEAR(), MONTH(), DATE_TRUNC(), EXTRACT(), ILIKE, TOP or "
        ":: casts, and CONCAT() and STRING_AGG() only from 3.44 on. Use substr(), "
        "strftime('%Y', d), strftime('%Y-%m', d), ||, group_concat(), LIKE, LIMIT and "
        "CAST(x AS type). Dates are ISO text; date arithmetic is date(d, '+7 days') and "
        "julianday(a) - julianday(b). Integer division truncates: multiply by 1.0 first."
    ),
    "postgres": (
        "PostgreSQL has no strftime(), julianday(), group_concat() or IFNULL(). Its date functions "
        "take no text: where dates are kept as text cast them first, to_char(d::date, 'YYYY-MM'), "
        "extract(year FROM d::date), date_trunc('month', d::date), d::date + interval '7 days', "
        "a::date - b::date. Use string_agg(x, ','), coalesce(), x::type and round(x::numeric, 2). "
        "Single quotes make strings, double quotes names; names without quotes fold to lower case. "
        "Every selected column that is not aggregated must stand in GROUP BY. Integer division "
        "truncates: multiply by 1.0 first."
    ),
    "duckdb": (
        "DuckDB has no julianday(), to_char(), datetime(), nvl() or TOP. Its date functions take "
        "no text: where dates are kept as text cast them first, strftime(d::date, '%Y-%m'), "
        "extract(year FROM d::date), date_trunc('month', d::date), d::date + INTERVAL 7 DAY, "
        "date_diff('day', b::date, a::date). Use string_agg(x, ','), coalesce(), x::type, "
        "try_cast(x AS type) and round(x, 2). Single quotes make strings, double quotes names. "
        "Every selected column that is not aggregated must stand in GROUP BY (or GROUP BY ALL), "
        "or in any_value(x). a / b is never cut off: a // b divides integers. LIKE tells capitals "
        "from small letters, ILIKE does not. Text and numbers are compared only after a cast."
    ),
}


@dataclass(frozen=True, slots=True)
class FailedAttempt:
    """An attempt as a repair message tells of it."""

    action: str
    sql: str
    message: str


@dataclass(frozen=True)
class Prompts:
    """The texts of all messages.

    Attributes
    ----------
    texts : mapping of str to str
        ``system``, ``generate``, ``repair`` (the frame of every repair message), one for each
        repair action, and ``facts`` where repairs are grounded.
    """

    texts: Mapping[str, str]

    @classmethod
    def load(cls, folder: str | Path | None = None, *, ground: bool = False) -> Prompts:
        """Read the package's prompts, overridden by the ``.txt`` files of a folder.

        Parameters
        ----------
        folder : path or None
            Holds the texts that override the package's.
        ground : bool
            Whether repair messages tell what the signals found (`Prompts.grounded`).

        Raises
        ------
        ConfigError
            If the folder does not exist or holds a file of another name, or a text is empty or
            uses a placeholder that its message does not have.
        """
        package = resources.files("sqlbench.episodes") / "prompts"
        texts = {
            name: (package / f"{name}.txt").read_text(encoding="utf-8").strip() for name in _ALLOWED
        }
        if folder is not None:
            texts |= _overrides(located(folder))
        if not ground:
            del texts["facts"]
        return cls(texts)

    @property
    def grounded(self) -> bool:
        """Whether repair messages tell what the signals found."""
        return "facts" in self.texts

    @property
    def hash(self) -> str:
        """SHA-256 of all texts."""
        joined = "\x00".join(f"{k}\x01{v}" for k, v in sorted(self.texts.items()))
        return hashlib.sha256(joined.encode()).hexdigest()

    def generate(
        self, *, schema: str, dialect: str, question: str, evidence: str = ""
    ) -> tuple[Message, ...]:
        """Return the messages that ask for a first answer."""
        dialect_name = _DIALECT_NAMES.get(dialect, dialect)
        user = Template(self.texts["generate"]).substitute(
            dialect=dialect_name, schema=schema, question=question, evidence=_hint(evidence)
        )
        return (
            {"role": "system", "content": self._system(dialect_name, schema)},
            {"role": "user", "content": user},
        )

    def repair(
        self,
        action: RepairAction,
        *,
        schema: str,
        dialect: str,
        question: str,
        evidence: str,
        attempts: Sequence[FailedAttempt],
        token: str | None,
        facts: Sequence[str] = (),
        signals: Sequence[str] = (),
    ) -> tuple[Message, ...]:
        """Return the messages that ask for a repair of the last of ``attempts``.

        Parameters
        ----------
        action : RepairAction
            The arm; its text is the suffix of the system message.
        schema, dialect, question, evidence : str
            As for `generate`.
        attempts : sequence of FailedAttempt
            All attempts so far, the one to be repaired last.
        token : str or None
            What the error complains of, where it names it.
        facts, signals : sequence of str
            What the database holds instead, and what is doubtful of the last attempt, a sentence
            each. They are told where the repairs are grounded: where the text of ``repair`` says
            ``$facts`` or ``$signals``, or else, framed by the text ``facts``, behind the history.
        """
        dialect_name = _DIALECT_NAMES.get(dialect, dialect)
        last = attempts[-1]
        known = (
            {"facts": _listed(facts), "signals": _listed(signals)} if self.grounded else _NOTHING
        )
        frame = Template(self.texts["repair"])
        placed = _places_grounding(frame.template)
        grounding = "" if placed or not any(known.values()) else self._grounding(known)
        user = frame.substitute(
            dialect=dialect_name,
            schema=schema,
            question=question,
            evidence=_hint(evidence),
            sql=last.sql,
            error=last.message,
            token=f"\nIt complains of: {token}" if token else "",
            history=_history(attempts[:-1]) + (grounding if "$history" in frame.template else ""),
            **known,
        )
        if "$history" not in frame.template:
            user += grounding
        notes = _DIALECT_NOTES.get(dialect, "")
        suffix = _filled(self.texts[action], dialect=dialect_name, dialect_notes=notes)
        return (
            {"role": "system", "content": _joined(self._system(dialect_name, schema), suffix)},
            {"role": "user", "content": user},
        )

    def _grounding(self, known: Mapping[str, str]) -> str:
        return "\n\n" + Template(self.texts["facts"]).substitute(known).rstrip()

    def _system(self, dialect_name: str, schema: str) -> str:
        # The schema stands here, before anything that differs from call to call: servers keep
        # what they have read of a common beginning, and the schema is nearly all of a prompt.
        return _filled(self.texts["system"], dialect=dialect_name, schema=schema)


@lru_cache(maxsize=256)  # the same for all questions on a database
def _filled(template: str, **values: str) -> str:
    return Template(template).substitute(values)


@lru_cache(maxsize=16)
def _places_grounding(template: str) -> bool:
    return not {"facts", "signals"}.isdisjoint(Template(template).get_identifiers())


@lru_cache(maxsize=256)  # one object: its hash is kept with it
def _joined(system: str, suffix: str) -> str:
    return f"{system}\n\n{suffix}"


def _listed(sentences: Sequence[str]) -> str:
    return "".join(f"- {sentence}\n" for sentence in sentences)


def _hint(evidence: str) -> str:
    return f"\nHint: {evidence}" if evidence else ""


def _history(earlier: Sequence[FailedAttempt]) -> str:
    if not earlier:
        return ""
    lines = [
        f"{i}. ({a.action}) {_short(a.sql, 300)}\n   -> {_short(a.message, 160)}"
        for i, a in enumerate(earlier, start=1)
    ]
    return "\n\nEarlier attempts that failed too; do not repeat them:\n" + "\n".join(lines)


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _overrides(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        raise ConfigError(f"The prompts folder {shown(folder)} does not exist.")
    texts = {}
    for path in sorted(folder.glob("*.txt")):
        name = path.stem
        if name not in _ALLOWED:
            raise ConfigError(
                f"The prompt file {str(path)!r} has no use; "
                f"a prompts folder may hold: {', '.join(f'{n}.txt' for n in _ALLOWED)}."
            )
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"The prompt file {str(path)!r} cannot be read: {error}.") from error
        if not text:
            raise ConfigError(f"The prompt file {str(path)!r} is empty.")
        template = Template(text)
        known = ", ".join(f"${a}" for a in sorted(_ALLOWED[name]))
        if not template.is_valid():
            raise ConfigError(
                f"The prompt file {str(path)!r} has a stray '$'; write '$$' for a dollar sign."
            )
        for placeholder in template.get_identifiers():
            if placeholder not in _ALLOWED[name]:
                raise ConfigError(
                    f"The prompt file {str(path)!r} uses ${placeholder}; it may use: {known}."
                )
        texts[name] = text
    if not texts:
        raise ConfigError(f"The prompts folder {str(folder)!r} holds no .txt file.")
    return texts
