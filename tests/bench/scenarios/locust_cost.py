"""Says what Locust's sending costs, apart from its start: `cpu_s` beside its JSON file, for any users."""

import time
from pathlib import Path
from typing import Any

from locust import events

began_at_cpu_s: list[float] = []


@events.test_start.add_listener
def start(**_: object) -> None:
    began_at_cpu_s.append(time.process_time())


@events.test_stop.add_listener
def stop(environment: Any, **_: object) -> None:
    cost_s = time.process_time() - began_at_cpu_s[-1]
    Path(environment.parsed_options.json_file).with_name("cpu_s").write_text(str(cost_s))
