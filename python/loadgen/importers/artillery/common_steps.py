"""The steps that every engine knows: think, log, function, loop, parallel. It sends nothing."""

from __future__ import annotations

import asyncio
import math
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from loadgen.importers.artillery.flow import Around, Engine, Step, nothing
from loadgen.importers.artillery.values import get_path, is_true, number_of, seconds, text_of
from loadgen.importers.artillery.virtual_user import UNDEFINED, VirtualUser, VuFailed

if TYPE_CHECKING:
    from loadgen.importers.artillery.flow import Compiler

CommonMaker: TypeAlias = "Callable[[Compiler, Mapping[str, Any], str, Around, Engine], Step]"

MOST_AT_ONCE = 100
ELEMENT = "$loopElement"
# Turns of a loop between two looks at what else is to be done, where none of its steps waits.
GIVE_WAY = 1000


def _think(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around, engine: Engine) -> Step:
    del around, engine
    render = compiler.render(spec["think"])
    defaults = _default_think(compiler.config)
    jitter = spec.get("jitter", defaults.get("jitter"))
    spread = None if not jitter else _jitter(str(jitter))
    if not callable(render):
        length_s = seconds(render)
        if length_s is None and isinstance(render, float):
            length_s = render / 1e3  # as the timers of Node take it
            compiler.note(f"{place}.think: {render} is read as {render} milliseconds, as by Artillery")
        if length_s is None:
            compiler.wrong(f"{place}.think", f'expected seconds, or a time such as "500ms", got {render!r}')
            return nothing
        fixed_s = length_s
        if (
            isinstance(render, str)
            and not number_of(render).is_integer()
            and not render.strip()[-1].isalpha()
        ):
            compiler.note(f'{place}.think: "{render}" is read as {render} milliseconds, as by Artillery')

        async def think(vu: VirtualUser) -> None:
            await asyncio.sleep(fixed_s if spread is None else _spread(fixed_s, spread, vu))

        return think

    async def think_of(vu: VirtualUser) -> None:
        value = render(vu)
        length_s = seconds(value)
        if length_s is None:
            raise VuFailed(f"Invalid think time: {text_of(value)}")
        await asyncio.sleep(length_s if spread is None else _spread(length_s, spread, vu))

    return think_of


def _default_think(config: Mapping[str, Any]) -> Mapping[str, Any]:
    http = config.get("http") or {}
    found = (http.get("defaults") or {}).get("think") or (config.get("defaults") or {}).get("think")
    return found if isinstance(found, Mapping) else {}


def _jitter(text: str) -> tuple[float, bool]:
    """How much, and whether that is in percent."""
    match = re.match(r"\s*(\d+)", text)
    return (float(match[1]) if match else 0.0), "%" in text


def _spread(length_s: float, spread: tuple[float, bool], vu: VirtualUser) -> float:
    """Drawn evenly around it."""
    amount, is_percent = spread
    most_s = length_s * amount / 100 if is_percent else amount / 1e3
    return max(0.0, length_s - most_s + vu.rng.random() * 2 * most_s)


def _log(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around, engine: Engine) -> Step:
    del place, around, engine
    render = compiler.render(spec["log"])

    async def log(vu: VirtualUser) -> None:
        sys.stderr.write(f"{text_of(render(vu) if callable(render) else render)}\n")

    return log


def _function(
    compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around, engine: Engine
) -> Step:
    del around, engine
    name = spec["function"]
    processor = compiler.processor
    if not isinstance(name, str):
        compiler.wrong(f"{place}.function", f"expected the name of a function, got {name!r}")
        return nothing
    if processor is None or not processor.has(name):
        compiler.note(
            f"{place}.function: there is no function {name} in the processor: it is counted as an error"
        )

        async def undefined(vu: VirtualUser) -> None:
            vu.emit("error", f'Undefined function "{name}"')

        return undefined
    return processor.function(name)


