"""All commands: nouns, then verbs. A command reads its arguments, calls one verb of the product, and prints."""

import json
from typing import Annotated

import typer

from entrepot import __version__
from entrepot.cli import (
    audit,
    catalogue,
    config,
    credentials,
    demo,
    doctor,
    fsck,
    invitations,
    jobs,
    mail,
    migrate,
    mode,
    names,
    organisations,
    own,
    plans,
    repositories,
    running,
    search,
    secrets,
    serve,
    sessions,
    storage,
    tags,
    tls,
    users,
    worker,
)

app = running.bare()
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("migrate")(migrate.migrate)
app.command("config")(config.config)
app.command("fsck")(fsck.fsck)
app.command("doctor")(doctor.doctor)
app.command("mode")(mode.mode)
app.command("demo")(demo.demo)
app.command("tls")(tls.tls)
app.add_typer(audit.app, name="audit")
app.add_typer(jobs.app, name="job")
app.add_typer(search.app, name="search")
app.add_typer(secrets.app, name="secrets")
app.add_typer(storage.app, name="storage")
app.add_typer(tags.app, name="tag")
users.app.command("invite")(invitations.invite_user)
users.app.command("one-factor")(own.one_factor)
users.app.command("language")(own.language)
users.app.command("export")(own.export)
organisations.members.command("invite")(invitations.invite_member)
app.add_typer(users.app, name="user")
app.add_typer(repositories.app, name="repository")
app.add_typer(names.app, name="name")
app.add_typer(plans.app, name="plan")
app.add_typer(catalogue.badges, name="badge")
app.add_typer(catalogue.categories, name="category")
app.add_typer(organisations.orgs, name="org")
app.add_typer(organisations.members, name="member")
app.add_typer(organisations.teams, name="team")
app.add_typer(credentials.tokens, name="token")
app.add_typer(credentials.robots, name="robot")
app.add_typer(invitations.app, name="invitation")
app.add_typer(sessions.app, name="session")
app.add_typer(mail.app, name="mail")


@app.command()
def version(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version."""
    typer.echo(json.dumps({"version": __version__}) if as_json else __version__)
