"""The registry's use cases, a module for each noun. Permission is asked first in every one of them."""

import msgspec

from entrepot.domain.access.service.modes import Guarded
from entrepot.domain.access.service.rule import Rule
from entrepot.domain.plans.service import Plans
from entrepot.domain.registry.service.backdating import Backdating
from entrepot.domain.registry.service.blobs import Blobs
from entrepot.domain.registry.service.checking import Checker
from entrepot.domain.registry.service.collection import Collector
from entrepot.domain.registry.service.listing import Listing
from entrepot.domain.registry.service.manifests import Manifests
from entrepot.domain.registry.service.names import Names
from entrepot.domain.registry.service.places import Places
from entrepot.domain.registry.service.pulls import PullCounts
from entrepot.domain.registry.service.repositories import Repositories
from entrepot.domain.registry.service.served import Served
from entrepot.domain.registry.service.stores import Stores
from entrepot.domain.registry.service.tag_lists import TagLists
from entrepot.domain.registry.service.tags import Tags
from entrepot.domain.registry.service.uploads import Uploads
from entrepot.platform.db.database import Database
from entrepot.platform.storage.driver import StorageDriver


class Rules(msgspec.Struct, frozen=True):
    """What the administrator decided about the registry: durations in seconds.

    `sparse` says what a manifest may name that is not here: none, indexes (an index's images), images (their layers too);
    `one_disk` that manifests lie on the blobs' disk, whose room they take.
    """

    gc_grace_s: int
    sparse: str
    upload_lifetime_s: int = 24 * 3600
    uploads_per_address: int = 0  # open at a time; 0 for no limit
    one_disk: bool = False


class Registry(msgspec.Struct, frozen=True):
    """All that the registry can do."""

    manifests: Manifests
    blobs: Blobs
    uploads: Uploads
    tags: Tags
    tag_lists: TagLists
    repositories: Repositories
    names: Names
    listing: Listing
    collector: Collector
    checker: Checker
    stores: Stores
    pulls: PullCounts
    backdating: Backdating


def registry(
    db: Database,
    storage: StorageDriver,
    rule: Rule,
    rules: Rules,
    served: Served | None = None,
    plans: Plans | None = None,
) -> Registry:
    """Put the registry together: in all of its parts nothing is written while the registry is read-only.

    `served` is what goes on being served while the database is away, if it can be away; `plans` what namespaces are held to.
    """
    unguarded, db, places = db, Guarded(db), Places(plans)
    blobs = Blobs(db, storage, rule, gc_grace_s=rules.gc_grace_s, served=served)
    return Registry(
        manifests=Manifests(db, rule, places, sparse=rules.sparse, disk=storage if rules.one_disk else None, served=served),
        blobs=blobs,
        uploads=Uploads(db, storage, rule, places, lifetime_s=rules.upload_lifetime_s, per_address=rules.uploads_per_address),
        tags=Tags(db, rule),
        tag_lists=TagLists(db, rule),
        repositories=Repositories(db, rule, places),
        names=Names(db),
        listing=Listing(db, rule, places),
        collector=Collector(db, storage, blobs, gc_grace_s=rules.gc_grace_s),
        checker=Checker(db, storage),
        stores=Stores(unguarded, storage),
        pulls=PullCounts(db),
        backdating=Backdating(db),
    )
