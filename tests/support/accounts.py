"""Users, organisations and tokens, made by the product's own verbs in the test's process, and clients that sign in as them."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeVar
from urllib.parse import urlencode

from entrepot.app.parts import Accounts
from entrepot.base.settings import Settings
from support.http import Answer, Body, Client
from support.parts import opened

PASSWORD: Final = "a fine long password"  # noqa: S105 - of users that the tests make
NETWORK: Final = "192.0.2.1"
_T = TypeVar("_T")


def with_accounts(place: Settings, scenario: Callable[[Accounts], Awaitable[_T]]) -> _T:
    """Run a scenario with what knows of users, organisations and tokens."""

    async def run() -> _T:
        async with opened(place) as db:
            accounts = Accounts(db, place)
            try:
                return await scenario(accounts)
            finally:
                accounts.close()

    return asyncio.run(run())


class Signed(Client):
    """A client that sends the same Authorization with every request; `header` is None for nobody."""

    def __init__(self, url: str, header: str | None) -> None:
        super().__init__(url)
        self._own = {"Authorization": header} if header else {}

    def request(self, method: str, path: str, *, body: Body = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request."""
        return super().request(method, path, body=body, headers={**self._own, **(headers or {})})


def basic(name: str, secret: str) -> str:
    """Return the header of a name and a secret."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def bearer(client: Client, header: str | None, *scopes: str) -> str:
    """Return the header of a token that the token service gives for these scopes."""
    query = urlencode([("service", "here"), *(("scope", scope) for scope in scopes)])
    answer = client.get(f"/token?{query}", headers={"Authorization": header} if header else {})
    assert answer.status == 200, answer
    return f"Bearer {answer.json['token']}"
