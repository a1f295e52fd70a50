"""What is written to people, in each language: a subject and a text for each occasion, with the facts that it names.

Texts are plain, so that nothing in a name or an address is ever more than text. A test looks that all languages say something for
each occasion, with the same facts.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from entrepot.domain.accounts.model import Language, Purpose


class Notice(StrEnum):
    """Occasions beside those on which a link is sent."""

    ADDRESS_KNOWN = "address known"
    PASSWORD_CHANGED = "password changed"  # noqa: S105 - an occasion
    TOKEN_EXPIRES = "token expires"  # noqa: S105
    REPORTED = "reported"
    TEST = "test"


Occasion = Purpose | Notice
_LONGEST_FACT: Final = 300

_TEXTS: Final[Mapping[Language, Mapping[Occasion, tuple[str, str]]]] = {
    Language.ENGLISH: {
        Purpose.USER: (
            "Your account at {hub}",
            (
                "You can make an account at {hub} by this link:\n\n{link}\n\n"
                "It works once, until {until}. If you did not expect this, do nothing.\n"
            ),
        ),
        Purpose.MEMBER: (
            "Join {organisation} at {hub}",
            (
                "{by} invites you to join {organisation} at {hub}:\n\n{link}\n\n"
                "The link works once, until {until}. If you did not expect this, do nothing.\n"
            ),
        ),
        Purpose.ADDRESS: (
            "Is this your address?",
            (
                "Follow this link if you are {name} at {hub} and this is your address of mail:\n\n{link}\n\n"
                "It works once, until {until}. If you did not ask for this, do nothing.\n"
            ),
        ),
        Purpose.RESET: (
            "Another password for {hub}",
            (
                "Somebody, you we hope, asked for another password for {name} at {hub}. Choose it here:\n\n{link}\n\n"
                "The link works once, until {until}. If you did not ask for this, do nothing: your password stays as it is.\n"
            ),
        ),
        Notice.ADDRESS_KNOWN: (
            "You have an account at {hub}",
            (
                "Somebody, perhaps you, gave this address at {hub} for an account. You have one with it already: {name}.\n\n"
                "If you have forgotten the password, ask for another one there. If it was not you, do nothing.\n"
            ),
        ),
        Notice.PASSWORD_CHANGED: (
            "Your password at {hub} was changed",
            (
                "The password of {name} at {hub} was just replaced, and all that was signed in with the one before was ended.\n\n"
                "If it was not you, tell an administrator of {hub} now.\n"
            ),
        ),
        Notice.TOKEN_EXPIRES: (
            "A token of yours expires on {until}",
            (
                "The token '{token}' of {name} at {hub} expires on {until}. What signs in with it is refused after that.\n\n"
                "Make another one before, and put it where this one is used.\n"
            ),
        ),
        Notice.REPORTED: (
            "An image at {hub} was reported",
            (
                "Somebody says that something is wrong with the image {repository} at {hub}.\n\n"
                "Read it among the reports of the administration pages, and decide. While it waits, no mail tells of others.\n"
            ),
        ),
        Notice.TEST: ("A test from {hub}", "This is a test. Mail from {hub} arrives here.\n"),
    },
    Language.FRENCH: {
        Purpose.USER: (
            "Votre compte sur {hub}",
            (
                "Vous pouvez créer un compte sur {hub} avec ce lien :\n\n{link}\n\n"
                "Il fonctionne une seule fois, jusqu'au {until}. Si vous n'attendiez pas ce message, ne faites rien.\n"
            ),
        ),
        Purpose.MEMBER: (
            "Rejoignez {organisation} sur {hub}",
            (
                "{by} vous invite à rejoindre {organisation} sur {hub} :\n\n{link}\n\n"
                "Le lien fonctionne une seule fois, jusqu'au {until}. Si vous n'attendiez pas ce message, ne faites rien.\n"
            ),
        ),
        Purpose.ADDRESS: (
            "Cette adresse est-elle la vôtre ?",
            (
                "Suivez ce lien si vous êtes {name} sur {hub} et si cette adresse est la vôtre :\n\n{link}\n\n"
                "Il fonctionne une seule fois, jusqu'au {until}. Si vous n'avez rien demandé, ne faites rien.\n"
            ),
        ),
        Purpose.RESET: (
            "Un nouveau mot de passe pour {hub}",
            (
                "Quelqu'un, sans doute vous, a demandé un nouveau mot de passe pour {name} sur {hub}. Choisissez-le ici :\n\n"
                "{link}\n\nLe lien fonctionne une seule fois, jusqu'au {until}. Si vous n'avez rien demandé, ne faites rien : "
                "votre mot de passe reste le même.\n"
            ),
        ),
        Notice.ADDRESS_KNOWN: (
            "Vous avez un compte sur {hub}",
            (
                "Quelqu'un, peut-être vous, a donné cette adresse sur {hub} pour un compte. Vous en avez déjà un : {name}.\n\n"
                "Si vous avez oublié le mot de passe, demandez-en un nouveau. Si ce n'était pas vous, ne faites rien.\n"
            ),
        ),
        Notice.PASSWORD_CHANGED: (
            "Votre mot de passe sur {hub} a changé",
            (
                "Le mot de passe de {name} sur {hub} vient d'être remplacé, et tout ce qui était connecté avec l'ancien "
                "a été fermé.\n\nSi ce n'était pas vous, prévenez tout de suite un administrateur de {hub}.\n"
            ),
        ),
        Notice.TOKEN_EXPIRES: (
            "Un de vos jetons expire le {until}",
            (
                "Le jeton « {token} » de {name} sur {hub} expire le {until}. Ce qui se connecte avec lui sera ensuite refusé.\n\n"
                "Créez-en un autre avant, et mettez-le là où celui-ci est utilisé.\n"
            ),
        ),
        Notice.REPORTED: (
            "Une image sur {hub} a été signalée",
            (
                "Quelqu'un dit que quelque chose ne va pas avec l'image {repository} sur {hub}.\n\n"
                "Lisez-le parmi les signalements des pages d'administration, et décidez. Tant qu'il attend, aucun e-mail "
                "n'annonce les suivants.\n"
            ),
        ),
        Notice.TEST: ("Un essai de {hub}", "Ceci est un essai. Le courrier de {hub} arrive ici.\n"),
    },
}


def written(occasion: Occasion, language: Language, facts: Mapping[str, str]) -> tuple[str, str]:
    """Return the subject and the text of a mail; what a fact has beyond one line, or beyond 300 characters, is left out."""
    shown = {name: " ".join(text.split())[:_LONGEST_FACT] for name, text in facts.items()}
    subject, text = _TEXTS[language][occasion]
    return subject.format_map(shown), text.format_map(shown)


def texts(language: Language) -> Mapping[Occasion, tuple[str, str]]:
    """Return all texts of a language."""
    return _TEXTS[language]
