"""One probe of a search, made against the embedded target: how it ends the search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loadgen import probing
from loadgen.errors import ExitCode
from loadgen.plan import Plan
from loadgen.run import Conductor, see_through
from loadgen.slo import parse_slo

if TYPE_CHECKING:
    from pathlib import Path

    from loadgen.result import Result


@pytest.mark.parametrize("late", [False, True])
def test_an_interrupt_that_comes_when_the_run_is_over_still_ends_the_search(
    late: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def see_through_and_interrupt(conductor: Conductor) -> Result:
        result = see_through(conductor)
        if late:
            conductor.interrupt_from_outside("interrupted")
        return result

    monkeypatch.setattr(probing, "see_through", see_through_and_interrupt)
    prober = probing.Prober(Plan(rate=100, workers=1), parse_slo("errors < 90%"), tmp_path)
    probe = prober(200, 1)
    assert (probe.exit_code == ExitCode.INTERRUPTED) == late
    assert probe.of[0] > 100 and probe.folder == str(tmp_path / "probe-01")
