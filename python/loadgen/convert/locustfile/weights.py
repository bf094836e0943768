"""Which scenarios there are, with whole weights that give every task the share that it has under Locust."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import gcd, lcm

from loadgen.convert.locustfile.classes import Classes, Function, Group, whole
from loadgen.convert.locustfile.edits import Text
from loadgen.convert.locustfile.scope import Script
from loadgen.convert.locustfile.waits import Wait, wait_of

Shares = dict[Function | Group, dict[Wait | None, int]]


def find_weights(script: Script, classes: Classes, text: Text) -> Shares:
    """By function or sequence, and by how long is waited after it."""
    parts: dict[Function | Group, dict[Wait | None, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    for user in classes.users():
        found = classes.shares(user)
        total = sum((share for _, share, _ in found), Fraction())
        if not total:
            continue
        given = user.value("weight")
        weight = 1 if given is None else whole(given)
        if weight is None:
            script.note(f"the weight of {user.name} is not a number: 1 was taken")
        if user.value("fixed_count") is not None:
            script.note(f"fixed_count of {user.name} was left out: @scenario(users=…) is the nearest")
        for task, share, path in found:
            within = [*([task.target] if isinstance(task.target, Group) else []), *reversed(path)]
            wait = wait_of(script, within, text)
            parts[task.target][wait] += (1 if weight is None else weight) * share / total
    shares = [share for waits in parts.values() for share in waits.values() if share]
    scale = lcm(*(share.denominator for share in shares)) if shares else 1
    common = gcd(*(int(share * scale) for share in shares)) if shares else 1
    return {
        target: {wait: int(share * scale) // common for wait, share in waits.items()}
        for target, waits in parts.items()
    }
