"""What is kept for one code is not found by another."""

from __future__ import annotations

from sqlbench.databases import revision
from sqlbench.databases.revision import revision_of


def test_another_part_file_name_or_content_is_another_revision(tmp_path, monkeypatch):
    package = tmp_path / "sqlbench"
    (package / "part").mkdir(parents=True)
    monkeypatch.setattr(revision, "__file__", str(package / "databases" / "revision.py"))
    seen = set()

    def fresh():
        revision_of.cache_clear()
        seen.add(revision_of("part"))
        return len(seen)

    (package / "part" / "a.py").write_text("a = 1\n")
    assert fresh() == 1
    (package / "part" / "b.pyc").write_text("compiled")
    assert fresh() == 1
    (package / "part" / "a.py").write_text("a = 2\n")
    assert fresh() == 2
    (package / "part" / "a.py").rename(package / "part" / "c.py")
    assert fresh() == 3
    (package / "part" / "weights.npz").write_bytes(b"1")
    assert fresh() == 4
    assert revision_of("part", packages=("numpy",)) not in seen
    revision_of.cache_clear()
