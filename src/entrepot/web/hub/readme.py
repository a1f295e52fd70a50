"""A README as HTML that may stand in a page of ours: GitHub's Markdown, and nothing that acts, loads, or looks like the page.

Whatever the Markdown becomes, nh3 lets through only what is listed here, and what it lets through is written anew: headings
begin below the page's own, their addresses cannot be those of the page, code is highlighted, and pictures are links, since a
picture from elsewhere tells its server who reads.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from typing import Final

import nh3
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

_REMEMBERED: Final = 256
_TAGS: Final = {
    *("a", "blockquote", "br", "code", "dd", "del", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
    *("img", "input", "kbd", "li", "ol", "p", "pre", "s", "strong", "sub", "summary", "sup"),
    *("table", "tbody", "td", "th", "thead", "tr", "ul"),
}
_ATTRIBUTES: Final = {
    "a": {"href", "title"},
    "img": {"src", "alt"},
    "input": {"checked", "type"},
    "ol": {"start"},
    "pre": {"lang"},
    "td": {"align"},
    "th": {"align"},
}
_SCHEMES: Final = {"http", "https", "mailto"}
_EMPTY: Final = frozenset({"br", "hr"})
_DEEPEST: Final = 6
_MOST_HIGHLIGHTED: Final = 20_000  # characters of one piece of code
_HEADING: Final = re.compile(r"h([1-6])")
# Pygments' short names of what tokens.css has colours for; every other token stands as it is.
_FORMATTER: Final = HtmlFormatter(nowrap=True)


@lru_cache(maxsize=_REMEMBERED)
def rendered(markdown: str) -> Markup:
    """Return the HTML of a README; the last few are remembered."""
    made = github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    clean = nh3.clean(
        made,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="nofollow ugc noopener",
        clean_content_tags={"script", "style", "svg", "math", "iframe", "object", "template"},
    )
    writer = _Writer()
    writer.feed(clean)
    writer.close()
    return Markup("".join(writer.written))  # noqa: S704 - written from what nh3 let through


class _Writer(HTMLParser):
    """Writes anew what nh3 has cleaned, which is well formed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._code: list[str] | None = None  # the text of a piece of code, until it ends
        self._language = ""
        self._heading: list[str] | None = None
        self._heading_at = 0
        self._ids: dict[str, int] = {}
        self._linked = 0  # how many links are open: a picture within one is no link of its own

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if self._code is not None:
            return
        if tag == "pre":
            self._code, self._language = [], about.get("lang", "")
        elif heading := _HEADING.fullmatch(tag):
            self._heading, self._heading_at = [], len(self.written)
            self.written.append(_deeper(heading))
        elif tag == "img":
            self._picture(about)
        elif tag == "input":
            self.written.append('<span class="task">☑</span> ' if "checked" in about else '<span class="task">☐</span> ')
        elif tag == "table":
            self.written.append('<div class="scroll"><table>')
        else:
            self._linked += tag == "a"
            self.written.append(f"<{tag}{_attributes(about)}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre" and self._code is not None:
            self.written.append(f'<pre tabindex="0"><code>{_highlighted("".join(self._code), self._language)}</code></pre>')
            self._code = None
        elif self._code is not None or tag in _EMPTY:
            return
        elif heading := _HEADING.fullmatch(tag):
            self._end_heading(heading)
        elif tag == "table":
            self.written.append("</table></div>")
        else:
            self._linked -= tag == "a"
            self.written.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            self._code.append(data)
            return
        if self._heading is not None:
            self._heading.append(data)
        self.written.append(escape(data))

    def _end_heading(self, heading: re.Match[str]) -> None:
        if self._heading is None:
            return
        id_ = self._id("".join(self._heading))
        opened = _deeper(heading)
        self.written[self._heading_at] = f'{opened[:-1]} id="{id_}">'
        self.written.append(f"</{opened[1:]}")
        self._heading = None

    def _id(self, text: str) -> str:
        """Return the id of a heading: with a beginning that no id of the page has, and each once."""
        slug = "-".join(re.findall(r"\w+", text.lower()))[:60] or "section"
        self._ids[slug] = self._ids.get(slug, 0) + 1
        return f"readme-{slug}" if self._ids[slug] == 1 else f"readme-{slug}-{self._ids[slug]}"

    def _picture(self, about: Mapping[str, str]) -> None:
        text = escape(about.get("alt", "") or about.get("src", "")[:80])
        if self._linked or not about.get("src", "").startswith(("https://", "http://")):
            self.written.append(text)
        else:
            self.written.append(f'<a href="{escape(about["src"])}" rel="nofollow ugc noopener">{text}</a>')


def _deeper(heading: re.Match[str]) -> str:
    """Return the beginning of a heading one level below: the first level is the page's."""
    return f"<h{min(int(heading[1]) + 1, _DEEPEST)}>"


def _attributes(about: Mapping[str, str]) -> str:
    href = about.get("href", "")
    if href.startswith("#"):
        about = {**about, "href": f"#readme-{href[1:].removeprefix('readme-').lower()}"}
    return "".join(f' {name}="{escape(value)}"' for name, value in about.items())


def _highlighted(code: str, language: str) -> str:
    if not language or len(code) > _MOST_HIGHLIGHTED:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language.split(maxsplit=1)[0][:40], stripnl=False)
    except (ClassNotFound, IndexError):
        return escape(code)
    return str(highlight(code, lexer, _FORMATTER))
