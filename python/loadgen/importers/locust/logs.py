"""What Locust files log, shown as Locust shows it."""

from __future__ import annotations

import logging

_FORMAT = "[%(asctime)s] %(levelname)s/%(name)s: %(message)s"


def setup_logging(loglevel: str = "INFO", logfile: str | None = None) -> None:
    """From this level on, on standard error or in a file. Where it is set up already it stays so."""
    logging.basicConfig(filename=logfile, level=str(loglevel).upper(), format=_FORMAT)
