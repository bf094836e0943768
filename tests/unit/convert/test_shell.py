from __future__ import annotations

import pytest

from loadgen.convert.shell import split
from loadgen.errors import UsageError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("curl a # b\n# c\ncurl d#e", [["curl", "a"], ["curl", "d#e"]]),
        (
            "curl a \\\n  b; curl c && curl d | jq .",
            [["curl", "a", "b"], ["curl", "c"], ["curl", "d"], ["jq", "."]],
        ),
        ("curl a\\ b 'c d'e \"f g\"", [["curl", "a b", "c de", "f g"]]),
        (r""""a \"b\" \$c \d" 'e\f' """, [['a "b" $c \\d', "e\\f"]]),
        (r"$'a\'b\n\t\u0021\x41\101\\' $'\xc3\xa9\u00e9é'", [["a'b\n\t!AA\\", "ééé"]]),
        ("curl a >b 2>/dev/null 2>&1 < c d", [["curl", "a", "d"]]),
        ("curl '' \"\"", [["curl", "", ""]]),
        ("curl a \\\r\n  b\r\ncurl c\r\n", [["curl", "a", "b"], ["curl", "c"]]),
        ('curl ^"a^&b^" ^\r\n  ^"c^\\^"d^\\^\\e^" &\r\ncurl f', [["curl", "a&b", 'c"d\\e'], ["curl", "f"]]),
        ('curl ^"a^\n\nb^"', [["curl", "a\nb"]]),
        ('curl "a^b&c" ^\n "d ""e"""', [["curl", "a^b&c", 'd "e"']]),
    ],
)
def test_words_are_those_of_the_shell(text: str, words: list[list[str]]) -> None:
    assert [command for command in split(text).words if command] == words


def test_variables_are_those_that_a_shell_would_fill() -> None:
    found = split("curl \"$A/${B}\" $C '$D' $'$E' \"\\$F\" $ G")
    assert list(found.variables) == ["A", "B", "C"]
    assert found.words[0][1] == "$A/${B}"


@pytest.mark.parametrize("text", ["curl 'a", 'curl "a', "curl $'a\\'"])
def test_a_quote_that_stays_open_is_a_mistake_with_its_line(text: str) -> None:
    with pytest.raises(UsageError, match="line 2 opens a quote"):
        split(f"curl x\n{text}")
