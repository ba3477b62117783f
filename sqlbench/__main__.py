"""``python -m sqlbench`` is ``sqlbench``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is still loading ends it quietly too."""
    try:
        from sqlbench.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
