"""`{{name}}`: what is a value, and what it becomes in the engine's plan."""

from __future__ import annotations

import pytest

from loadgen.templates import (
    GENERATED,
    OF_SOCKETS,
    Names,
    around_values,
    label_of_template,
    parse_url_template,
)


def test_names_become_the_numbers_of_columns_in_use() -> None:
    names = Names(["a", "straße", "k"])
    assert names.number("{{ straße }}-{{k}}-{{uuid}}-{{straße}}") == "{{0}}-{{1}}-{{uuid}}-{{0}}"
    assert names.used == ["straße", "k"]
    assert names.number_body(b'{"x":{{a}}}\xff{{\xff}}') == b'{"x":{{2}}}\xff{{\xff}}'


def test_a_name_that_is_not_known_lists_those_that_are() -> None:
    with pytest.raises(ValueError, match=r'"\{\{b\}\}" is not known: there are a, k, uuid'):
        Names(["a"]).number("{{b}}")


def test_messages_of_sockets_have_names_of_their_own() -> None:
    names = Names([], [*GENERATED, *OF_SOCKETS])
    assert names.number("{{due_ns}} {{ connection }} {{k}}") == "{{due_ns}} {{connection}} {{k}}"
    with pytest.raises(ValueError, match="there are k, uuid, random, timestamp, due_ns, open"):
        Names([]).number("{{connection}}")


def test_a_url_is_encoded_around_its_values() -> None:
    url = parse_url_template("http://host:81/ü/{{na me}}?q={{é}} x#f")
    assert url.text == "http://host:81/%C3%BC/{{na me}}?q={{é}}%20x"
    assert label_of_template("GET", url.target) == "GET /%C3%BC/{na me}"


@pytest.mark.parametrize("url", ["http://{{host}}/", "{{host}}/x", "http://h:{{port}}/", "http://{{u}}@h/"])
def test_the_host_is_fixed(url: str) -> None:
    with pytest.raises(ValueError, match="the host cannot be"):
        parse_url_template(url)


def test_text_around_values() -> None:
    assert around_values("a{{b}}c", str.upper) == "A{{b}}C"
    assert around_values('{"n": {{n}}}', str, instead="0") == '{"n": 0}'
