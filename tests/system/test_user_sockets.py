"""WebSockets of scenarios: what scripts see of them, and what is counted, through the front door."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from tests.support.socket_scripts import ONE, TEN, assert_checked, balanced, counter, requests_of, scenario
from tests.support.socket_server import SocketServer
from tests.support.web_sockets import wait_for

if TYPE_CHECKING:
    from websockets.sync.server import ServerConnection

    from tests.conftest import Target
    from tests.support.scripts import Scripts


def test_messages_come_back_as_they_were(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo", subprotocols=["v1"], deflate=True) as ws:',
            '    user.expect(ws.open and ws.subprotocol == "v1", "open")',
            '    for message in ("Gr\\u00fc\\u00dfe", b"\\x00\\xff", {"id": 1}, bytearray(b"x")):',
            "        await ws.send(message)",
            "    found = await ws.take(4)",
            '    user.expect(found == ["Gr\\u00fc\\u00dfe", b"\\x00\\xff", \'{"id":1}\', b"x"], f"{found}")',
            "    before_ns, rtt = ws.received_ns, await ws.ping()",
            '    user.expect(before_ns > 0 and 0 < rtt < 10, "stamped")',
            'user.expect(not ws.open and ws.close_code == 1000, "closed")',
        ),
        *("--url", target.url, *TEN),
    )
    assert_checked(told)
    asked = requests_of(told, "WS /ws/echo")
    assert (asked["ok"], asked["failed"], asked["status"]) == (10, 0, {"101": 10})
    assert requests_of(told, "WS /ws/echo session")["ok"] == 10
    counts = ("sockets opened", "messages sent", "messages received", "pongs received", "close 1000")
    assert [counter(told, name) for name in counts] == [10, 40, 40, 10, 10]
    assert counter(told, "bytes sent") == counter(told, "bytes received") == 10 * (7 + 2 + 8 + 1)
    assert told.summary["metrics"]["ping"]["count"] == 10
    assert counter(told, "sockets left open") == counter(told, "sockets lost") == 0
    stats = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert stats["close_codes"]["received"] == {"1000": 10}


def test_each_reply_finds_who_asked_for_it(scripts: Scripts) -> None:
    def behave(connection: ServerConnection) -> None:
        """Answers in pairs, the second first, with an event between."""
        while True:
            first, second = connection.recv(), connection.recv()
            for message in (second, '{"event": 1}', first):
                connection.send(message)

    with SocketServer(behave) as server:
        told = scripts(
            scenario(
                f'async with user.ws("{server.url}/rpc?x=1") as ws:',
                "    asked = [ws.request({'id': n}, correlate='id', name='ask') for n in (7, 8)]",
                "    found = [json.loads(reply)['id'] for reply in await asyncio.gather(*asked)]",
                '    user.expect(found == [7, 8], f"{found}")',
                "    user.expect(await ws.recv() == '{\"event\": 1}', 'others wait')",
                "    await ws.send('{}')",
                "    found = await ws.request('x', reply=lambda m: m == '{}', name='by function')",
                "    user.expect(found == '{}' and await ws.take(2) == ['x', '{\"event\": 1}'], f'{found}')",
            ),
            *("--url", server.base, *TEN),
        )
    assert_checked(told)
    assert [requests_of(told, name)["ok"] for name in ("ask", "by function")] == [20, 10]
    assert server.closes == [(1000, "")] * 10


def test_events_of_a_feed_have_exact_ages(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "for _ in range(5):",
            "    event = json.loads(await user.data['feed'].recv(timeout='10s'))",
            "    age_ms = (user.data['feed'].received_ns - event['ts_ns']) / 1e6",
            "    user.expect(age_ms >= 0, 'nothing comes before it happened')",
            "    user.trend('delivery', age_ms)",
            head="""\
@session
async def subscribed(user: User):
    async with user.ws("/ws/feed") as ws:
        message = {"op": "subscribe", "id": user.id, "channel": "transactions"}
        reply = json.loads(await ws.request(message, correlate="id", name="subscribe"))
        user.expect(reply["op"] == "subscribed", "subscribed")
        user.data["feed"] = ws
        yield
