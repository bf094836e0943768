"""What stands in for modules that are not installed while a file is loaded."""

import subprocess
import sys

WITHOUT_REQUESTS = """
import importlib.util

real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "requests" else real(name, *rest)

from loadgen.importers.locust.modules import stand_in

with stand_in():
    import requests, urllib3
    from requests.auth import HTTPBasicAuth
    from requests.exceptions import ConnectTimeout, JSONDecodeError

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    requests.packages.urllib3.disable_warnings()
    assert requests.codes.ok == 200 and requests.codes.not_found == 404
    assert issubclass(ConnectTimeout, (requests.ConnectionError, requests.Timeout))
    assert issubclass(JSONDecodeError, ValueError)
    try:
        requests.get("http://127.0.0.1")
    except ImportError as error:
        print(error)
"""


def test_a_file_may_name_parts_of_requests_where_it_is_not_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_REQUESTS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "requests is not installed, and would block every user: use self.client\n", (
        done.stderr
    )
