"""What our documentation tells people to type, taken from its pages, so that tests do what readers do."""

import re
from pathlib import Path
from typing import Final

from support.tools import PROJECT

_SECTION: Final = re.compile(r"^#{2,3} ", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Page:
    """A page below docs/."""

    def __init__(self, name: str) -> None:
        self.text = Path(PROJECT / "docs" / name).read_text("utf-8")

    def section(self, title: str) -> str:
        """Return the text under a heading, up to the next one.

        Raises:
            LookupError: the page has no such heading any more.
        """
        for section in _SECTION.split(self.text)[1:]:
            heading, _, text = section.partition("\n")
            if heading == title:
                return text
        raise LookupError(title)

    def blocks(self, title: str, language: str = "sh") -> list[str]:
        """Return the blocks of code under a heading."""
        return [text for kind, text in _BLOCK.findall(self.section(title)) if kind == language]
