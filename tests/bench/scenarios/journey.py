"""Two requests: a value out of the first one's JSON body stands in the second one's URL."""

from loadgen import User, scenario


@scenario
async def journey(user: User) -> None:
    listing = await user.get("/items")
    number = listing.json()["items"][0]["id"]
    item = await user.get("/items/{id}", path={"id": number})
    user.expect(item.status == 200, "status is 200")
