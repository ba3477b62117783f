"""What a sentence lists comes in the order of the statement, whatever Python hashes texts to."""

from __future__ import annotations

import pytest

from sqlbench.databases.base import outcome_of
from sqlbench.signals import diagnose


@pytest.mark.parametrize(
    "numbers", [("907", "13", "4455"), ("13", "907", "4455"), ("'66'", "13", "55")]
)
def test_numbers_come_as_the_statement_has_them(shop, numbers):
    sql = f"SELECT title FROM products WHERE unit_price IN ({', '.join(numbers)})"
    found = diagnose("Which products are dear?", sql, shop, outcome_of(shop, sql))
    (said,) = [s.evidence for s in found.signals if s.name == "number_not_said"]
    assert said == f"The question does not say {', '.join(n.strip(chr(39)) for n in numbers)}."


def test_a_number_that_ends_in_a_point_ends_the_sentence_once(shop):
    sql = "SELECT title FROM products WHERE unit_price > 907."
    found = diagnose("Which products are dear?", sql, shop, outcome_of(shop, sql))
    (said,) = [s.evidence for s in found.signals if s.name == "number_not_said"]
    assert said == "The question does not say 907."
