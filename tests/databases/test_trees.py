"""What is parsed here is parsed in silence; what another parses in this process is not."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from sqlbench.databases.trees import parse_all, parse_one

ODD = "VACUUM INTO here"


def test_a_statement_that_sqlglot_only_half_knows_leaves_no_warning(caplog):
    assert isinstance(parse_one(ODD, "sqlite"), exp.Command)
    assert isinstance(parse_all(ODD, "sqlite")[0], exp.Command)
    assert not caplog.records
    sqlglot.parse_one(ODD, read="sqlite")
    assert "unsupported syntax" in caplog.text, "others are told as ever"


def test_what_is_no_sql_raises_as_sqlglot_does(caplog):
    with pytest.raises(sqlglot.errors.SqlglotError):
        parse_one("SELECT FROM WHERE (", "sqlite")
    assert not caplog.records
