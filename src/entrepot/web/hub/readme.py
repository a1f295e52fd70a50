"""A README as HTML that may stand in a page of ours: GitHub's Markdown, and nothing that acts, loads, or looks like the page.

Whatever the Markdown becomes, nh3 lets through only what is listed here, and what it lets through is written anew: headings
begin below the page's own, their addresses cannot be those of the page, code is highlighted, and pictures are links, since a
picture from elsewhere tells its server who reads.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import unquote

import nh3
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

_REMEMBERED: Final = 64
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
_UNSAID: Final = re.compile(r"[^\w\- ]")
_DEEPEST: Final = 6
# A few thousand characters can become millions of table cells: what swells like that is shown as it was written.
_LARGEST: Final = 150_000
# Of code, what is highlighted: some languages' readers take a second for a few thousand characters that are made for it.
_MOST_HIGHLIGHTED: Final = 2_000
_MOST_HIGHLIGHTED_IN_ALL: Final = 10_000
_LANGUAGES: Final = frozenset(
    {"bash", "sh", "shell", "console", "yaml", "yml", "json", "toml", "ini", "python", "py", "dockerfile", "docker", "go", "diff"}
)
_LONGEST_ID: Final = 100
_LINKS: Final = ("https://", "http://", "mailto:", "#")  # what leads nowhere from here, as to a file beside the README, is text
_HEADING: Final = re.compile(r"h([1-6])")
# Each token in a span with Pygments' short name as its class: the style sheet has colours for some of them.
_FORMATTER: Final = HtmlFormatter(nowrap=True)


@lru_cache(maxsize=_REMEMBERED)
def rendered(markdown: str) -> Markup:
    """Return the HTML of a README; the last few are remembered."""
    made = github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
    if len(made) > _LARGEST:
        return Markup('<pre tabindex="0"><code>{}</code></pre>').format(markdown)
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
    """Writes anew what nh3 has cleaned. Whatever is in it, what is written closes all that it opens, and nothing else."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._open: list[tuple[str, str]] = []  # tags and what closes them
        self._code: list[str] | None = None  # the text of a piece of code, until it ends
        self._within_code = 0
        self._language = ""
        self._highlighted = 0
        self._headings: list[tuple[int, list[str]]] = []  # where each open one was written, and its text
        self._ids: set[str] = set()
        self._alike: Counter[str] = Counter()  # how many headings had the same words so far

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if self._code is not None:
            self._within_code += tag == "pre"
        elif tag == "pre":
            self._code, self._language = [], about.get("lang", "")
        elif tag == "img":
            self._picture(about)
        elif tag == "input":
            self.written.append(f'<span class="task">{"☑" if "checked" in about else "☐"}</span> ')
        elif tag in _EMPTY:
            self.written.append(f"<{tag}>")
        else:
            self._begin(tag, about)

    def handle_endtag(self, tag: str) -> None:
        if self._code is not None:
            if tag == "pre" and self._within_code:
                self._within_code -= 1
            elif tag == "pre":
                self._end_code(self._code)
        elif (self._open and self._open[-1][0] == tag) or any(tag == each for each, _ in self._open):
            while self._end_last() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            self._code.append(data)
            return
        if self._headings:
            self._headings[-1][1].append(data)
        self.written.append(escape(data))

    def close(self) -> None:
        """Close what is still open."""
        super().close()
        if self._code is not None:
            self._end_code(self._code)
        while self._open:
            self._end_last()

    def _begin(self, tag: str, about: Mapping[str, str]) -> None:
        if heading := _HEADING.fullmatch(tag):
            deeper = f"h{min(int(heading[1]) + 1, _DEEPEST)}"
            self._headings.append((len(self.written), []))
            self.written.append(f"<{deeper}>")
            self._open.append((tag, f"</{deeper}>"))
        elif tag == "table":
            self.written.append('<div class="scroll"><table>')
            self._open.append((tag, "</table></div>"))
        else:
            self.written.append(f"<{tag}{_attributes(about)}>")
            self._open.append((tag, f"</{tag}>"))

    def _end_last(self) -> str:
        tag, closing = self._open.pop()
        self.written.append(closing)
        if _HEADING.fullmatch(tag):
            at, said = self._headings.pop()
            self.written[at] = f'{self.written[at][:-1]} id="{escape(self._id("".join(said)))}">'
        return tag

    def _end_code(self, code: list[str]) -> None:
        self.written.append(f'<pre tabindex="0"><code>{self._coloured("".join(code))}</code></pre>')
        self._code, self._within_code = None, 0

    def _coloured(self, code: str) -> str:
        language = self._language.split(maxsplit=1)[0] if self._language.strip() else ""
        self._highlighted += len(code)
        if language not in _LANGUAGES or len(code) > _MOST_HIGHLIGHTED or self._highlighted > _MOST_HIGHLIGHTED_IN_ALL:
            return escape(code)
        return str(highlight(code, get_lexer_by_name(language, stripnl=False), _FORMATTER))

    def _id(self, text: str) -> str:
        """Return the id of a heading as GitHub makes it, with a beginning that no id of the page has."""
        slug = _slug(text) or "section"
        found = slug if slug not in self._ids else ""
        while not found or found in self._ids:
            self._alike[slug] += 1
            found = f"{slug}-{self._alike[slug]}"
        self._ids.add(found)
        return f"readme-{found}"

    def _picture(self, about: Mapping[str, str]) -> None:
        source = about.get("src", "")
        text = escape(about.get("alt", "") or source[:80])
        if any(tag == "a" for tag, _ in self._open) or not source.startswith(("https://", "http://")):
            self.written.append(text)
        else:
            self.written.append(f'<a href="{escape(source)}" rel="nofollow ugc noopener">{text}</a>')


def _slug(text: str) -> str:
    return _UNSAID.sub("", text.strip().lower()).replace(" ", "-")[:_LONGEST_ID]


def _attributes(about: Mapping[str, str]) -> str:
    href = about.get("href", "")
    if href.startswith("#"):
        about = {**about, "href": f"#readme-{_slug(unquote(href[1:]))}"}
    elif "href" in about and not href.startswith(_LINKS):
        about = {name: value for name, value in about.items() if name not in ("href", "rel")}
    return "".join(f' {name}="{escape(value)}"' for name, value in about.items())
