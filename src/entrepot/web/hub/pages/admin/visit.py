"""What each of these pages is given, and what they have in common: forms, errors in a word, and lists in parts."""

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from entrepot.base.errors import EntrepotError
from entrepot.domain.accounts import errors as accounts
from entrepot.domain.audit.model import Author
from entrepot.domain.catalogue import errors as catalogue
from entrepot.domain.plans import errors as plans
from entrepot.domain.registry import errors as registry
from entrepot.domain.registry.service import Registry
from entrepot.platform.jobs import JobRefused
from entrepot.spec.oci.names import NameReserved, NamespaceInvalid
from entrepot.web.hub.desk import Desk
from entrepot.web.hub.office import Office
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.pages.wrongs import PASSWORDS, Words, word_of
from entrepot.web.hub.rendering import Frame, page
from entrepot.web.hub.visiting import Visitor, read_form
from entrepot.web.shared.call import Answer, Call

ADMIN: Final = "/admin"
UNUSABLE: Final = 422
AT_ONCE: Final = 50
_LONGEST: Final = 255
_DIGITS: Final = 18
# The words that templates/admin/parts.html has sentences for.
WRONG: Final[Words] = {
    **PASSWORDS,
    accounts.NameTaken: "taken",
    registry.NamespaceTaken: "taken",
    NamespaceInvalid: "name",
    NameReserved: "taken",
    accounts.EmailInvalid: "email",
    accounts.EmailTaken: "address",
    accounts.AccountUnknown: "user",
    accounts.LastAdministrator: "last-administrator",
    accounts.LastOwner: "last-owner",
    accounts.SignInRefused: "password",
    accounts.CodeNeeded: "code",
    accounts.CodeRefused: "code",
    accounts.TooManySignIns: "many",
    accounts.OrganisationUnknown: "gone",
    registry.NamespaceUnknown: "gone",
    registry.NamespaceNotEmpty: "images",
    catalogue.BadgeUnknown: "gone",
    catalogue.BadgeRefused: "checked",
    catalogue.CategoryUnknown: "gone",
    catalogue.CategoryInvalid: "category",
    plans.PlanInvalid: "plan",
    plans.PlanUnknown: "gone",
    plans.SubscriberUnknown: "namespace",
    JobRefused: "job",
}
REFUSALS: Final = tuple(WRONG)
Form = dict[str, str]
_T = TypeVar("_T")


class Wrong(NamedTuple):
    """What kept a deed from being done, in a word, and what it was about: a name, or how many seconds to wait."""

    word: str = ""
    about: str = ""

    @classmethod
    def of(cls, error: EntrepotError) -> "Wrong":
        """Return it for one of `REFUSALS`."""
        wait = getattr(error, "retry_after_s", "")
        facts = error.facts
        return cls(word_of(error, WRONG), str(wait or facts.get("organisation") or facts.get("what") or facts.get("name") or ""))


NOTHING_WRONG: Final = Wrong()


class Visit(NamedTuple):
    """An administrator's request for a page."""

    call: Call
    frame: Frame
    desk: Desk
    visitor: Visitor
    registry: Registry

    @property
    def office(self) -> Office:
        """The services for administrators."""
        return self.desk.office

    @property
    def by(self) -> Author:
        """Who they are in the audit log."""
        return self.call.acting.author

    @property
    def is_form(self) -> bool:
        """Tell whether a form was sent."""
        return self.call.method == "POST"

    async def form(self) -> Form:
        """Return the form that was sent, its fields without spaces around. Raises FormRefused, FormUnreadable."""
        found = await read_form(self.call, self.frame.place, self.visitor)
        return {name: value.strip() for name, value in found.items()}

    def asked(self, name: str) -> str:
        """Return what the address says of something. Raises QueryInvalid."""
        return (self.call.one(name) or "").strip()[:_LONGEST]

    def page(self, template: str, about: object, wrong: Wrong = NOTHING_WRONG) -> Answer:
        """Return a page; of what was not done, with a status that says so."""
        return page(self.call, self.frame, f"admin/{template}.html", about, UNUSABLE if wrong.word else 200)

    async def prove(self, form: Form) -> None:
        """Do nothing when the form has the visitor's own password, and their code if one is needed.

        Raises:
            CodeNeeded, CodeRefused, SignInRefused, TooManySignIns
        """
        code = "".join(form.get("code", "").split())
        await self.desk.sessions.prove(self.visitor.account.name, form.get("current", ""), code, self.call.client)


def part(found: Sequence[_T], limit: int = AT_ONCE) -> tuple[list[_T], bool]:
    """Return what is shown of what was asked for with one more than `limit`, and whether there is more."""
    return list(found[:limit]), len(found) > limit


def number_in(text: str) -> int | None:
    """Return the number in an address; None where there is none. Raises AddressUnknown for what is no number."""
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise AddressUnknown
    return int(text)
