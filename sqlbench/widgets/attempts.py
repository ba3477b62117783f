"""An attempt as HTML, for the player and the explorer alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlbench import html
from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.episodes.context import Context
from sqlbench.episodes.episode import Step
from sqlbench.policies import Policy
from sqlbench.policies.linucb import LinUCBPolicy
from sqlbench.reports.gold import Beside

SHOWN_ROWS = 10
_BAR = "display:inline-block;height:9px;background:#0072B2"
# With an edge, or it could hardly be seen on either theme's paper.
_WIDTH_BAR = (
    "display:inline-block;height:9px;background:rgba(0,114,178,.35);box-sizing:border-box;"
    "border:1px solid #0072B2"
)


def attempt(step: Step, before: Step | None = None) -> str:
    """Return one attempt as HTML: why, the SQL, its error, the change, the reward.

    Parameters
    ----------
    step : Step
        The attempt.
    before : Step or None
        The attempt before it, to compare the SQL with.
    """
    why = ""
    if step.context is not None:
        chance = "" if step.propensity is None else f", with probability {step.propensity:.3f}"
        why = f", chosen for {step.context.error_class or 'no error seen'}{chance}"
    mark = "✓" if step.success else "✗"
    parts = [
        '<div style="margin-top:12px">'
        f"<b>{html.escape(f'{mark} Attempt {step.attempt}: {step.action}')}</b>"
        f"{html.escape(why)}</div>",
        *_said(step),
        html.note(f"→ {step.outcome}"),
    ]
    if before is not None and step.sql == before.sql:
        parts.append(html.note("The same SQL as before."))
    elif before is not None:
        parts.append(html.fold("Changed since the attempt before", html.diff(before.sql, step.sql)))
    return "".join(parts) + breakdown(step)


def _said(step: Step) -> list[str]:
    """Return the SQL, or the answer in which there was none."""
    if step.sql:
        return [html.code(step.sql, step.offending_token)]
    if step.answer is None:
        return [html.code("(no SQL in the answer)")]
    return [html.note("No SQL in the answer:"), html.code(step.answer)]


def breakdown(step: Step) -> str:
    """Return where an attempt's reward came from, as HTML."""
    b = step.breakdown
    names = ("base", "attempt", "severity", "change", "reward", "task score")
    values = (b.base, b.attempt_penalty, b.severity_bonus, b.change_bonus, step.reward)
    # What is added makes no −0.00 of a penalty that there is not.
    return html.table(names, [(*(f"{v + 0.0:+.2f}" for v in values), f"{step.score:.3f}")])


def scores(
    decided: Mapping[str, float], policy: Policy | None = None, context: Context | None = None
) -> str:
    """Return a policy's scores of all arms as HTML, best first.

    Parameters
    ----------
    decided : mapping of str to float
        The scores.
    policy, context : Policy and Context, or None
        For LinUCB they split a score into its mean and its width.
    """
    parts: dict[str, tuple[float, float]] = {}
    if isinstance(policy, LinUCBPolicy) and context is not None:
        x = policy.vector(context)
        widths = policy.alpha * policy.arms.widths(x)
        pairs = zip(policy.arms.means(x).tolist(), widths.tolist(), strict=True)
        parts = dict(zip(map(str, policy.choices), pairs, strict=True))
    top = max((abs(v) for v in decided.values()), default=0.0) or 1.0
    rows = []
    for arm, score in sorted(decided.items(), key=lambda item: -item[1]):
        mean, width = parts.get(str(arm), (score, 0.0))
        cells = [html.escape(arm), f"{score:.3f}"]
        if parts:
            cells += [f"{mean:+.3f}", f"± {width:.3f}"]
        bars = _bar(_BAR, mean, top) + _bar(_WIDTH_BAR, width, top)
        rows.append("".join(f'<td style="padding:1px 12px 1px 0">{c}</td>' for c in [*cells, bars]))
    names = ("arm", "score", *(("mean", "width (α·√xᵀA⁻¹x)") if parts else ()), "")
    head = "".join(f'<th style="text-align:left;padding-right:12px">{n}</th>' for n in names)
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<table style="font-size:90%"><tr>{head}</tr>{body}</table>'


def gold_beside(beside: Beside) -> str:
    """Return the gold query and both results beside a wrong answer, as HTML.

    Rows that only one of them has are marked: − the gold's that are missing, + those too many.
    """
    parts = ["<b>Gold query</b>", html.code(beside.gold_sql)]
    for outcome in (beside.gold, beside.found):
        if isinstance(outcome, QueryError):
            parts.append(html.problem(outcome.message))
    gold, found = (o if isinstance(o, QueryResult) else None for o in (beside.gold, beside.found))
    difference = beside.difference
    if difference is not None:
        parts.append(html.note(difference))
        rows = [("−", *row) for row in difference.missing[:SHOWN_ROWS]]
        rows += [("+", *row) for row in difference.extra[:SHOWN_ROWS]]
        if rows:
            names = beside.gold.columns if isinstance(beside.gold, QueryResult) else ()
            parts.append(html.marked_rows(("", *names), rows))
    return f'<div class="sqlbench-gold">{"".join(parts)}{rows_beside(found, gold)}</div>'


def rows_beside(found: QueryResult | None, gold: QueryResult | None) -> str:
    """Return a query's first rows beside the gold's, as HTML."""
    boxes = []
    for title, result in (("Its rows", found), ("Gold rows", gold)):
        inside = html.note("none: it did not run") if result is None else _rows(result)
        boxes.append(f'<div style="margin-right:28px;max-width:100%"><b>{title}</b>{inside}</div>')
    return f'<div style="display:flex;flex-wrap:wrap;margin-top:8px">{"".join(boxes)}</div>'


def _rows(result: QueryResult) -> str:
    shown: Sequence[Sequence[object]] = result.rows[:SHOWN_ROWS]
    n = len(result.rows)
    more = f" (the first {SHOWN_ROWS})" if n > SHOWN_ROWS else ""
    return html.note(html.count(n, "row") + more) + html.table(result.columns, shown)


def _bar(style: str, value: float, top: float) -> str:
    width = round(max(0.0, value) / top * 90)
    return f'<span style="{style};width:{width}px"></span>' if width else ""
