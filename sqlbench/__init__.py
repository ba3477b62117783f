"""sqlbench."""
