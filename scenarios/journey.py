"""A journey: what one answer tells goes into the next request, and a path with a value in it is one label."""

from loadgen import Plan, User, scenario


@scenario
async def buy(user: User) -> None:
    # The embedded target sends back what it is given, so this is its list of items.
    listing = await user.post("/echo", json={"items": [{"id": 7}, {"id": 12}, {"id": 30}]}, name="list items")
    item = user.rng.choice(listing.json()["items"])

    await user.pause(0.01, 0.05)  # a person reads
    page = await user.get("/bytes/{size}", path={"size": item["id"]})  # counted as "GET /bytes/{size}"
    user.expect(len(page.content) == item["id"], "the page is whole")

    order = await user.post("/echo", json={"item": item["id"], "amount": 2}, name="order")
    user.expect(order.json()["item"] == item["id"], "the right item is ordered")


plan = Plan(rate="50/s", duration="5s")
