"""A mix: three kinds of visits share one load, 6 to 3 to 1."""

from loadgen import Plan, User, scenario


@scenario(weight=6)
async def browse(user: User) -> None:
    await user.get("/")


@scenario(weight=3)
async def search(user: User) -> None:
    await user.get("/delay/5")


@scenario(weight=1)
async def upload(user: User) -> None:
    await user.post("/echo", content=user.rng.randbytes(10_000), name="upload")


plan = Plan(rate="200/s", duration="5s")
