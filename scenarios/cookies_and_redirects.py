"""Cookies and redirects: a login form as a browser goes through it, each hop measured under its own name."""

import asyncio
from asyncio import StreamReader, StreamWriter

from loadgen import Plan, User, once, scenario

servers: list[asyncio.Server] = []


async def shop(reader: StreamReader, writer: StreamWriter) -> None:
    """A shop of one page: who has no cookie is sent to log in, and from there back."""
    while head := await reader.read(65536):
        if head.startswith(b"POST /login"):
            answer = "303 See Other\r\nLocation: /basket\r\nSet-Cookie: sid=7; Path=/; HttpOnly"
        elif b"Cookie: sid=7" in head:
            answer = "200 OK"
        else:
            answer = "302 Found\r\nLocation: /login"
        if head.startswith(b"GET /login"):
            answer = "200 OK"
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
    writer.close()


@once
async def open_the_shop() -> None:
    servers.append(await asyncio.start_server(shop, "127.0.0.1", 0))


@scenario
async def buy(user: User) -> None:
    host, port = servers[0].sockets[0].getsockname()
    user.cookies.clear()  # a user keeps its cookies from one iteration to the next
    form = await user.get(f"http://{host}:{port}/basket", name="basket")
    user.expect(form.url.endswith("/login") and form.history[0].status == 302, "sent to log in")
    basket = await user.post(form.url, data={"name": "me"}, name="login")
    user.expect(basket.ok and user.cookies["sid"] == "7", "logged in")
    await user.pause(0.05, 0.1)


plan = Plan(users=10, duration="5s", follow_redirects=True)
