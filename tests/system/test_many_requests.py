"""Many requests through the front door: which one an arrival takes, the rows, what reaches the server."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.nginx import Nginx, find_nginx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import RawServerFactory
    from tests.support.certificates import Certificates
    from tests.support.command import CommandResult, Loadgen
    from tests.support.raw_server import RawConnection

ARRIVALS = 300
TARGET_STREAM = 0x7A26_E700
GOLDEN = 0x9E37_79B9_7F4A_7C15
MASK = (1 << 64) - 1
ECHO = "location / { return 200 ok; } location /body { return 200 ok; }"

needs_nginx = pytest.mark.skipif(find_nginx() is None, reason="nginx is not installed")


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[Nginx]:
    with Nginx(tmp_path / "nginx", locations=ECHO) as server:
        yield server


def blast(loadgen: Loadgen, *arguments: str, workers: int = 1) -> CommandResult:
    result = loadgen(
        *("blast", *arguments, "--tps", str(ARRIVALS), "--duration", "1s", "--no-live"),
        *("--workers", str(workers), "--drain", "10s"),
    )
    assert result.exit_code in (0, 3), result
    assert result.summary["arrivals"]["completed"] == ARRIVALS, result
    return result


def uris(nginx: Nginx) -> Counter[str]:
    nginx.stop()
    return Counter(f"{line.method} {line.uri}" for line in nginx.access_log())


def mixed(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58_476D_1CE4_E5B9 & MASK
    value = (value ^ (value >> 27)) * 0x94D0_49BB_1331_11EB & MASK
    return value ^ (value >> 31)


def uniform(seed: int, number: int) -> float:
    """rust/engine/src/random.rs again, in other words."""
    bits = mixed(mixed(seed * GOLDEN & MASK ^ GOLDEN) + number * GOLDEN & MASK)
    return ((bits >> 11) + 1) / 2**53


@needs_nginx
@pytest.mark.parametrize("workers", [1, 3])
def test_weights_are_drawn_from_seed_and_number(
    loadgen: Loadgen, nginx: Nginx, tmp_path: Path, workers: int
) -> None:
    targets = tmp_path / "targets.txt"
    targets.write_text(f"# shop\n3 GET {nginx.url}/a\n1 DELETE {nginx.url}/b?x=1\n{nginx.url}/c\n")
    result = blast(loadgen, "--targets", str(targets), "--seed", "9", workers=workers)
    expected: Counter[str] = Counter()
    for number in range(ARRIVALS):
        point = uniform(9 ^ TARGET_STREAM, number) * 5
        expected["GET /a" if point <= 3 else "DELETE /b?x=1" if point <= 4 else "GET /c"] += 1
    assert uris(nginx) == expected
    labels = {row["label"]: row["requests"]["total"] for row in result.summary["labels"]}
    assert labels == {name.partition("?")[0]: count for name, count in expected.items()}
    assert "response by label" in result.stdout, result


@needs_nginx
@pytest.mark.parametrize("workers", [1, 3])
def test_rows_are_dealt_by_number(loadgen: Loadgen, nginx: Nginx, tmp_path: Path, workers: int) -> None:
    data = tmp_path / "users.csv"
    names = ["ann", "bob & co", "ça/é?", "", "x%20y", "q\nr", '"']
    rows = "".join('"{}",{}\n'.format(name.replace('"', '""'), place) for place, name in enumerate(names))
    data.write_text("\ufeffuser name,n\n" + rows, encoding="utf-8")
    url = f"{nginx.url}/u/{{{{n}}}}?name={{{{ user name }}}}&k={{{{k}}}}"
    result = blast(loadgen, url, "--data", str(data), workers=workers)
    assert uris(nginx) == Counter(
        f"GET /u/{number % 7}?name={quote(names[number % 7], safe='')}&k={number}"
        for number in range(ARRIVALS)
    )
    assert [row["label"] for row in result.summary["labels"]] == ["GET /u/{n}"]
    assert result.summary["plan"]["mix"]["rows"] == []


@needs_nginx
def test_users_are_numbered_as_they_begin(loadgen: Loadgen, nginx: Nginx) -> None:
    result = loadgen("blast", f"{nginx.url}/{{{{k}}}}", "--users", "3", "-d", "300ms", "-w", "1", "-q")
    nginx.stop()
    numbers = sorted(int(line.uri[1:]) for line in nginx.access_log())
    assert numbers == list(range(len(numbers))), result
    assert len(numbers) == result.summary["requests"]["total"] > 3


@needs_nginx
@pytest.mark.parametrize("workers", [1, 3])
def test_vegetas_text_comes_in_turn_and_to_several_hosts(
    loadgen: Loadgen, nginx: Nginx, tmp_path: Path, workers: int
) -> None:
    (tmp_path / "body.json").write_text('{"n": {{k}}}')
    with Nginx(tmp_path / "other", locations=ECHO) as other:
        targets = tmp_path / "targets.http"
        targets.write_text(
            f"GET {nginx.url}/one\nX-A: b\n\nPOST {other.url}/two\nContent-Type: application/json\n"
            f"@{tmp_path}/body.json\n\nHEAD {nginx.url}/three\n"
        )
        result = blast(loadgen, "--targets", str(targets), workers=workers)
        assert uris(other) == {"POST /two": 100}, result
        assert uris(nginx) == {"GET /one": 100, "HEAD /three": 100}, result


@needs_nginx
def test_a_file_may_mix_schemes(
    loadgen: Loadgen, nginx: Nginx, certificates: Certificates, tmp_path: Path
) -> None:
    with Nginx(tmp_path / "secure", locations=ECHO, tls=certificates.good, http2=True) as secure:
        targets = tmp_path / "targets"
        targets.write_text(f"GET {nginx.url}/clear\nGET {secure.url}/secret\n")
        result = blast(loadgen, "--targets", str(targets), "--cacert", str(certificates.authority))
        assert uris(secure) == {"GET /secret": 150}, result
        assert {line.protocol for line in secure.access_log()} == {"HTTP/2.0"}
        assert uris(nginx) == {"GET /clear": 150}, result
        assert result.summary["requests"]["status"] == {"200": 300}, result


def test_a_host_that_stands_still_does_not_keep_the_others_waiting(loadgen: Loadgen, tmp_path: Path) -> None:
    with Nginx(tmp_path / "quick") as quick:
        targets = tmp_path / "targets.txt"
        targets.write_text(f"/delay/60000\n{quick.url}/\n")
        result = loadgen(
            *("blast", "--targets", str(targets), "--tps", "200", "-d", "1s", "-w", "1", "-q"),
            *("--connections", "10", "--drain", "100ms"),
        )
        counts = {row["label"]: row["requests"] for row in result.summary["labels"]}
        arrivals = result.summary["arrivals"]
    assert counts["GET /"]["ok"] == 100, result
    assert counts["GET /delay/60000"]["ok"] == 0
    assert arrivals["scheduled"] == 200 == arrivals["sent"] + arrivals["cancelled"]
    assert arrivals["cancelled"] > 0
    assert arrivals["sent"] == arrivals["completed"] + arrivals["failed"] + arrivals["unfinished"]


def test_vegetas_json_and_bodies_reach_the_target(loadgen: Loadgen, tmp_path: Path) -> None:
    body = base64.b64encode(b'{"name": "{{name}}"}').decode()
    target = {
        "method": "POST",
        "url": "/echo",
        "body": body,
        "header": {"Content-Type": ["application/json"]},
    }
    (tmp_path / "t.jsonl").write_text(json.dumps(target) + "\n" + json.dumps({"url": "/", "method": "GET"}))
    (tmp_path / "d.jsonl").write_text('{"name": "a\\"b"}\n{"name": 5}\n')
    result = blast(
        loadgen, "--targets", str(tmp_path / "t.jsonl"), "--data", str(tmp_path / "d.jsonl"), "--threshold",
        "POST /echo: requests > 149",
    )  # fmt: skip
    sent = {row["label"]: row["requests"] for row in result.summary["labels"]}
    assert {label: counts["total"] for label, counts in sent.items()} == {"POST /echo": 150, "GET /": 150}


def test_a_hundred_thousand_rows(loadgen: Loadgen, tmp_path: Path) -> None:
    data = tmp_path / "big.csv"
    data.write_text("id\n" + "".join(f"row-{number}\n" for number in range(100_000)))
    result = blast(loadgen, "/?id={{id}}", "--data", str(data), workers=2)
    assert result.summary["plan"]["mix"]["row_count"] == 100_000
    assert (result.run_folder / "plan.json").stat().st_size < 10_000


@pytest.mark.parametrize("from_environment", [False, True])
def test_secrets_are_sent_and_stored_nowhere(
    loadgen: Loadgen, nginx: Nginx, *, from_environment: bool
) -> None:
    flags = () if from_environment else ("--auth", "ann:hush-hush")
    environment = {"LOADGEN_AUTH": "ann:hush-hush"} if from_environment else None
    result = loadgen("blast", nginx.url, *flags, "--tps", "20", "-d", "1s", environment=environment)
    encoded = base64.b64encode(b"ann:hush-hush").decode()
    assert result.summary["requests"]["ok"] == 20
    written = b"".join(file.read_bytes() for file in result.run_folder.iterdir())
    for secret in ("hush-hush", encoded):
        assert secret not in result.stdout + result.stderr
        assert secret.encode() not in written
    assert "(redacted)" in (result.run_folder / "plan.json").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/{{nmae}}", "--data", "d.csv"], ['"{{nmae}}" is not known: there are name, k, uuid']),
        (["/", "--data", "d.csv"], ["--data: no {{name}} of its columns"]),
        (["/{{name}}", "--data", "none.csv"], ["--data: none.csv cannot be read"]),
        (["http://{{name}}/"], ["the host cannot be a {{name}}"]),
        (["--targets", "bad.txt"], ["bad.txt:1: expected", "bad.txt:3: no-such-file cannot be read"]),
        (["--targets", "bad.txt", "--body", "x"], ["bad.txt:1"]),
        (["--targets", "t.txt", "--body", "x"], ["--body: cannot be used with --targets"]),
        (["--targets", "empty.txt"], ["empty.txt: has no requests"]),
        (["--auth", "a:b", "--bearer", "c"], ["--bearer: cannot be used with --auth"]),
        (["--auth", "ab"], ["--auth: expected USER:PASSWORD"]),
        (["--form", "a=b", "-F", "a=b"], ["--multipart: cannot be used with --form"]),
        (["-F", "a=@none"], ["--multipart: none cannot be read"]),
        (["/", "-H", "X-Name: {{name}}", "--data", "lines.csv"], ['row 1: "name" has a line break']),
    ],
)
def test_mistakes_are_told_before_the_run(
    loadgen: Loadgen, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "d.csv").write_text("name\nann\n")
    (tmp_path / "lines.csv").write_text('name\n"a\nb"\n')
    (tmp_path / "t.txt").write_text("/\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "bad.txt").write_text("3 GETT\n/ok\n@no-such-file\n")
    result = loadgen("blast", *arguments, "-d", "100ms", folder=tmp_path)
    assert result.exit_code == 2, result
    for text in words:
        assert text in " ".join(result.stderr.split()), result


def test_what_the_server_reads(loadgen: Loadgen, raw_server: RawServerFactory, tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text('name,n\n"a ""b"" ü",5\n')
    (tmp_path / "upload.txt").write_text("{{name}}")
    read: list[bytes] = []

    def answer(connection: RawConnection) -> None:
        while request := connection.read_request():
            read.append(request)
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = raw_server(answer)
    for body, expected in (
        (("--json", '{"n": {{n}}, "name": "{{name}}"}'), '{"n": 5, "name": "a \\"b\\" ü"}'),
        (("--form", "x y={{name}}"), "x+y=a%20%22b%22%20%C3%BC"),
        (("--body", "{{open}}name}} {{name}}"), '{{name}} a "b" ü'),
        (("-F", "x={{name}}", "-F", f"f=@{tmp_path}/upload.txt"), None),
    ):
        read.clear()
        loadgen(
            *("blast", server.url, *body, "--data", str(tmp_path / "d.csv"), "-H", "X-Name: {{name}}"),
            *("--bearer", "t{{n}}", "--tps", "10", "-d", "100ms", "-w", "1", "-q"),
        )
        (request,) = [found for found in read if found]
        head, _, sent = request.partition(b"\r\n\r\n")
        assert 'X-Name: a "b" ü'.encode() in head.split(b"\r\n")
        assert b"Authorization: Bearer t5" in head.split(b"\r\n")
        assert f"Content-Length: {len(sent)}".encode() in head.split(b"\r\n")
        if expected is not None:
            assert sent.decode() == expected
        else:
            assert b'a "b" \xc3\xbc\r\n' in sent
            assert b"\r\n\r\n{{name}}\r\n" in sent
