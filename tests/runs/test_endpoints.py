import json

import pytest

from sqlbench.exceptions import RunFolderError
from sqlbench.runs.endpoints import endpoint_notes, endpoints_with


def test_a_second_endpoint_is_kept_beside_the_first_and_said():
    meta = {"endpoints": endpoints_with({}, {"openai:m": "http://one/v1"})}
    assert endpoint_notes(meta) == []
    assert endpoints_with(meta, {"openai:m": "http://one/v1"}) == meta["endpoints"]
    meta = {"endpoints": endpoints_with(meta, {"openai:m": "http://two/v1"})}
    assert meta["endpoints"] == {"openai:m": ["http://one/v1", "http://two/v1"]}
    (note,) = endpoint_notes(meta)
    assert "openai:m was asked at 2 endpoints (http://one/v1, http://two/v1)" in note


def test_no_password_and_no_query_is_kept():
    found = endpoints_with({}, {"openai:m": "https://me:secret@host:8000/v1?key=secret#secret"})
    assert found == {"openai:m": ["https://host:8000/v1"]}


@pytest.mark.parametrize(
    "damaged", [["http://one"], {"openai:m": 5}, {"openai:m": [5]}, {"openai:m": "http://one"}, "x"]
)
def test_a_damaged_record_is_said(damaged):
    with pytest.raises(RunFolderError, match="its endpoints are"):
        endpoints_with(json.loads(json.dumps({"endpoints": damaged})), {})
