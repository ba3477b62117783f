"""``python -m sqlbench`` is ``sqlbench``."""

from sqlbench.cli import main

main()
