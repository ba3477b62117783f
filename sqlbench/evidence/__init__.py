"""Evidence: repair tables, replays of policies on them, and what logs alone can tell.

A table holds the outcome of every arm for every failure; `stacked` decides for many seeds at once.
Uses `runs`, `analysis` and what is below them. Begin with `repair_table`, then `replay`.
"""
