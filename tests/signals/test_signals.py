"""Each signal where it speaks, where it does not, and where it cannot know."""

from __future__ import annotations

import pytest

from sqlbench.databases import QueryError
from sqlbench.signals.reading import Reading
from sqlbench.signals.registry import NAMES, SIGNALS, measure

NAMED = "SELECT full_name FROM customers"
COUNTED = "SELECT count(*) FROM customers"
PLACED = "SELECT status, placed_on FROM orders"
BY_CITY = "SELECT city, count(*) FROM customers GROUP BY city"
JOINED = (
    "SELECT T1.full_name FROM customers AS T1 JOIN orders AS T2 ON T1.customer_id = T2.customer_id"
)
FAR = JOINED.replace("orders", "order_lines").replace("T2.customer_id", "T2.order_id")
PRICED = "SELECT title FROM products WHERE unit_price "
DATED = "SELECT status FROM orders WHERE placed_on = "
DEAR = "SELECT title FROM products ORDER BY unit_price DESC LIMIT 1"
CHEAP = "SELECT title FROM products ORDER BY unit_price LIMIT 1"
NAMES_Q = "What are the full names of all customers?"
MANY_Q = "How many customers are there?"
EACH_Q = "How many customers are there in each city?"
DIFF_Q, MEAN_Q = "Which different cities?", "What is the average unit price?"
IDS_Q = "What are the ids of customers?"
DEAR_Q = "What is the title of the product with the highest unit price?"

