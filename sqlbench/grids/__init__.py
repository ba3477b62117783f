"""Many runs: a grid's cells in worker processes or on a cluster, comparisons, sweeps.

Uses `runs` and what is below it. Begin with `grid`; `compare` and `sweep` are its two users.
"""
