"""`loadgen convert` of a file's text: the script is formatted, passes lints, and tells no secret."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.command import Loadgen
    from tests.support.site import Asked, Site

RUFF = Path(sys.executable).with_name("ruff")
SECRET = "s3cr3t-and-nobody-else"  # noqa: S105


class Converter:
    """Writes into one folder: `script.py` beside the file that it was."""

    def __init__(self, loadgen: Loadgen, folder: Path) -> None:
        self._loadgen = loadgen
        self._folder = folder
        self.notes = ""  # of the last one, as they were printed

    def __call__(self, name: str, text: str, *options: str) -> Path:
        file, script = self._folder / name, self._folder / "script.py"
        file.write_text(text, encoding="utf-8", newline="")
        result = self._loadgen("convert", str(file), "-o", str(script), "--force", *options)
        assert result.exit_code == 0, result
        self.notes = result.stderr
        written = script.read_text(encoding="utf-8")
        assert SECRET not in written + result.stderr
        for command in (
            ["format", "--check", "--line-length", "88"],
            ["check", "--select", "A,B,E,F,I,UP", "--ignore", "E501"],
        ):
            looked = subprocess.run(
                [RUFF, *command, "--isolated", script], capture_output=True, text=True, check=False
            )
            assert looked.returncode == 0, f"{looked.stdout}\n{written}"
        return script

    def asked_by(
        self, script: Path, site: Site, scenarios: int = 1, environment: dict[str, str] | None = None
    ) -> list[Asked]:
        """What one iteration of each scenario asks; every check has passed."""
        iterations = str(20 * scenarios if scenarios > 1 else 1)
        options = ["--users", "1", "--iterations", iterations, "--workers", "1"]
        result = self._loadgen("run", str(script), "--url", site.url, *options, environment=environment)
        assert result.exit_code == 0, result
        assert not [check for check in result.summary["checks"] if check["failed"]], result.summary["checks"]
        return site.asked