# A signal; an answer on which it speaks, as question and statement; one on which it does not.
SPEAKS = {
    "raised": ((NAMES_Q, "SELECT fullname FROM customers"), (NAMES_Q, NAMED)),
    "severity_raised": ((NAMES_Q, "SELECT fullname FROM customers"), (NAMES_Q, NAMED)),
    "empty": ((NAMES_Q, NAMED + " WHERE city = 'Rome'"), (NAMES_Q, NAMED)),
    "all_null": (("In which city is Cy Fox?", "SELECT city FROM customers WHERE city IS NULL"),
                 (NAMES_Q, NAMED)),
    "null_column": ((NAMES_Q, "SELECT full_name, NULL FROM customers"), (NAMES_Q, NAMED)),
    "null_share": (("Which cities?", "SELECT city FROM customers"), (NAMES_Q, NAMED)),
    "one_zero": ((MANY_Q, COUNTED + " WHERE city = 'Rome'"), (MANY_Q, COUNTED)),
    "duplicate_rows": ((NAMES_Q, JOINED), (NAMES_Q, NAMED)),
    "constant_column": (("Which?", "SELECT 1, full_name FROM customers"), (NAMES_Q, NAMED)),
    "twin_columns": (("Which?", "SELECT order_id, order_id FROM orders"), (NAMES_Q, NAMED)),
    "echo": (("Which customers are in Paris?", "SELECT city FROM customers WHERE city = 'Paris'"),
             ("Which customers are in Paris?", NAMED + " WHERE city = 'Paris'")),
    "more_than_tables": ((NAMES_Q, "SELECT full_name FROM customers, orders"), (NAMES_Q, NAMED)),
    "literal_absent": ((NAMES_Q, NAMED + " WHERE city = 'Rome'"),
                       (NAMES_Q, NAMED + " WHERE city = 'Paris'")),
    "literal_other_case": ((NAMES_Q, NAMED + " WHERE city = 'paris'"),
                           (NAMES_Q, NAMED + " WHERE city = 'Rome'")),
    "literal_elsewhere": ((NAMES_Q, NAMED + " WHERE full_name = 'Paris'"),
                          (NAMES_Q, NAMED + " WHERE full_name = 'Rome'")),
    "literal_not_said": (("Who is in Paris?", NAMED + " WHERE city = 'Berlin'"),
                         ("Who is in Paris?", NAMED + " WHERE city = 'Paris'")),
    "quoted_unused": (('Who is in "Paris"?', NAMED), ('Who is in "Paris"?', NAMED
                      + " WHERE city = 'Paris'")),
    "value_unused": (("Who is in Berlin?", NAMED), ("Who is in Berlin?", NAMED
                     + " WHERE city = 'Berlin'")),
    "value_elsewhere": (("Who is in Berlin?", NAMED + " WHERE full_name = 'Berlin'"),
                        ("Who is in Berlin?", NAMED + " WHERE city = 'Berlin'")),
    "number_unused": (("Which products cost 20?", "SELECT title FROM products"),
                      ("Which products cost 20?", PRICED + "= 20")),
    "number_not_said": (("Which are dear?", PRICED + "> 50"),
                        ("Which cost over 50?", PRICED + "> 50")),
    "off_by_one": (("Which cost over 50?", PRICED + "> 51"),
                   ("Which cost over 50?", PRICED + "> 50")),
    "unlike_types": (("Which order is 10?", "SELECT status FROM orders WHERE status = 10"),
                     ("Which order is 10?", "SELECT status FROM orders WHERE order_id = 10")),
    "date_format": (("Which were placed?", DATED + "'02/01/2024'"),
                    ("Which were placed?", DATED + "'2024-01-02'")),
    "equals_many_words": ((NAMES_Q, NAMED + " WHERE city LIKE '%Paris%'"),
                          (NAMES_Q, NAMED + " WHERE city LIKE '%Par%'")),
    "unknown_names": ((NAMES_Q, "SELECT fullname FROM customers"), (NAMES_Q, NAMED)),
    "column_said_unused": (("What are the full name and city of each?", NAMED), (NAMES_Q, NAMED)),
    "table_said_unused": (("Which customers have orders?", NAMED),
                          ("Which customers have orders?", JOINED)),
    "selected_unsaid": (("What are the titles?", "SELECT category FROM products"),
                        ("What are the titles?", "SELECT title FROM products")),
    "selects_condition": ((NAMES_Q, "SELECT city FROM customers WHERE city = 'Paris'"),
                          (NAMES_Q, NAMED + " WHERE city = 'Paris'")),
    "selects_id": ((NAMES_Q, "SELECT customer_id FROM customers"), (NAMES_Q, NAMED)),
    "selects_name_for_id": ((IDS_Q, NAMED),
                            (IDS_Q, "SELECT customer_id FROM customers")),
    "name_not_selected": ((NAMES_Q, "SELECT city FROM customers"), (NAMES_Q, NAMED)),
    "join_without_condition": ((NAMES_Q, "SELECT full_name FROM customers JOIN orders"),
                               (NAMES_Q, JOINED)),
    "join_off_key": ((NAMES_Q, FAR), (NAMES_Q, JOINED)),
    "table_unused": ((NAMES_Q, JOINED), (NAMES_Q, JOINED + " WHERE T2.status = 'open'")),
    "join_path_misses": ((NAMES_Q, FAR), (NAMES_Q, JOINED)),
    "left_join_undone": (
        (NAMES_Q, JOINED.replace("JOIN", "LEFT JOIN") + " WHERE T2.status = 'open'"),
        (NAMES_Q, JOINED.replace("JOIN", "LEFT JOIN"))),
    "selects_reference": (("Who placed orders?", "SELECT customer_id FROM orders"),
                          (NAMES_Q, NAMED)),
    "selects_surrogate": ((NAMES_Q, "SELECT customer_id FROM customers"), (NAMES_Q, NAMED)),
    "negated_on_many": (
        ("Who has no open order?", JOINED + " WHERE T2.status != 'open'"),
        ("Who has an open order?", JOINED + " WHERE T2.status = 'open'")),
    "equals_null": ((NAMES_Q, NAMED + " WHERE city = NULL"),
                    (NAMES_Q, NAMED + " WHERE city IS NULL")),
    "count_asked_not_given": ((MANY_Q, NAMED), (MANY_Q, COUNTED)),
    "count_given_not_asked": ((NAMES_Q, COUNTED), (MANY_Q, COUNTED)),
    "group_asked_not_given": ((EACH_Q, COUNTED), (EACH_Q, BY_CITY)),
    "extreme_asked_not_given": ((DEAR_Q, "SELECT title FROM products"), (DEAR_Q, DEAR)),
    "order_given_not_asked": ((NAMES_Q, NAMED + " ORDER BY city"), (DEAR_Q, DEAR)),
    "sort_asked_not_given": (("List names ordered by city", NAMED),
                             ("List names ordered by city", NAMED + " ORDER BY city")),
    "direction_wrong": ((DEAR_Q, CHEAP), (DEAR_Q, DEAR)),
    "limit_without_order": ((NAMES_Q, NAMED + " LIMIT 1"), (DEAR_Q, DEAR)),
    "distinct_asked_not_given": ((DIFF_Q, "SELECT city FROM customers"),
                                 (DIFF_Q, "SELECT DISTINCT city FROM customers")),
    "negation_asked_not_given": (("Who is not in Paris?", NAMED + " WHERE city = 'Paris'"),
                                 ("Who is not in Paris?", NAMED + " WHERE city != 'Paris'")),
    "average_mismatch": ((MEAN_Q, "SELECT sum(unit_price) FROM products"),
                         (MEAN_Q, "SELECT avg(unit_price) FROM products")),
    "bound_direction": (("Which cost more than 50?", PRICED + "< 50"),
                        ("Which cost more than 50?", PRICED + "> 50")),
    "bound_equal": (("Which cost at least 20?", PRICED + "> 20"),
                    ("Which cost at least 20?", PRICED + ">= 20")),
    "part_mismatch": (("What percentage is open?", "SELECT count(*) FROM orders"),
                      ("What percentage is open?", "SELECT 100.0 * 1 / count(*) FROM orders")),
    "star_selected": ((NAMES_Q, "SELECT * FROM customers"), (NAMES_Q, NAMED)),
    "one_row_for_each": ((EACH_Q, COUNTED), (EACH_Q, BY_CITY)),
    "many_without_number": ((MANY_Q, NAMED), (MANY_Q, COUNTED)),
    "bare_column": ((NAMES_Q, "SELECT full_name, count(*) FROM customers GROUP BY city"),
                    (EACH_Q, BY_CITY)),
    "group_useless": ((NAMES_Q, NAMED + " GROUP BY full_name"), (EACH_Q, BY_CITY)),
    "integer_division": (("What ratio?", "SELECT count(*) / 2 FROM orders"),
                         ("What ratio?", "SELECT count(*) / 2.0 FROM orders")),
    "not_in_nulls": (
        (NAMES_Q, NAMED + " WHERE full_name NOT IN (SELECT city FROM customers)"),
        (NAMES_Q, NAMED + " WHERE city NOT IN (SELECT full_name FROM customers)")),
    "subquery_unlike": ((NAMES_Q, NAMED + " WHERE city IN (SELECT status FROM orders)"),
                        (NAMES_Q, NAMED + " WHERE customer_id IN"
                         " (SELECT customer_id FROM orders)")),
    "same_column_twice": ((NAMES_Q, NAMED + " WHERE city = 'Paris' AND city = 'Berlin'"),
                          (NAMES_Q, NAMED + " WHERE city = 'Paris' OR city = 'Berlin'")),
    "average_of_text": (("Average?", "SELECT avg(status) FROM orders"),
                        ("Average?", "SELECT avg(unit_price) FROM products")),
    "cut_tie": (("Which status is most common?", "SELECT city FROM customers GROUP BY city "
                 "ORDER BY count(*) DESC LIMIT 1"), (DEAR_Q, DEAR)),
    "null_extreme": (("Which is first?", NAMED + " ORDER BY city LIMIT 1"), (DEAR_Q, DEAR)),
    "subquery_rows": (
        (NAMES_Q, NAMED + " WHERE customer_id = (SELECT customer_id FROM orders)"),
        (NAMES_Q, NAMED + " WHERE customer_id = (SELECT customer_id FROM orders LIMIT 1)")),
    "counted_twice": ((MANY_Q, JOINED.replace("T1.full_name", "count(T1.customer_id)")),
                      (MANY_Q, JOINED.replace("T1.full_name", "count(T2.order_id)"))),
    "condition_idle": (("Which?", PRICED + "> 0"),
                       ("Which?", PRICED + "> 15")),
    "empty_by_literal": ((NAMES_Q, NAMED + " WHERE city = 'Rome'"), (NAMES_Q, NAMED)),
    "empty_join": ((NAMES_Q, FAR), (NAMES_Q, JOINED)),
}  # fmt: skip