def _parallel(
    compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around, engine: Engine
) -> Step:
    beside = replace(around, is_parallel=True)
    steps = compiler.flow(spec["parallel"], f"{place}.parallel", engine, beside)
    limit = number_of(spec.get("limit") or MOST_AT_ONCE)
    most = int(limit) if limit >= 1 else MOST_AT_ONCE

    async def parallel(vu: VirtualUser) -> None:
        if vu.lock is None:
            vu.lock = asyncio.Lock()
        at_once = asyncio.Semaphore(most)

        async def one(step: Step) -> None:
            async with at_once:
                await step(vu)

        tasks = [asyncio.ensure_future(one(step)) for step in steps]
        try:
            await asyncio.gather(*tasks)
        except BaseException:
            # What runs beside one that failed would run on after its virtual user's end.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    return parallel


def _loop(compiler: Compiler, spec: Mapping[str, Any], place: str, around: Around, engine: Engine) -> Step:
    steps = compiler.flow(spec["loop"], f"{place}.loop", engine, around)
    index_name = str(spec.get("loopValue") or "$loopCount")
    element_name = str(spec.get("loopElement") or ELEMENT)
    goes_on = _while_true(compiler, spec.get("whileTrue"), f"{place}.whileTrue")
    over = spec.get("over", UNDEFINED)
    # Templates in a list are filled in where the element has its usual name alone, as there.
    is_filled_in = isinstance(over, list) and element_name == ELEMENT
    written = [compiler.render(one) for one in over] if is_filled_in else over
    count = compiler.render(spec["count"]) if isinstance(spec.get("count"), str) else spec.get("count") or -1
    if not isinstance(over, (str, list)) and over is not UNDEFINED:
        compiler.wrong(
            f"{place}.over", f"expected a list, or the name of a variable that has one, got {over!r}"
        )
    if over is UNDEFINED and goes_on is None and not callable(count) and _range(count)[1] == -1:
        compiler.note(f"{place}.loop: it has neither count nor over, so it goes round until the run ends")

    async def loop(vu: VirtualUser) -> None:
        variables = vu.vars
        index, end = _range(count(vu) if callable(count) else count)
        elements: list[Any] | None = None
        if over is not UNDEFINED:
            elements = written if isinstance(written, list) else get_path(variables, over)
            if not isinstance(elements, list):
                variables[element_name] = variables[index_name] = index
                return
            variables[element_name] = _element(elements, index, vu)
        else:
            variables[element_name] = index
        variables[index_name] = index
        while goes_on is not None or (
            index != len(elements) if elements is not None else index < end or end == -1
        ):
            for step in steps:
                await step(vu)
            index += 1
            counted = variables.get(index_name, UNDEFINED)
            variables[index_name] = number_of(counted) + 1 if not isinstance(counted, int) else counted + 1
            if elements is not None:
                variables[element_name] = _element(elements, index, vu)
            if goes_on is not None and not is_true(await goes_on(vu)):
                return
            if index % GIVE_WAY == 0:
                await asyncio.sleep(0)

    return loop


def _element(elements: list[Any], index: int, vu: VirtualUser) -> Any:
    if index >= len(elements):
        return UNDEFINED
    return elements[index](vu) if callable(elements[index]) else elements[index]


def _range(count: Any) -> tuple[int, int]:
    """From where up to where: of 5, of "5", of "2-7". -1 is no end."""
    if isinstance(count, str):
        number = number_of(count)
        if number != number:
            match = re.match(r"\s*(\d+)-(\d+)\s*$", count)
            return (int(match[1]), int(match[2])) if match else (0, 0)
        return 0, _turns(number)
    return (0, _turns(count)) if isinstance(count, (int, float)) else (0, 0)


def _turns(number: float) -> int:
    return math.ceil(number) if math.isfinite(number) else -1


def _while_true(
    compiler: Compiler, name: Any, place: str
) -> Callable[[VirtualUser], Awaitable[object]] | None:
    if name is None:
        return None
    if compiler.processor is None or not compiler.processor.has(str(name)):
        compiler.note(f"{place}: there is no function {name} in the processor, so it is not asked")
        return None
    return compiler.processor.while_true(str(name))


COMMON: dict[str, CommonMaker] = {
    "loop": _loop,
    "parallel": _parallel,
    "think": _think,
    "log": _log,
    "function": _function,
}
