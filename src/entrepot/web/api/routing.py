"""The application that all routes are added to, and the way in which the files of the nouns add them.

Each route is added straight to it: FastAPI analyses a route once more for every router that contains it, and this is done while
the server starts.
"""

from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from entrepot import __version__

PREFIX: Final = "/api/v1"
_Handler = TypeVar("_Handler", bound=Callable[..., Any])
_ABOUT: Final = (
    "Sign in with HTTP Basic (a name with a password, a token's or a robot's secret), or with Bearer (such a secret, or a token "
    "of `POST /api/v1/token`). Lists come in parts: give `next` as `after` for the next one."
)


async def _rise(_request: Request, error: Exception) -> NoReturn:
    """Let an error out of the framework."""
    raise error


APPLICATION: Final = FastAPI(
    title="Entrepot",
    version=__version__,
    description=_ABOUT,
    openapi_url=None,
    docs_url=None,
    redoc_url=None,
    redirect_slashes=False,
    generate_unique_id_function=lambda route: route.name,
    exception_handlers={RequestValidationError: _rise, HTTPException: _rise},
    telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
)


class Noun:
    """Adds routes that have a tag and the beginning of their path in common."""

    def __init__(self, tag: str, prefix: str) -> None:
        self._tag = tag
        self._prefix = prefix

    def get(self, path: str, *, name: str | None = None) -> Callable[[_Handler], _Handler]:
        """Add a route that shows something."""
        return self._add("GET", path, 200, name)

    def post(self, path: str, status: int = 201) -> Callable[[_Handler], _Handler]:
        """Add a route that makes something."""
        return self._add("POST", path, status, None)

    def put(self, path: str) -> Callable[[_Handler], _Handler]:
        """Add a route that lets something be so, and says nothing about it."""
        return self._add("PUT", path, 204, None)

    def patch(self, path: str, *, name: str | None = None) -> Callable[[_Handler], _Handler]:
        """Add a route that changes something and shows it."""
        return self._add("PATCH", path, 200, name)

    def delete(self, path: str, *, name: str | None = None) -> Callable[[_Handler], _Handler]:
        """Add a route that deletes something, or ends it."""
        return self._add("DELETE", path, 204, name)

    def _add(self, method: str, path: str, status: int, name: str | None) -> Callable[[_Handler], _Handler]:
        return APPLICATION.api_route(f"{self._prefix}{path}", methods=[method], tags=[self._tag], status_code=status, name=name)
