"""The rank-one update is scipy's own, whoever comes first."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sqlbench.policies import blas

SAME = """
import numpy as np
{first}
from sqlbench.policies.blas import rank_one
a, b = np.eye(3), np.eye(3)
x = np.array([0.1, 0.7, 0.3])
rank_one()(-1.0, x, x, a=a.T, overwrite_a=1)
import sys
alone = "scipy.linalg" not in sys.modules
from scipy.linalg.blas import dger
import scipy.linalg
dger(-1.0, x, x, a=b.T, overwrite_a=1)
scipy.linalg.solve(np.eye(2), np.ones(2))
print(alone, rank_one() is dger, a.tobytes() == b.tobytes())
"""


@pytest.mark.parametrize(("first", "alone"), [("", True), ("import scipy.linalg", False)])
def test_it_is_scipys_and_needs_nothing_else_of_it(first, alone):
    command = [sys.executable, "-c", SAME.format(first=first)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(alone), "True", "True"]


def test_where_the_extension_lies_elsewhere_the_package_is_imported(monkeypatch):
    monkeypatch.setattr(blas, "EXTENSION_SUFFIXES", [])
    monkeypatch.delitem(sys.modules, "scipy.linalg._fblas", raising=False)
    update = blas.rank_one.__wrapped__()
    a = np.eye(2)
    update(-1.0, np.ones(2), np.ones(2), a=a.T, overwrite_a=1)
    assert a.tolist() == [[0.0, -1.0], [-1.0, 0.0]]