""",
        ),
        *("--url", target.url, "--users", "4", "--iterations", "8", "--workers", "2", "--drain", "5s"),
    )
    assert_checked(told)
    assert told.summary["metrics"]["delivery"]["count"] == 40
    assert requests_of(told, "subscribe")["ok"] == requests_of(told, "WS /ws/feed")["ok"] == 4
    assert requests_of(told, "WS /ws/feed session")["failed"] == 0


def test_one_that_the_server_closes_fails_what_waits_for_it(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo?close_after=2") as ws:',
            "    for _ in range(3):",
            "        await ws.request('x', name='ask')",
        ),
        *("--url", target.url, *TEN),
    )
    arrivals = balanced(told)
    assert (arrivals["completed"], arrivals["failed"]) == (0, 10)
    assert requests_of(told, "ask")["errors"] == {"ws_closed": 10} == requests_of(told, "use")["errors"]
    assert requests_of(told, "ask")["ok"] == 20
    assert told.summary["script"]["errors"] == [] and told.exit_code == 0, told.result


def test_who_reads_to_the_end_is_not_disturbed_by_it(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo?close_after=3") as ws:',
            "    for number in range(3):",
            "        await ws.send(f'{number}')",
            "    found = [message async for message in ws]",
            "    user.expect(found == ['0', '1', '2'] and ws.close_code == 1000, f'{found}')",
            "    try:",
            "        await ws.send('more')",
            "    except SocketClosed as error:",
            "        user.expect((error.kind, error.code) == ('ws_closed', 1000), f'{error}')",
        ),
        *("--url", target.url, *TEN),
    )
    assert_checked(told)
    assert balanced(told)["completed"] == 10
    assert requests_of(told, "WS /ws/echo session")["ok"] == 10


def test_one_that_breaks_is_lost(scripts: Scripts) -> None:
    def behave(connection: ServerConnection) -> None:
        connection.send("last")
        connection.socket.close()

    with SocketServer(behave) as server:
        told = scripts(
            scenario(
                'async with user.ws("/") as ws:',
                "    user.expect(await ws.recv() == 'last', 'what came is taken')",
                "    await ws.recv()",
            ),
            *("--url", server.base, *TEN),
        )
    assert_checked(told)
    assert (
        requests_of(told, "use")["errors"]
        == requests_of(told, "WS / session")["errors"]
        == {"ws_abnormal_close": 10}
    )
    assert counter(told, "sockets lost") == counter(told, "close 1006") == 10


def test_refused_and_never_answered(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "try:",
            '    await user.ws("/ws/echo?status=403", name="refused").open()',
            "except SocketClosed as error:",
            "    user.expect((error.kind, error.status, error.code) == ('ws_refused', 403, None), 'refused')",
            'async with user.ws("/ws/echo?never=1", name="never", timeout=0.1):',
            "    user.expect(False, 'it is not entered')",
        ),
        *("--url", target.url, *TEN),
    )
    assert_checked(told)
    assert requests_of(told, "refused")["errors"] == {"ws_refused": 10}
    assert requests_of(told, "never")["errors"] == {"timeout": 10} == requests_of(told, "use")["errors"]
    assert counter(told, "refused 403") == 10


def test_a_name_without_an_address(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "try:",
            '    await user.ws("ws://nowhere.invalid/feed").open()',
            "except SocketClosed as error:",
            "    user.expect(error.kind == 'name_not_resolved', f'{error}')",
        ),
        *("--url", target.url, *ONE),
    )
    assert_checked(told)
    assert requests_of(told, "WS nowhere.invalid/feed")["errors"] == {"name_not_resolved": 1}


def test_a_reply_that_does_not_come_is_a_failure_and_no_error(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo") as ws:',
            "    try:",
            "        await ws.request('x', reply=lambda _: False, timeout='50ms', name='caught')",
            "    except NoReply as error:",
            "        user.expect(await ws.recv() == 'x', f'{error}')",
            "    await ws.request('x', reply=lambda _: False, timeout=0.05, name='raised')",
        ),
        *("--url", target.url, *TEN),
    )
    assert_checked(told)
    assert requests_of(told, "caught")["errors"] == requests_of(told, "raised")["errors"] == {"timeout": 10}
    assert balanced(told)["failed"] == 10


def test_who_is_cancelled_while_waiting_loses_nothing(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo?delay=300") as ws:',
            "    await ws.send('late')",
            "    for wait in (ws.recv(), ws.recv(timeout=0.02)):",
            "        try:",
            "            await asyncio.wait_for(wait, 0.02)",
            "        except TimeoutError:",
            "            user.expect(True, 'cancelled')",
            "    user.expect(await ws.recv() == 'late', 'it comes all the same')",
        ),
        *("--url", target.url, *ONE),
    )
    assert_checked(told)
    (cancelled,) = [check for check in told.summary["checks"] if check["name"] == "cancelled"]
    assert cancelled["passed"] == 2


def test_the_end_of_the_run_breaks_off_who_waits(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo") as ws:',
            "    user.expect(True, 'opened')",
            "    await ws.request('x', reply=lambda _: False, timeout='1h', name='ask')",
        ),
        *("--url", target.url, "--users", "3", "--duration", "300ms", "--workers", "1", "--drain", "0s"),
    )
    assert_checked(told)
    asked = requests_of(told, "ask")
    assert (asked["total"], asked["ok"], asked["failed"]) == (3, 0, 0), told.result
    stats = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert stats["close_codes"]["received"] == {"1000": 3}


def test_a_thousand_users_leave_theirs_open_and_all_are_closed(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "if 'ws' not in user.data:",
            '    user.data["ws"] = await user.ws("/ws/echo", timeout="30s").open()',
            "reply = await user.data['ws'].request(f'{user.id}', timeout='30s', name='ask')",
            "user.expect(reply == f'{user.id}', 'its own')",
        ),
        *("--url", target.url, "--users", "1000", "--iterations", "3000", "--workers", "2", "--drain", "20s"),
    )
    assert_checked(told)
    opened = requests_of(told, "WS /ws/echo")["ok"]
    assert requests_of(told, "ask")["ok"] == 3000
    assert 0 < opened <= 1000
    assert counter(told, "sockets left open") == opened == counter(told, "close 1000")
    stats = wait_for(target.url, lambda found: found["connections"]["open"] == 0)
    assert stats["connections"]["opened"] == opened
    assert stats["close_codes"]["received"] == {"1000": opened}


def test_a_server_that_says_too_much_must_wait(scripts: Scripts) -> None:
    said, at_mark = [0], []

    def behave(connection: ServerConnection) -> None:
        marked = threading.Thread(target=lambda: at_mark.append((connection.recv(), said[0])))
        marked.start()
        for _ in range(300):
            connection.send(b"x" * 100_000)
            said[0] += 1
        marked.join()
        connection.recv()

    with SocketServer(behave) as server:
        told = scripts(
            scenario(
                'async with user.ws("/", ping="50ms", timeout="10s") as ws:',
                "    await user.pause(0.5)",
                "    await ws.send('mark')",
                "    found = await ws.take(300)",
                "    user.expect({len(one) for one in found} == {100_000}, 'all of it')",
                "    await ws.send('end')",
            ),
            *("--url", server.base, *ONE),
        )
    assert_checked(told)
    assert balanced(told)["completed"] == 1, told.result
    ((mark, said_by_then),) = at_mark
    assert mark == "mark" and said_by_then < 250


def test_who_says_more_than_the_server_takes_must_wait(scripts: Scripts) -> None:
    takes = threading.Event()

    def behave(connection: ServerConnection) -> None:
        assert connection.request is not None
        if connection.request.path == "/take":
            return takes.set()
        assert takes.wait(20)
        while (message := connection.recv()) != "end":
            assert len(message) == 100_000
        return connection.send("all of it")

    with SocketServer(behave) as server:
        told = scripts(
            scenario(
                "async def fill(ws):",
                "    for _ in range(300):",
                "        await ws.send(b'x' * 100_000)",
                'async with user.ws("/") as ws:',
                "    filling = asyncio.create_task(fill(ws))",
                "    done, _ = await asyncio.wait([filling], timeout=0.5)",
                "    user.expect(not done, 'it waits')",
                '    async with user.ws("/take"):',
                "        await filling",
                "    user.expect(await ws.request('end') == 'all of it', 'taken')",
            ),
            *("--url", server.base, *ONE),
        )
    assert_checked(told)
    assert requests_of(told, "WS / request")["ok"] == 1


def test_a_server_that_does_not_answer_pings_has_lost_it(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo?no_pong=1", ping="20ms", timeout="100ms") as ws:',
            "    user.expect(ws.open, 'open')",
            "    await ws.recv()",
        ),
        *("--url", target.url, *ONE),
    )
    assert_checked(told)
    assert (
        requests_of(told, "WS /ws/echo session")["errors"]
        == {"ws_no_pong": 1}
        == requests_of(told, "use")["errors"]
    )


def test_sessions_that_are_refused_are_tried_again_and_told(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "user.expect(False, 'it does not come to that')",
            head="""\
