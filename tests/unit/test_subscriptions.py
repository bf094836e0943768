"""A file of subscriptions: what each sends, under which name it is counted, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadgen.errors import UsageError
from loadgen.subscriptions import MOST_KINDS, Subscription, read_subscriptions


def write(folder: Path, *lines: str) -> str:
    (folder / "kinds.jsonl").write_text("\n".join(lines))
    return str(folder / "kinds.jsonl")


def test_each_kind_is_counted_by_itself(tmp_path: Path) -> None:
    name = write(
        tmp_path,
        '{"kind": "simple", "send": {"op": "subscribe", "from": "{{who}}"}}',
        "",
        '{"send": "SUBSCRIBE {{connection}}"}',
        '{"kind": "list", "send": [1, {"a": null}]}',
    )
    assert read_subscriptions(name) == [
        Subscription('{"op":"subscribe","from":"{{who}}"}', "subscribe simple"),
        Subscription("SUBSCRIBE {{connection}}", "subscribe"),
        Subscription('[1,{"a":null}]', "subscribe list"),
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"send": "a"}', '{"kind": "x"}'], "row 2: send is no text and no object"),
        (['{"send": 5}'], "row 1: send is no text and no object"),
        (
            ['{"send": "a", "sned": 1}'],
            'row 1: "sned" is not known: expected {"kind": "simple", "send": {…}}',
        ),
        (['{"send": "a", "kind": 1}'], 'row 1: expected a text for kind, got "1"'),
        (["nonsense"], ":1: not JSON"),
        ([""], "has no subscriptions"),
        ([f'{{"send": "a", "kind": "{number}"}}' for number in range(101)], f"at most {MOST_KINDS} kinds"),
    ],
)
def test_mistakes_are_in_their_places(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_subscriptions(write(tmp_path, *lines))
    assert message in caught.value.message


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_subscriptions("/nowhere/kinds.jsonl")
