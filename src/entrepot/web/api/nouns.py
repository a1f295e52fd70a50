"""All files of nouns: importing one adds its routes."""

from typing import Final

from entrepot.web.api import (
    audit,
    catalogue,
    credentials,
    grants,
    invitations,
    links,
    names,
    organisations,
    own,
    plans,
    repositories,
    search,
    sessions,
    tags,
    teams,
    token,
    users,
)
from entrepot.web.api.hub import access_tokens as hub_tokens
from entrepot.web.api.hub import finding as hub_finding
from entrepot.web.api.hub import repositories as hub_repositories
from entrepot.web.api.hub import sign_in as hub_sign_in
from entrepot.web.api.hub import tags as hub_tags

_OF_PEOPLE: Final = (token, links, users, own, sessions, organisations, invitations, teams, grants, credentials, names, plans)
_OURS: Final = (*_OF_PEOPLE, repositories, tags, catalogue, search, audit)
_DOCKER_HUBS: Final = (hub_sign_in, hub_tokens, hub_repositories, hub_tags, hub_finding)
ALL: Final = (*_OURS, *_DOCKER_HUBS)
