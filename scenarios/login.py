"""A session: each user logs in once, before its first iteration, and logs out after its last."""

from collections.abc import AsyncIterator

from loadgen import Plan, User, scenario, session


@session
async def logged_in(user: User) -> AsyncIterator[None]:
    answer = await user.post("/echo", json={"token": f"token of {user.id}"}, name="login")
    answer.raise_for_status()
    user.data["token"] = answer.json()["token"]
    yield
    await user.post("/echo", json={"token": user.data["token"]}, name="logout")


@scenario
async def read(user: User) -> None:
    # /headers answers with the headers that it was sent.
    page = await user.get("/headers", headers={"Authorization": f"Bearer {user.data['token']}"})
    user.expect(f"Bearer token of {user.id}" in page.text, "it is my own page")
    await user.pause(0.05, 0.2)


plan = Plan(users=20, duration="5s")
