"""Runs: many episodes of one configuration, resumable, with the same bytes every time.

Uses `environment` and what is below it; knows no figure and no report. Begin with `experiment`
(runs it), then `run` (a finished or broken-off run, read back) and `config` (what it depends on).
"""
