"""The two commands that run on and on, by themselves: all the others would take 20 MB more, and a third of a second."""

import typer

from entrepot.cli import serve, worker


def bare() -> typer.Typer:
    """Return the command with nothing under it."""
    return typer.Typer(
        name="entrepot",
        help="A container registry that anyone can run.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


app = bare()
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
