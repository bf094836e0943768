"""The script that `loadgen init` writes: short, and it runs at once against the embedded target."""

STARTER = '''\
"""What the users of this load do. Run it:  loadgen run {file}"""

from loadgen import Plan, User, scenario


@scenario(weight=3)
async def look_around(user: User) -> None:
    """Three times as often as the other."""
    page = await user.get("/")
    user.expect(page.status == 200, "the front page is there")
    await user.pause(0.1, 0.3)  # seconds, at random
    await user.get("/bytes/{{size}}", path={{"size": 2000}})  # counted as "GET /bytes/{{size}}"


@scenario
async def order(user: User) -> None:
    """Uses in the second request what came with the first."""
    placed = await user.post("/echo", json={{"item": user.rng.randint(1, 50), "buyer": user.id}})
    if user.expect(placed.ok, "the order is placed"):
        await user.get("/status/{{code}}", path={{"code": 200}}, params={{"item": placed.json()["item"]}})


# Without a base_url, here or by --url, loadgen's own target takes the load.
plan = Plan(
    # base_url="http://127.0.0.1:8000",
    users=10,  # or rate="50/s": then iterations begin when they are due, whatever the target does
    duration="10s",
    thresholds=["p95 < 250ms", "errors < 1%"],
)
'''


def starter(file: str) -> str:
    """The text of a script of this name."""
    return STARTER.format(file=file)
