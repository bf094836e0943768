"""One GET and nothing else: what an await costs over the native engine."""

from loadgen import User, scenario


@scenario
async def visit(user: User) -> None:
    await user.get("/")
