"""The simulated model: it plants real faults in the gold query, and mends them by a matrix.

Uses `grading` (a variant that gives the gold's result is no fault). Begin with `simulated`, then
`profile` (how often what fails) and `faults` (what was verified to fail).
"""
