"""The official evaluators' verdicts on what 88 real systems answered."""

import pytest
from official_verdicts import differences, read_systems


@pytest.mark.slow
@pytest.mark.shared
def test_a_seeded_tenth_of_the_systems_answers_is_judged_as_the_evaluators_do(spider_dir):
    # `bench_systems.py` takes all of them.
    records = read_systems(spider_dir, share=0.1)
    assert len(records) > 2_800
    assert differences(spider_dir, records) == []
