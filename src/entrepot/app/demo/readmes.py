"""READMEs of the demo hub's images."""

from typing import Final

from entrepot.app.demo.stock import Stock

_FULL: Final = """# {title}

{about}.

## Quick start

```console
$ docker run -d --name {title}{publish} {name}:{newest}
```

With Compose:

```yaml
services:
  {title}:
    image: {name}:{newest}
    restart: unless-stopped
```

## Which tag to take

| Tag | What it is |
|---|---|
{rows}
| `latest` | the newest release: it moves, so pin a version in production |

Versions are rebuilt when their base image has fixes. A version that was once published is never replaced by another release.

## What is inside

- Built on `{base}`, for {platforms}.
- Runs as {runs}.
- The command is `{command}`; arguments behind the image's name replace it.

## Settings

Everything is set by variables of the environment, so that nothing has to be mounted for a first try:

| Variable | Meaning | Default |
|---|---|---|
| `LOG_LEVEL` | how much is told: `debug`, `info`, `warn` or `error` | `info` |
| `DATA_DIR` | where it keeps what must survive | `/var/lib/{title}` |
| `TZ` | the time zone of what is logged | `UTC` |

Mount a volume at `DATA_DIR`, or what is stored there goes with the container.

## Source

{source}Reports of faults are welcome there. This image belongs to a demo hub: it was made locally, and holds no program.
"""
_SOURCE: Final = "The Dockerfile and the history of this image are at the address that the image itself names.\n"


def readme(stock: Stock, versions: tuple[str, ...]) -> str:
    """Return what an image says of itself, as long as its stock says."""
    if stock.readme == "none":
        return ""
    title = stock.name.rpartition("/")[2]
    if stock.readme == "short":
        return f"# {title}\n\n{stock.about}. Made for myself; ask me if something breaks.\n"
    newest = versions[-1] if versions else "latest"
    name = stock.name.removeprefix("library/")
    publish = f" -p {stock.port}:{stock.port}" if stock.port else ""
    runs = f"`{stock.user}`, and needs no root" if stock.user else "`root`: give it another user with `--user` where you can"
    rows = "\n".join(f"| `{each}` | {'the newest' if each == newest else 'kept up to date'} |" for each in reversed(versions))
    count = len(stock.platforms)
    return _FULL.format(
        title=title,
        about=stock.about,
        publish=publish,
        name=name,
        newest=newest,
        rows=rows,
        base=stock.base,
        platforms=f"{count} platform" if count == 1 else f"{count} platforms",
        runs=runs,
        command=stock.command,
        source=_SOURCE if stock.source else "",
    )
