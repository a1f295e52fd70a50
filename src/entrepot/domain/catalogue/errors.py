"""Errors of the catalogue."""

from entrepot.base.errors import EntrepotError


class CatalogueRefused(EntrepotError):
    """Something that people do with the catalogue was refused."""


class CategoryUnknown(CatalogueRefused):
    """There is no such category."""

    summary = "there is no category {category}: the hub has {known}"


class CategoryMissing(CategoryUnknown):
    """What was to be deleted is not there."""


class CategoryInvalid(CatalogueRefused):
    """A category cannot be called that."""

    summary = "a category is named by up to 40 small letters, digits and hyphens, not {name}; titles have up to 60 characters"


class TooManyCategories(CatalogueRefused):
    """An image would be on too many shelves."""

    summary = "an image is in at most {most} categories, not in {count}"


class BadgeUnknown(CatalogueRefused):
    """The namespace has no such badge."""

    summary = "{namespace} has no badge {badge}"


class BadgeRefused(CatalogueRefused):
    """A badge is for organisations, and granted for a reason."""

    summary = "the badge was not granted to {namespace}: {reason}"


class ReportInvalid(CatalogueRefused):
    """A report says nothing, or a text of it is too long."""

    summary = "say what is wrong, in at most {most} characters"


class ReportUnknown(CatalogueRefused):
    """There is no such report."""

    summary = "there is no report {report}"


class ReportsFull(CatalogueRefused):
    """So many reports wait that no more are taken."""

    summary = "very many reports wait for a decision: try again in a few days"
