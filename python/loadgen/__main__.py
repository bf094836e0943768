"""The entry point of `loadgen` and of `python -m loadgen`: the way to the command line, and nothing else."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Ctrl-C while the command line is being loaded shows no traceback either."""
    try:
        from loadgen.cli import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
