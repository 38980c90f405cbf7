"""Check that each link within the built documentation leads somewhere: `make docs` runs this.

python docs/check_links.py build/docs
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links of a page, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what an element refers to, and its name."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def broken_links(site: Path) -> list[str]:
    """Return the links within a site that lead nowhere, as "page: link"."""
    # not those of the theme's templates
    paths = {path.resolve() for path in site.rglob("*.html")} - set(
        site.resolve().glob("_static/*")
    )
    if not paths:
        return [f"{site}: no pages"]
    pages = {path: Page(path) for path in paths}
    broken = []
    for path, page in sorted(pages.items()):
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            # "#" alone is a button
            known = target in pages and unquote(parts.fragment) in pages[target].anchors
            if not known and (target in pages or not target.is_file()):
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken


if __name__ == "__main__":
    found = broken_links(Path(sys.argv[1]))
    print("\n".join(found) or "every internal link leads somewhere")
    sys.exit(bool(found))
