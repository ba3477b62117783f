"""What is kept on disk comes back in another process, and a damaged file does no harm."""

from __future__ import annotations

import pytest

from sqlbench.databases.kept import KeptOnDisk
from sqlbench.databases.revision import revision_of


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept():
    """Return what a fresh process has."""
    return KeptOnDisk("things", "paths.py")


@pytest.mark.parametrize("value", [False, True, ["a", "b"], {"a": None}, "text", 1.5])
def test_another_process_reads_what_was_kept(cache, value):
    kept().keep("key", value)
    assert kept().get("key") == value and kept().get("other") is None


def test_the_last_value_counts_and_two_processes_share_a_file(cache):
    first, second = kept(), kept()
    first.keep("a", 1)
    second.keep("b", 2)
    first.keep("a", 3)
    assert (kept().get("a"), kept().get("b")) == (3, 2)


@pytest.mark.parametrize("damage", [b"no database" * 500, b""])
def test_a_damaged_file_is_made_anew(cache, damage):
    kept().keep("key", 1)
    kept().path.write_bytes(damage)
    assert kept().get("key") is None
    kept().keep("key", 2)
    assert kept().get("key") == 2


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "file"))
    here = kept()
    here.keep("key", 1)
    assert here.get("key") == 1 and kept().get("key") is None


def test_other_code_has_a_file_of_its_own(cache):
    kept().keep("key", 1)
    assert KeptOnDisk("things", "words.py").get("key") is None
    assert revision_of("paths.py") != revision_of("words.py")
