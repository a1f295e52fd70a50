"""The schema that all migrations build is the one that the tables describe, on both databases."""

import re
from pathlib import Path
from typing import Final

import pytest

from entrepot.base.settings import Settings
from entrepot.domain.access.tables import METADATA as ACCESS_METADATA
from entrepot.domain.accounts.tables import METADATA as ACCOUNT_METADATA
from entrepot.domain.audit.tables import METADATA as AUDIT_METADATA
from entrepot.domain.catalogue.tables import METADATA as CATALOGUE_METADATA
from entrepot.domain.plans.tables import METADATA as PLAN_METADATA
from entrepot.domain.registry.tables import METADATA
from entrepot.platform.db import migrate
from entrepot.platform.db.migrations import versions
from entrepot.platform.jobs.tables import METADATA as JOB_METADATA
from support.history import rows, upgrade
from support.parts import FILE
from support.postgres import Cluster
from support.schemas import OWN, create, schema

FILE_NAME: Final = re.compile(r"(\d{4})_(expand|backfill|contract)_[a-z0-9_]+\.py")
# What every query leans on. A partial index must say its condition, or PostgreSQL and SQLite would use it for other rows.
INDEXES: Final = {
    "account_grant_namespace": ("account_grant", ["namespace"], False, ""),
    "audit_event_act": ("audit_event", ["act", "happened_at", "id"], False, ""),
    "audit_event_actor": ("audit_event", ["actor", "happened_at", "id"], False, ""),
    "audit_event_address": ("audit_event", ["happened_at"], False, "address is not null"),
    "audit_event_namespace": ("audit_event", ["namespace", "happened_at", "id"], False, ""),
    "audit_event_time": ("audit_event", ["happened_at", "id"], False, ""),
    "audit_event_waiting": ("audit_event", ["id"], False, "position is null"),
    "credential_account": ("credential", ["account"], False, ""),
    "credential_expires": ("credential", ["expires_at"], False, "expires_at is not null"),
    "credential_namespace": ("credential", ["namespace", "kind"], False, ""),
    "failed_login_last": ("failed_login", ["last_at"], False, ""),
    "manifest_digest": ("manifest", ["digest"], False, ""),
    "name_hold_namespace": ("name_hold", ["namespace"], False, ""),
    "repository_private": ("repository", ["namespace"], False, "visibility = 'private'"),
    "subscription_plan": ("subscription", ["plan"], False, ""),
    "one_time_link_inviter": ("one_time_link", ["inviter"], False, ""),
    "recent_pull_began_at": ("recent_pull", ["began_at"], False, ""),
    "repository_alias_repository": ("repository_alias", ["repository"], False, ""),
    "member_account": ("member", ["account"], False, ""),
    "one_time_link_account": ("one_time_link", ["account"], False, ""),
    "one_time_link_expires": ("one_time_link", ["expires_at"], False, ""),
    "one_time_link_namespace": ("one_time_link", ["namespace"], False, ""),
    "session_account": ("session", ["account"], False, ""),
    "session_ends": ("session", ["ends_at"], False, ""),
    "team_member_account": ("team_member", ["account"], False, ""),
    "blob_live": ("blob", ["digest"], True, "condemned_at is null"),
    "job_key": ("job", ["key"], True, "finished_at is null"),
    "job_finished": ("job", ["finished_at"], False, "finished_at is not null"),
    "job_state": ("job", ["state", "id"], False, ""),
    "job_waiting": ("job", ["queue", "state", "run_at"], False, "finished_at is null"),
    "blob_condemned": ("blob", ["condemned_at", "id"], False, "condemned_at is not null"),
    "manifest_reference_named": ("manifest_reference", ["digest", "repository"], False, ""),
    "manifest_subject": ("manifest", ["repository", "subject", "id", "size"], False, "subject is not null"),
    "manifest_subject_type": (
        "manifest",
        ["repository", "subject", "artifact_type", "id", "size"],
        False,
        "subject is not null",
    ),
    "pull_day_day": ("pull_day", ["day"], False, ""),
    "pull_total_pulled_at": ("pull_total", ["pulled_at"], False, ""),
    "report_state": ("report", ["state", "id"], False, ""),
    "repository_blob_blob": ("repository_blob", ["blob"], False, ""),
    "repository_category_category": ("repository_category", ["category"], False, ""),
    "repository_change_made_at": ("repository_change", ["made_at"], False, ""),
    "repository_change_order": ("repository_change", ["xact", "id"], False, ""),
    "repository_pushed": ("repository", ["name"], False, "first_pushed_at is not null"),
    "star_repository": ("star", ["repository"], False, ""),
    "tag_pushed_at": ("tag", ["repository", "pushed_at", "name"], False, ""),
    "tag_unversioned": ("tag", ["repository"], False, "version is null"),
    "tag_version": ("tag", ["repository", "version", "name"], False, ""),
    "tag_manifest": ("tag", ["manifest"], False, ""),
    "tag_move_tag": ("tag_move", ["repository", "name", "id"], False, ""),
    "upload_client": ("upload", ["client", "expires_at"], False, ""),
    "upload_expires": ("upload", ["expires_at"], False, ""),
    "upload_repository": ("upload", ["repository"], False, ""),
}


def test_the_migrations_build_what_the_tables_describe(
    place: Settings, profile: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    other = ""
    if profile == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        other = cluster.new_database()
    described = Settings(data=str(tmp_path), database=other)
    for tables in (ACCOUNT_METADATA, METADATA, ACCESS_METADATA, AUDIT_METADATA, JOB_METADATA, PLAN_METADATA, CATALOGUE_METADATA):
        create(described, tables)
    upgrade(place)
    migrated, expected = schema(place), schema(described)
    assert migrated.keys() - OWN == expected.keys()
    for name, about in expected.items():
        for part in ("columns", "key", "uniques", "foreign"):
            assert migrated[name][part] == about[part], f"{part} of {name}"


def test_the_migrations_make_these_indexes(place: Settings) -> None:
    upgrade(place)
    found = {index: (table, *about) for table, each in schema(place).items() for index, about in each["indexes"].items()}
    assert found == INDEXES


def test_on_postgresql_every_text_is_compared_byte_by_byte(postgres: Cluster, tmp_path: Path) -> None:
    place = Settings(data=str(tmp_path), database=postgres.new_database())
    upgrade(place)
    others = rows(
        place,
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public' "
        "AND data_type IN ('text', 'character varying') AND table_name <> 'alembic_version' "
        "AND collation_name IS DISTINCT FROM 'C'",
    )
    assert others == []


def test_the_revisions_are_the_files_each_following_the_one_before() -> None:
    files = sorted(path.name for path in Path(versions.__path__[0]).glob("[0-9]*.py"))
    named = [FILE_NAME.fullmatch(name) for name in files]
    assert all(named), files
    assert tuple(match[1] for match in named if match) == migrate.REVISIONS
    before = None
    for name, revision in zip(files, migrate.REVISIONS, strict=True):
        text = (Path(versions.__path__[0]) / name).read_text("utf-8")
        assert f'\nrevision = "{revision}"\n' in text
        following = f'"{before}"' if before else "None"
        assert f"\ndown_revision = {following}\n" in text
        before = revision


def test_what_sqlite_keeps_is_the_database_file_and_its_locks(tmp_path: Path) -> None:
    upgrade(Settings(data=str(tmp_path)))
    assert {path.name for path in tmp_path.iterdir()} <= {FILE, f"{FILE}-migration", f"{FILE}-wal", f"{FILE}-shm"}