def reading(database, question: str, sql: str) -> Reading:
    try:
        outcome = database.execute(sql)
    except QueryError as error:
        outcome = error
    return Reading(question, sql, database, outcome)


def values(database, question: str, sql: str) -> dict[str, float | None]:
    return {s.name: s.value for s in measure(reading(database, question, sql))}


@pytest.mark.parametrize("name", SPEAKS)
def test_speaks_where_it_should_and_only_there(shop, name):
    definition = next(d for d in SIGNALS if d.name == name)
    there, elsewhere = SPEAKS[name]
    loud = definition.read(reading(shop, *there))
    assert loud.value, f"{name} is silent on {there}"
    assert not definition.read(reading(shop, *elsewhere)).value, f"{name} speaks on {elsewhere}"


def test_sentences_come_with_the_value_alone(shop):
    for question, sql in {case for pair in SPEAKS.values() for case in pair}:
        for signal in measure(reading(shop, question, sql)):
            assert signal.value or not signal.evidence, signal
            assert not signal.evidence or signal.evidence.endswith("."), signal


def test_every_signal_says_what_it_is():
    assert len(set(NAMES)) == len(NAMES)
    for definition in SIGNALS:
        assert definition.about.endswith("."), definition.name
        assert definition.reads


def test_statement_that_does_not_parse_leaves_its_signals_unknown(shop):
    found = values(shop, NAMES_Q, "SELEC full_name FRM customers")
    assert found["raised"] == 1
    assert found["parses"] == 1
    assert found["asks_many"] == 0
    assert {d.name for d in SIGNALS if found[d.name] is None} >= {
        "literal_absent", "empty", "joins", "selected_score", "cut_tie", "bare_column",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["cut_tie", "subquery_rows", "counted_twice", "not_in_nulls",
                                  "condition_idle"])  # fmt: skip