@session
async def connected(user: User):
    async with user.ws("/ws/echo?status=503"):
        yield
""",
        ),
        *("--url", target.url, "--users", "2", "--duration", "10s", "--workers", "1", "--drain", "1s"),
    )
    told.assert_says("no session could be set up", "refused with status 503")
    assert requests_of(told, "WS /ws/echo")["errors"]["ws_refused"] >= 10


def test_what_cannot_be_is_said_in_a_line(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "ws = user.ws('/ws/echo')",
            "async def says(words, awaitable):",
            "    try:",
            "        await awaitable",
            "    except (RuntimeError, TypeError, ValueError) as error:",
            "        user.expect(words in str(error), str(error))",
            "    else:",
            "        user.expect(False, words)",
            "async with ws as it:",
            "    await says('opened once', ws.open())",
            "    await says('not both', it.request('x', reply=bool, correlate='id'))",
            "    await says('nothing at', it.request('x', correlate='id'))",
            "    await says('a path such as', it.request('x', correlate='..'))",
            "    await says('a code such as', it.close(1005))",
            "await says('no body', user.ws('/ws/echo', json={}).open())",
            "await says('sent once', user.ws('/ws/echo', retry=None).open())",
            "await says('unexpected option', user.ws('/ws/echo', sub=1).open())",
            "await says('Connection is the handshake', user.ws('/', headers={'Connection': 'x'}).open())",
            "await says('different names', user.ws('/', subprotocols=['a', 'a']).open())",
        ),
        *("--url", target.url, *ONE),
    )
    assert_checked(told)


def test_a_debug_run_shows_what_a_socket_says(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            'async with user.ws("/ws/echo") as ws:',
            "    await ws.send({'op': 'hello'})",
            "    await ws.recv()",
        ),
        *("--url", target.url, "--debug"),
    )
    told.assert_says("WS ws://127.0.0.1", "< 101 in", '> {"op":"hello"} < {"op":"hello"}', "closed 1000")


def test_the_websockets_library_works_as_well(scripts: Scripts, target: Target) -> None:
    told = scripts(
        scenario(
            "with user.measure('connect'):",
            f"    ws = await connect('{target.url.replace('http', 'ws', 1)}/ws/echo', proxy=None)",
            "async with ws:",
            "    with user.measure('ask'):",
            "        await ws.send('x')",
            "        user.expect(await ws.recv() == 'x', 'an answer')",
            head="from websockets.asyncio.client import connect\n",
        ),
        *("--url", target.url, *TEN),
    )
    assert_checked(told)
    assert requests_of(told, "connect")["ok"] == requests_of(told, "ask")["ok"] == 10


def closed_by(connection: ServerConnection) -> ConnectionClosed | None:
    """Why it ended."""
    try:
        connection.recv()
    except ConnectionClosed as error:
        return error
    return None


def test_code_and_reason_of_a_close_go_both_ways(scripts: Scripts) -> None:
    def behave(connection: ServerConnection) -> None:
        if connection.recv() == "you":
            connection.close(4002, "enough")
        else:
            closed_by(connection)

    with SocketServer(behave) as server:
        told = scripts(
            scenario(
                'ws = await user.ws("/").open()',
                "await ws.send('you')",
                "try:",
                "    await ws.recv()",
                "except SocketClosed as error:",
                "    user.expect((error.code, error.reason) == (4002, 'enough'), f'{error}')",
                'ws = await user.ws("/").open()',
                "await ws.send('me')",
                "await ws.close(4001, 'mine')",
                "user.expect((ws.close_code, ws.close_reason) == (4001, 'mine'), f'{ws.close_code}')",
            ),
            *("--url", server.base, *ONE),
        )
    assert_checked(told)
    assert sorted(server.closes) == [(4001, "mine"), (4002, "")]
    assert requests_of(told, "WS / session")["errors"] == {"ws_closed": 1}
