"""A start while the data folder's disk is away: nothing of it is taken for lost."""

from collections.abc import Callable

from support.commands import run
from support.instance import Instance
from support.postgres import Cluster
from support.wire import Repository


def test_an_empty_folder_is_refused_when_the_database_names_blobs(serve: Callable[..., Instance], postgres: Cluster) -> None:
    database = postgres.new_database()
    before = serve(database=database)
    kept = Repository(before.client(), "team/app").image("v1")
    before.stop()
    data = before.data
    for name in ("blobs", "uploads"):
        (data / name).rename(data.with_name(name))
    done = run("serve", "--data", str(data), "--database", database, "--listen", "127.0.0.1:1")
    assert done.returncode == 1
    assert f"the data folder {data} holds no blobs, and the database names some: mount its disk" in done.stderr
    assert not (data / "blobs").exists(), "the next start would not be refused"
    for name in ("blobs", "uploads"):
        data.with_name(name).rename(data / name)
    again = serve(database=database)
    assert again.client().get("/v2/team/app/manifests/v1").content == kept
