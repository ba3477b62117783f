"""Reports: a run as a page that opens offline, an episode as a transcript, an index of all runs.

Uses `runs`, `analysis` and the package's notebooks. Begin with `report`.
"""
