"""Names that try to be more than names, and a script that uses them as labels, checks and counters."""

from __future__ import annotations

HOSTILE = [
    "<script>alert(\"1\")</script> & 'x'",
    'a,b=c d"e\\',
    "\\",
    "=HYPERLINK(1)",
    "nul\x00 line\nfeed\r",
    "\u05e9\u05dc\u05d5\u05dd \u202egnp.exe",
    "| *bold* | `x` [a](http://b) www.c.d",
    "\U0001f600 ]]> --> \ufffe",
]
SCRIPT = f"""
    from loadgen import scenario

    NAMES = {HOSTILE!r}

    @scenario
    async def all_of_them(user):
        for name in NAMES:
            await user.get("/", name=name)
            user.expect(name != NAMES[0], name)
        user.counter("counted " + NAMES[1], 2)
"""


def as_shown(name: str) -> str:
    """How a name from outside is written wherever it goes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
