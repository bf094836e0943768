"""A stretch of a run as thresholds see it: the run so far, or what came after a delay. Reads snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from loadgen.ledger import Counts, Ledger

if TYPE_CHECKING:
    from loadgen.result import Requests


class Stretch(Ledger):
    """Counts by when things ended, for at either side of a stretch requests are under way:

        requests = ok + failed + what never ended       the last is known of a `whole` run only, at its end

    So a request that was sent before the stretch and answered in it belongs to it, and one that is in flight
    at the end of a run so far is not held against it. The identities of whole runs do not hold here.
    """

    def __init__(
        self,
        snapshot: Counts,
        *,
        scripted: bool,
        sent: int,
        length_s: float,
        whole: Ledger | None = None,
    ) -> None:
        super().__init__(snapshot, scripted=scripted, sent_in_time=sent, load_s=length_s)
        self._whole = whole
        self.requests = self._ended(self.requests, None)
        self._of_label = {label: self._ended(requests, label) for label, requests in self._of_label.items()}

    def _ended(self, requests: Requests, label: str | None) -> Requests:
        unfinished = (self._whole.count("unfinished", label) or 0) if self._whole else 0
        return msgspec.structs.replace(requests, total=requests.ok + requests.failed + unfinished)

    def lost(self, kind: str, label: str | None) -> int:
        """Samples that died with their worker: at the end of the run they are known."""
        return self._whole.lost(kind, label) if self._whole else 0
