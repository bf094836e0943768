"""Templates: kinds that are kept, functions, values that bring templates, what does not exist."""

from __future__ import annotations

import re
from typing import Any

import pytest

from loadgen.importers.artillery.templates import render_with
from loadgen.importers.artillery.virtual_user import UNDEFINED
from tests.unit.importers.artillery.people import compiler, vu


def rendered(template: Any, **variables: Any) -> Any:
    render = compiler().render(template)
    return render(vu(variables)) if callable(render) else render


@pytest.mark.parametrize("constant", ["plain", 5, None, ["a", {"b": 1}], "{ one }", True])
def test_what_has_no_template_stays_itself(constant: Any) -> None:
    assert compiler().render(constant) is constant


@pytest.mark.parametrize(
    ("template", "found"),
    [
        ("{{ n }}", 5),
        ("{{n}}", 5),
        (" {{ n }}", " 5"),
        ("{{{ n }}}", 5),
        ("{{ flag }}", False),
        ("{{ nothing }}", None),
        ("{{ list }}", [1, 2]),
        ("{{ user.tags[1] }}", "b"),
        ("{{ user['tags'][0] }}-{{ n }}", "a-5"),
        ("{{ list }}!", "[1,2]!"),
        ("{{ nope }}", UNDEFINED),
        ("x{{ nope }}", "xundefined"),
        ("x{{ nothing }}", "xnull"),
        ({"a": "{{ n }}", "b": [1, "{{ flag }}"], "c": "d"}, {"a": 5, "b": [1, False], "c": "d"}),
        ({"{{ key }}": "{{ n }}"}, {"name": 5}),
        ("{{ brings }}!", "5!"),
        ("{{ brings }}", "{{ n }}"),
    ],
)
def test_variables(template: Any, found: Any) -> None:
    variables = {
        "n": 5,
        "flag": False,
        "nothing": None,
        "list": [1, 2],
        "user": {"tags": ["a", "b"]},
        "key": "name",
        "brings": "{{ n }}",
    }
    assert rendered(template, **variables) == found
    assert type(rendered(template, **variables)) is type(found)


def test_the_order_of_names_is_kept() -> None:
    assert list(rendered({"z": 1, "a": "{{ n }}", "m": 2}, n=1)) == ["z", "a", "m"]


def test_functions_make_texts() -> None:
    one = compiler().render("{{ $randomNumber(3, 5) }}")
    found = {one(vu(seed=seed)) for seed in range(200)}
    assert found == {"3", "4", "5"}
    assert re.fullmatch(
        r"a[A-Za-z0-9]{4}-[A-Za-z0-9]{10}", rendered("a{{ $randomString(4) }}-{{ $randomString() }}")
    )


def test_what_a_function_makes_stands_beside_variables() -> None:
    assert re.fullmatch("x [12] y", rendered("{{ a }} {{$randomNumber(1,2)}} {{ b }}", a="x", b="y"))


def test_a_function_that_is_none_takes_the_rest_with_it() -> None:
    one = compiler()
    render = one.render("a {{ $nope() }} b")
    assert render(vu()) is UNDEFINED
    assert list(one.notes) == ["{{ $nope() }}: there is no function $nope, so what has it in it is undefined"]


def test_a_template_that_brings_itself_ends() -> None:
    assert "{{ loop }}" in rendered("x{{ loop }}", loop="y{{ loop }}")


def test_each_virtual_user_has_its_own_uuid() -> None:
    one, other = vu(seed=1), vu(seed=2)
    render = compiler().render("{{ $uuid }}")
    assert render(one) == render(one) != render(other)
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", render(one))


def test_config_is_rendered_before_there_is_anybody() -> None:
    from loadgen.importers.artillery.functions import FUNCTIONS

    config = {"target": "{{ $environment }}.{{ host }}", "n": "{{ n }}", "s": "{{ $randomString(3) }}"}
    found = render_with(config, {"$environment": "staging", "host": "h", "n": 1}, FUNCTIONS)
    assert (found["target"], found["n"], len(found["s"])) == ("staging.h", 1, 3)