def test_limit_hit_in_an_extra_query_is_unknown_and_never_false(shop, name, monkeypatch):
    answer = reading(shop, *SPEAKS[name][0])
    monkeypatch.setattr(answer.catalogue, "ask", lambda sql: None)
    found = next(d for d in SIGNALS if d.name == name).read(answer)
    assert found.value is None
    assert found.evidence == ""


def test_extra_queries_are_counted(shop):
    answer = reading(shop, NAMES_Q, NAMED)
    answer.probes = 1
    assert answer.ask("SELECT 1") == [(1,)]
    assert answer.ask("SELECT 1") is None


def test_empty_question_and_empty_statement(shop):
    assert values(shop, "", NAMED)["raised"] == 0
    assert values(shop, "", "")["raised"] == 1


def test_same_on_both_engines(either):
    found = values(either, "Who is in Rome?", NAMED + " WHERE city = 'Rome'")
    assert (found["literal_absent"], found["empty"], found["raised"]) == (1, 1, 0)
    assert values(either, NAMES_Q, FAR)["join_off_key"] == 1


@pytest.mark.parametrize(
    "condition",
    ["substr(placed_on, 1, 4) = '2024'", "strftime('%Y', placed_on) = '2024'",
     "coalesce(status, 'lost') = 'open'", "status || 'x' = 'openx'", "upper(status) = 'OPEN'",
     "status = 'OPEN' COLLATE NOCASE", "lower(order_id) = '10'"],
)  # fmt: skip
def test_a_column_need_not_hold_what_a_function_is_told_or_makes_of_it(shop, condition):
    sql = f"SELECT order_id, status, placed_on FROM orders WHERE {condition}"
    found = values(shop, "Which orders are of 2024, and open?", sql)
    for name in ("literal_absent", "literal_other_case", "literal_elsewhere", "value_elsewhere",
                 "unlike_types", "date_format", "same_column_twice"):  # fmt: skip
        assert found[name] == 0, name


@pytest.mark.parametrize(
    "made", ["strftime('%Y', placed_on)", "substr(placed_on, 1, 4)", "left(placed_on, 4)"]
)
def test_no_question_need_say_how_a_function_is_to_work(shop, made):
    found = values(shop, "Which 5 orders are of 2024?",
                   f"SELECT order_id FROM orders WHERE {made} = '2024' LIMIT 5")  # fmt: skip
    for name in ("literal_not_said", "number_not_said", "off_by_one", "number_unused"):
        assert found[name] == 0, name


def test_an_empty_result_is_not_laid_on_a_literal_that_is_there_in_another_case(shop):
    sql = NAMED + " WHERE lower(city) = 'paris' AND customer_id = 2"
    assert values(shop, NAMES_Q, sql)["empty_by_literal"] == 2


def test_hint_names_columns_and_texts(shop):
    question = "Who is in Paris?\nin Paris refers to customers.city = 'Paris'"
    found = values(shop, question, NAMED)
    assert found["hint_text_unused"] == 1
    assert found["hint_column_unused"] == 1
    assert found["quoted_unused"] == 1
    right = values(shop, question, NAMED + " WHERE city = 'Paris'")
    assert right["hint_text_unused"] == right["hint_column_unused"] == 0
    assert values(shop, "Who is in Paris?", NAMED)["hint_text_unused"] is None
