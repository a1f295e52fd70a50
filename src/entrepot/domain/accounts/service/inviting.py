"""Who may still invite: an invitation ends with the right of whoever made it."""

from entrepot.domain.accounts.model import Link, Place, Purpose
from entrepot.domain.accounts.queries import accounts, links, organisations
from entrepot.domain.audit.model import Act, Author, Deed
from entrepot.domain.audit.service.recording import record
from entrepot.platform.db.database import Reader, Transaction


async def end_invitations(
    tx: Transaction, by: Author, inviter: tuple[int, str], organisation: tuple[int, str] | None = None
) -> None:
    """Let no invitation hold that somebody (id and name) has made, into one organisation or anywhere: they may invite no more."""
    account, name = inviter
    id_, into = organisation or (None, "")
    ended = await links.revoke_made_by(tx, account, id_)
    if ended:
        await record(tx, by, Deed(Act.INVITATION_REVOKE, into, into or name, {"invited_by": name, "invitations": ended}))


async def may_still_invite(db: Reader, link: Link, *, is_closed: bool) -> bool:
    """Tell whether whoever made an invitation may make it now; those of the command line and of nobody else stay.

    Somebody who lost that right in the same moment is seen when the caller holds the organisation's lock.
    """
    if link.inviter is None:
        return True
    inviter = await accounts.by_id(db, str(link.inviter))
    if inviter is None or not inviter.is_active:
        return False
    if inviter.is_admin:
        return True
    if link.purpose is Purpose.USER:
        return not is_closed
    standing = await organisations.standing(db, str(inviter.id), link.organisation or "")
    return standing.place is Place.OWNER and not standing.lacks_factor
