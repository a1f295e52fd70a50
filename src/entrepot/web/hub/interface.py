"""The document that describes the JSON interface (OpenAPI 3.1), as a page shows it: operations by noun, and shapes."""

from functools import lru_cache
from typing import Any, Final

import msgspec

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_REFERENCE: Final = "#/components/schemas/"


class Type(msgspec.Struct, frozen=True):
    """What a value is, in words; `shape` is the name of a form that the page describes."""

    text: str
    shape: str = ""


class Field(msgspec.Struct, frozen=True):
    """A parameter of an operation, or a field of a shape."""

    name: str
    type: Type
    is_required: bool
    about: str = ""
    place: str = ""  # of a parameter: path or query


class Operation(msgspec.Struct, frozen=True):
    """Something that can be asked for."""

    method: str
    path: str
    title: str
    about: str
    parameters: list[Field]
    body: Type | None
    answers: list[tuple[str, str, Type | None]]

    @property
    def id(self) -> str:
        """What its place on the page is called."""
        return f"{self.method}{self.path}".lower().replace("/", "-").replace("{", "").replace("}", "")


class Shape(msgspec.Struct, frozen=True):
    """The form of a body."""

    name: str
    about: str
    fields: list[Field]


class Interface(msgspec.Struct, frozen=True):
    """The whole interface: operations by noun, and shapes by name."""

    title: str
    version: str
    nouns: list[tuple[str, list[Operation]]]
    shapes: list[Shape]


@lru_cache(maxsize=1)
def read(document: bytes) -> Interface:
    """Read the document."""
    said: dict[str, Any] = msgspec.json.decode(document)
    nouns: dict[str, list[Operation]] = {}
    for path, item in said["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                noun = (operation.get("tags") or ["other"])[0]
                nouns.setdefault(noun, []).append(_operation(method, path, operation))
    shapes = [_shape(name, about) for name, about in sorted(said["components"]["schemas"].items())]
    return Interface(said["info"]["title"], said["info"]["version"], sorted(nouns.items()), shapes)


def _operation(method: str, path: str, said: dict[str, Any]) -> Operation:
    parameters = [
        Field(each["name"], _type(each.get("schema", {})), bool(each.get("required")), each.get("description", ""), each["in"])
        for each in said.get("parameters", ())
    ]
    body = _content(said.get("requestBody", {}))
    answers = [
        (status, answer["description"], _content(answer))
        for status, answer in sorted(said["responses"].items())
        if "$ref" not in answer
    ]
    title, _, about = (said.get("description") or said.get("summary") or "").partition("\n")
    return Operation(method.upper(), path, title, about.strip(), parameters, body, answers)


def _content(of: dict[str, Any]) -> Type | None:
    schema = of.get("content", {}).get("application/json", {}).get("schema")
    return _type(schema) if schema else None


def _shape(name: str, said: dict[str, Any]) -> Shape:
    required = set(said.get("required", ()))
    fields = [
        Field(field, _type(about), field in required, about.get("description", ""))
        for field, about in said.get("properties", {}).items()
    ]
    return Shape(name, " ".join(said.get("description", "").split()), fields)


def _type(schema: dict[str, Any]) -> Type:
    """Return a type in words: of a choice each, of a list what is in it."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return Type(name, name)
    if "anyOf" in schema or "oneOf" in schema:
        each = [_type(one) for one in schema.get("anyOf", schema.get("oneOf", ()))]
        return Type(" | ".join(one.text for one in each), next((one.shape for one in each if one.shape), ""))
    if schema.get("type") == "array":
        inner = _type(schema.get("items", {}))
        return Type(f"[{inner.text}]", inner.shape)
    if "enum" in schema:
        return Type(" | ".join(f'"{each}"' for each in schema["enum"]))
    return Type(" ".join(filter(None, (schema.get("type", "any"), schema.get("format", "")))))
