"""All that one call of a user's may take: a body of files, retries, a challenge answered, redirects followed.

call ─▶ hop ─▶ (challenged? answered) ─▶ policy: attempts ─▶ the engine
  ▲─── redirected? the next hop ◀────────────────┘

Every request of it is one in the results. The script sees the last response; those that led to it are its
`history`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadgen.auth import Challenge, DigestAuth, authorization_of, challenge_in, digest_of
from loadgen.body import Maker, check_retry
from loadgen.policy import Policy
from loadgen.redirect import headers_without, next_hop, origin_of

if TYPE_CHECKING:
    from loadgen._engine import Engine, Response
    from loadgen.body import Send
    from loadgen.engine_plan import ScriptPlan
    from loadgen.user import User

# Hops that are counted by their own path; a server that puts a number into each would use up the labels.
MOST_LABELS = 100
OTHER_HOPS = "(other redirects)"
TOO_MANY = "too_many_redirects"

# It is the other half of the user: the methods that it calls are private to the two of them.
# ruff: noqa: SLF001


class Conversation:
    """How the users of one worker carry a call through, by the rules of the plan and of the call."""

    def __init__(self, plan: ScriptPlan) -> None:
        self._base = plan.base_url
        self._has_policy = plan.retry is not None or plan.breaker is not None
        self._policy = Policy.of(plan)
        self._digest = digest_of(plan.auth)
        self._follows = plan.follow_redirects
        self._max_redirects = plan.max_redirects
        self._labels: set[str] = set()

    @property
    def is_needed(self) -> bool:
        """Whether the plan asks for more than one request for each call."""
        return self._has_policy or self._follows or self._digest is not None

    async def send(
        self, user: User, method: str, url: str, options: dict[str, Any], attempt: Send | None = None
    ) -> Response:
        """One call of the script's. `attempt` is how each of its requests is sent."""
        if options.get("files") is not None:
            options = _with_files(options)
        attempt = attempt or Maker(user, user._send).send
        check_retry(options, has_policy=self._has_policy)
        follows = options.pop("follow_redirects", None)
        follows = self._follows if follows is None else bool(follows)
        history: list[Response] = []
        while True:
            response = await self._authenticated(user, attempt, method, url, options)
            hop = next_hop(response, options, self._base) if follows else None
            if hop is None:
                break
            history.append(response)
            method, url, options = hop.method, hop.url, {"name": self._label(hop.label), **hop.options}
            if len(history) > self._max_redirects:
                response = user._refuse(method, url, options, TOO_MANY)
                break
        if history:
            response._set_history(history)
        return response

    async def _authenticated(
        self, user: User, attempt: Send, method: str, url: str, options: dict[str, Any]
    ) -> Response:
        """One hop, with the challenge answered that its server may have."""
        auth = options.get("auth")
        if auth is None and "auth" not in options and self._digest is not None and self._is_home(url):
            auth = self._digest
        if not isinstance(auth, DigestAuth):
            return await self._sent(user, attempt, method, url, options)
        options = {name: value for name, value in options.items() if name != "auth"}
        bodiless = {name: value for name, value in options.items() if name != "content"}
        wanted = user._render(method, url, **bodiless).split(b" ", 2)[1].decode()
        place = (auth, origin_of(self._base if self._is_home(url) else url))
        if user._challenges is None:
            user._challenges = {}
        known = user._challenges.get(place)
        first = options if known is None else _answering(known, auth, method, wanted, options)
        response = await self._sent(user, attempt, method, url, first)
        asked = challenge_in(response.headers.get_all("www-authenticate")) if response.status == 401 else None
        # One that was answered and is neither new nor stale means that the password is wrong.
        if asked is None or (known is not None and known.nonce == asked.nonce and not asked.stale):
            return response
        user._challenges[place] = asked
        return await self._sent(user, attempt, method, url, _answering(asked, auth, method, wanted, options))

    async def _sent(
        self, user: User, attempt: Send, method: str, url: str, options: dict[str, Any]
    ) -> Response:
        if self._has_policy or "retry" in options:
            return await self._policy.send(user, method, url, dict(options), attempt)
        return await attempt(method, url, **options)

    def _is_home(self, url: str) -> bool:
        return "://" not in url.partition("?")[0] or origin_of(url) == origin_of(self._base)

    def _label(self, label: str) -> str:
        if label not in self._labels:
            if len(self._labels) >= MOST_LABELS:
                return f"{label.partition(' ')[0]} {OTHER_HOPS}"
            self._labels.add(label)
        return label


def converse_by(plan: ScriptPlan, engine: Engine, *, always: bool = False) -> None:
    """Sets the engine up for a script: what each request says, and who carries calls through.

    `always`: all of them, also those that are one request.
    """
    engine.set_manners(cookies=plan.cookies, authorization=authorization_of(plan.auth))
    conversation = Conversation(plan)
    engine.set_policy(conversation.send, always=always or conversation.is_needed)


def _answering(
    challenge: Challenge, auth: DigestAuth, method: str, target: str, options: dict[str, Any]
) -> dict[str, Any]:
    answer = ("Authorization", challenge.answer(auth, method, target))
    return {**options, "headers": [*headers_without(options, ("authorization",)), answer]}


def _with_files(options: dict[str, Any]) -> dict[str, Any]:
    """The body, made once: files can be read only once."""
    from loadgen.multipart import encode  # few scripts need it

    options = dict(options)
    files, data = options.pop("files"), options.pop("data", None)
    for other in ("json", "content"):
        if options.get(other) is not None:
            raise TypeError(f"files: a form has no {other}=; its other fields are data=")
    kind, body = encode(data, files)
    headers = [*headers_without(options, ("content-type",)), ("Content-Type", kind)]
    return {**options, "content": body, "headers": headers}
