"""Data from a file: no account is ever used by two users at once, and search words are dealt in turn."""

from loadgen import Plan, User, csv_rows, json_rows, scenario

accounts = csv_rows("users.csv", deal="unique")
searches = json_rows("searches.jsonl")  # the next row each time, and again from the first


@scenario
async def search(user: User) -> None:
    words = searches.row(user)
    async with accounts.lease(user) as account:  # waits until one is free
        login = await user.post("/echo", json={"name": account["name"]}, name="login")
        user.expect(login.json()["name"] == account["name"], "logged in as myself")
        await user.get("/", params={"q": words["text"], "limit": words["limit"]}, name="search")


plan = Plan(users=5, duration="5s")
