"""Personal access tokens by Docker Hub's paths: those of whoever asks."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field

from entrepot.base.clock import now_us
from entrepot.domain.access.model import Action
from entrepot.domain.accounts.errors import CredentialUnknown
from entrepot.domain.accounts.model import Account, Credential, Kind, Scope, Terms
from entrepot.web.api.asking import Asked, Asking
from entrepot.web.api.credentials import require_no_token
from entrepot.web.api.errors import FieldInvalid
from entrepot.web.api.models import Segment, Shown, instant, instant_or_none
from entrepot.web.api.routing import Noun

_noun: Final = Noun("docker hub", "/v2")
_HubScope = Literal["repo:admin", "repo:write", "repo:read", "repo:public_read"]
# What Docker Hub calls admin is to read, write and delete; it contains no power over the account.
_SCOPES: Final[dict[str, Scope]] = {
    "repo:public_read": Scope.PUBLIC_READ,
    "repo:read": Scope.READ,
    "repo:write": Scope.WRITE,
    "repo:admin": Scope.DELETE,
}
_WORDS: Final[dict[Scope, str]] = {scope: word for word, scope in _SCOPES.items()} | {Scope.ADMIN: "repo:admin"}


class HubNewToken(BaseModel):
    """A token to be made."""

    token_label: Annotated[str, Field(max_length=1000)]
    scopes: Annotated[list[_HubScope], Field(min_length=1, max_length=10)]
    expires_at: datetime | None = None


class HubTokenChange(BaseModel):
    """What is to be changed: a token that was deactivated cannot be activated again."""

    is_active: bool


class HubToken(Shown):
    """A token; `token` is its secret in the answer that makes it, and empty after that."""

    uuid: str
    client_id: str = ""
    creator_ip: str = ""
    creator_ua: str = ""
    created_at: datetime
    last_used: datetime | None
    expires_at: datetime | None
    generated_by: str = "manual"
    is_active: bool
    token: str = ""
    token_label: str
    scopes: list[str]

    @classmethod
    def of(cls, found: Credential, secret: str = "") -> Self:
        """Return what is shown of it."""
        return cls(
            uuid=found.id,
            created_at=instant(found.created_at),
            last_used=instant_or_none(found.used_at),
            expires_at=instant_or_none(found.expires_at),
            is_active=_is_active(found),
            token=secret,
            token_label=found.name,
            scopes=[_WORDS[found.terms.scope]],
        )


class HubTokens(Shown):
    """The tokens, newest first, all on one page."""

    count: int
    active_count: int
    next: None = None
    previous: None = None
    results: list[HubToken]


@_noun.get("/access-tokens")
async def hub_list_tokens(asked: Asking) -> HubTokens:
    """List one's tokens."""
    found = await asked.verbs.credentials.of_account(await _account(asked))
    active = sum(map(_is_active, found))
    return HubTokens(count=len(found), active_count=active, results=[HubToken.of(each) for each in found])


@_noun.post("/access-tokens")
async def hub_create_token(asked: Asking, body: HubNewToken) -> HubToken:
    """Make a token."""
    account = await _account(asked)
    require_no_token(asked)
    widest = max((_SCOPES[each] for each in body.scopes), key=list(Scope).index)
    lifetime_s = None
    if body.expires_at is not None:
        if body.expires_at.tzinfo is None:
            raise FieldInvalid(field="expires_at", reason="say in which time zone: it ends with Z, or as +01:00")
        lifetime_s = int(body.expires_at.timestamp() - now_us() / 1_000_000)
    made, secret = await asked.verbs.credentials.add_personal(
        account.name, body.token_label, Terms(widest), lifetime_s=lifetime_s
    )
    return HubToken.of(made, secret)


@_noun.get("/access-tokens/{token}")
async def hub_get_token(asked: Asking, token: Segment) -> HubToken:
    """Show a token."""
    return HubToken.of(await _own(asked, token))


@_noun.patch("/access-tokens/{token}")
async def hub_change_token(asked: Asking, token: Segment, body: HubTokenChange) -> HubToken:
    """Deactivate a token, which revokes it."""
    found = await _own(asked, token)
    if body.is_active != _is_active(found):
        if body.is_active:
            raise FieldInvalid(field="is_active", reason="a token that was revoked stays so: make another one")
        await asked.verbs.credentials.revoke(token)
    return HubToken.of(await _own(asked, token))


@_noun.delete("/access-tokens/{token}")
async def hub_delete_token(asked: Asking, token: Segment) -> None:
    """Revoke a token."""
    found = await _own(asked, token)
    if found.revoked_at is None:
        await asked.verbs.credentials.revoke(token)


async def _account(asked: Asked) -> Account:
    await asked.verbs.permits.in_namespace(asked.actor, Action.MANAGE, asked.actor.name, "user")
    return await asked.verbs.users.find(asked.actor.name)


async def _own(asked: Asked, id_: str) -> Credential:
    account = await _account(asked)
    found = await asked.verbs.credentials.find(id_)
    if found.kind is not Kind.PERSONAL or found.account != account.id:
        raise CredentialUnknown(id=id_)
    return found


def _is_active(found: Credential) -> bool:
    return found.revoked_at is None and (found.expires_at is None or found.expires_at > now_us())
