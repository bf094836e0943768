"""`ifTrue` and `probability`: whether a request is sent at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.importers.artillery.expressions import compile_expression
from loadgen.importers.artillery.values import is_true, number_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

Condition: TypeAlias = Callable[[VirtualUser], bool]


def compile_conditions(params: Mapping[str, Any], place: str, compiler: Compiler) -> Condition | None:
    """None where it is always sent. An expression that cannot be read does not keep a request back."""
    conditions = [
        one
        for one in (_probability(params), _if_true(params, f"{place}.ifTrue", compiler))
        if one is not None
    ]
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    return lambda vu: all(condition(vu) for condition in conditions)


def _probability(params: Mapping[str, Any]) -> Condition | None:
    if "probability" not in params:
        return None
    number = number_of(params["probability"])
    percent = min(number, 100.0) if number == number else 0.0
    # The draw is a whole number from 0 to 100, both included.
    return lambda vu: int(vu.rng.random() * 101) < percent


def _if_true(params: Mapping[str, Any], place: str, compiler: Compiler) -> Condition | None:
    if "ifTrue" not in params:
        return None
    written = params["ifTrue"]
    name = written if isinstance(written, str) else ""  # no expression there either
    if compiler.processor is not None and compiler.processor.has(name):
        ask = compiler.processor.if_true(name)

        def asked(vu: VirtualUser) -> bool:
            try:
                return is_true(ask(vu))
            except VuFailed:  # which is told, and keeps no request back
                return True

        return asked
    try:
        expression = compile_expression(name)
    except ValueError as error:
        compiler.note(
            f"{place}: {written!r} cannot be read ({error}), so the request is always sent, as by Artillery"
        )
        return None

    def condition(vu: VirtualUser) -> bool:
        variables = vu.vars
        return is_true(expression(lambda wanted: variables.get(wanted, UNDEFINED)))

    return condition
