"""The categories by which images are found: made, renamed, put in order and deleted."""

from collections.abc import Mapping
from typing import Final

import msgspec

from entrepot.domain.catalogue.errors import CategoryInvalid
from entrepot.domain.catalogue.model import Category
from entrepot.web.hub.pages.admin.visit import ADMIN, NOTHING_WRONG, REFUSALS, Visit, Wrong
from entrepot.web.hub.pages.problems import AddressUnknown
from entrepot.web.hub.rendering import to
from entrepot.web.shared.call import Answer

CATEGORIES: Final = f"{ADMIN}/categories"
_STEP: Final = 10
_DIGITS: Final = 6
_EMPTY: Final[Mapping[str, str]] = dict.fromkeys(("name", "english", "french", "rank"), "")


class CategoriesPage(msgspec.Struct, frozen=True):
    """All categories in their order; `typed` is a form that could not be used, `next_rank` where a new one goes."""

    categories: list[Category]
    next_rank: int
    typed: Mapping[str, str]
    wrong: Wrong = NOTHING_WRONG


async def categories(visit: Visit) -> Answer:
    """GET and POST /admin/categories. Raises AddressUnknown, FormRefused, FormUnreadable, RegistryReadOnly."""
    if not visit.is_form:
        return await _list(visit, _EMPTY)
    form, kinds = await visit.form(), visit.office.kinds.acting(visit.by)
    name = form.get("name", "")
    try:
        if form.get("do") == "delete":
            await kinds.drop_category(name)
        elif form.get("do") in ("make", "change"):
            known = {each.name for each in await kinds.categories()}
            if (name in known) == (form["do"] == "make"):
                return await _list(visit, form, Wrong("taken" if name in known else "gone"))
            rank = _rank(name, form.get("rank", ""))
            await kinds.put_category(Category(name, form.get("english", ""), form.get("french", ""), rank), rank)
        else:
            raise AddressUnknown
    except REFUSALS as error:
        return await _list(visit, form, Wrong.of(error))
    return to(CATEGORIES)


async def _list(visit: Visit, typed: Mapping[str, str], wrong: Wrong = NOTHING_WRONG) -> Answer:
    found = await visit.office.kinds.categories()
    following = max((each.rank for each in found), default=0) + _STEP
    return visit.page("categories", CategoriesPage(found, following, {**_EMPTY, **typed}, wrong), wrong)


def _rank(name: str, text: str) -> int:
    """Return the place that a form gives a category. Raises CategoryInvalid."""
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS:
        raise CategoryInvalid(name=name)
    return int(text)
