"""Check the configuration of the website and the options of all cells against Quarto's published schema.

    python tools/site/quarto_schema.py

Quarto itself is a program that this repository's checks do not have, so the names that it knows stand here,
read from its schema: github.com/quarto-dev/quarto-cli, src/resources/schema (json-schemas.json at 01dde506,
project.yml at 081bb493, cell-attributes.yml, cell-codeoutput.yml, cell-figure.yml, cell-layout.yml,
cell-pagelayout.yml, cell-table.yml and cell-textoutput.yml, read in November 2026); of options for the page,
those of Quarto 1.8.26 that smalldocs lists. A key or an option that Quarto does not know is an error, and so
are a wrong type, a wrong choice, and a page of the menu that does not exist.

What this cannot know: whether Quarto renders the pages without a warning, what they look like, and whether a
newer version has changed an option.
"""
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from smalldocs.quarto_keys import QUARTO_PAGE_OPTIONS

ROOT = Path(__file__).resolve().parents[2]
NBS = ROOT / "nbs"
FILES = ("_quarto.yml", "nbs/_quarto.yml", "nbs/nbdev.yml", "nbs/sidebar.yml")
TOP = {"project", "website", "format", "metadata-files"}
PROJECT = {
    "title", "type", "render", "execute-dir", "output-dir", "lib-dir", "resources", "preview",
    "pre-render", "post-render", "detect"}
WEBSITE = {
    "title": str, "description": str, "favicon": str, "site-url": str, "site-path": str, "repo-url": str,
    "repo-subdir": str, "repo-branch": str, "issue-url": str, "repo-actions": (str, list), "reader-mode":
    bool, "llms-txt": bool, "search": (bool, dict), "navbar": (bool, dict), "sidebar": (bool, dict, list),
    "page-navigation": bool, "back-to-top-navigation": bool, "bread-crumbs": bool, "page-footer": (str,
    dict), "image": str, "open-graph": (bool, dict), "twitter-card": (bool, dict)}
NAVBAR = {
    "title", "logo", "logo-alt", "logo-href", "background", "foreground", "search", "pinned", "collapse",
    "collapse-below", "left", "right", "toggle-position", "tools-collapse"}
SIDEBAR = {
    "id", "title", "logo", "search", "tools", "contents", "style", "background", "foreground", "border",
    "alignment", "collapse-level", "pinned", "header", "footer"}
ITEM = {
    "aria-label", "file", "href", "icon", "id", "menu", "text", "url", "rel", "target", "section",
    "contents"}
SEARCH = {"location": ("navbar", "sidebar"), "type": ("overlay", "textbox")}
CHOICES = {"code-fold": (True, False, "show"), "code-overflow": ("scroll", "wrap"),
           "html-math-method": ("plain", "webtex", "gladtex", "mathml", "mathjax", "katex")}
# options of formats that smalldocs reads itself, and so does not list
PAGE = QUARTO_PAGE_OPTIONS | {
    "code-fold", "code-overflow", "code-summary", "code-line-numbers", "description", "categories", "toc",
    "code-copy", "link-external-newwindow", "execute", "skip_exec"}
CELL = {
    "label", "classes", "renderings", "tags", "id", "export", "eval", "echo", "code-fold", "code-summary",
    "code-overflow", "code-line-numbers", "lst-label", "lst-cap", "fig-cap", "fig-subcap", "fig-link",
    "fig-align", "fig-alt", "fig-env", "fig-pos", "fig-scap", "layout", "layout-ncol", "layout-nrow",
    "layout-align", "layout-valign", "column", "fig-column", "tbl-column", "cap-location",
    "fig-cap-location", "tbl-cap-location", "tbl-cap", "tbl-subcap", "tbl-colwidths",
    "html-table-processing", "output", "warning", "error", "include", "panel", "output-location"}
# directives that nbdev takes out before Quarto sees a cell, and flags of tests, which are no `key: value`
NBDEV = {"default_exp", "export", "exports", "exporti", "hide", "slow", "cuda"}


def unknown(where: str, keys, known) -> Iterator[str]:
    "Yield the keys that Quarto does not know."
    for key in keys:
        if key not in known:
            yield f"{where}: Quarto has no {key!r}"


def items(where: str, entries: list) -> Iterator[str]:
    "Check entries of a menu, and those inside of them."
    for entry in entries:
        page = entry if isinstance(entry, str) else entry.get("href", "")
        if page.endswith(".ipynb") and not (NBS / page).is_file():
            yield f"{where}: there is no page {page}"
        if isinstance(entry, dict):
            yield from unknown(where, entry, ITEM)
            yield from items(where, [*entry.get("menu", []), *entry.get("contents", [])])


def website(name: str, config: dict) -> Iterator[str]:
    "Check what is said of the website."
    yield from unknown(name, config, WEBSITE)
    for key, kind in WEBSITE.items():
        if key in config and not isinstance(config[key], kind):
            yield f"{name}: {key} is a {type(config[key]).__name__}"
    for key, choices in SEARCH.items():
        if (value := config.get("search", {}).get(key, choices[0])) not in choices:
            yield f"{name}: search {key} is {value!r}"
    navbar, sidebar = config.get("navbar", {}), config.get("sidebar", {})
    yield from unknown(f"{name}, navbar", navbar, NAVBAR)
    yield from unknown(f"{name}, sidebar", sidebar, SIDEBAR)
    yield from items(f"{name}, navbar", [*navbar.get("left", []), *navbar.get("right", [])])
    yield from items(f"{name}, sidebar", sidebar.get("contents", []))


def options(where: str, config: dict, known) -> Iterator[str]:
    "Check options of a page or a cell."
    yield from unknown(where, config, known)
    for key, choices in CHOICES.items():
        if key in config and config[key] not in choices:
            yield f"{where}: {key} is {config[key]!r}, not one of {choices}"


def leaves(config: dict, path: tuple = ()) -> Iterator[tuple]:
    "Yield the path of every value."
    for key, value in config.items():
        yield from leaves(value, (*path, key)) if isinstance(value, dict) else [(*path, key)]


def configuration() -> Iterator[str]:
    "Check the files of configuration; no value may stand in two of them, except the files to read next."
    places: dict[tuple, str] = {}
    for name in FILES:
        config = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        yield from unknown(name, config, TOP)
        yield from unknown(f"{name}, project", config.get("project", {}), PROJECT)
        yield from website(name, config.get("website", {}))
        yield from options(f"{name}, format", config.get("format", {}).get("html", {}), PAGE)
        for path in leaves(config):
            if path in places and path != ("metadata-files",):
                yield f"{'.'.join(path)} stands in {places[path]} and in {name}"
            places[path] = name


def cell_faults(where: str, source: str) -> Iterator[str]:
    "Check the options at the top of a code cell."
    lines = [line[2:].strip() for line in source.splitlines() if line.startswith("#|")]
    own = [line for line in lines if re.split(r"[ :]", line)[0] not in NBDEV]
    try:
        found = yaml.safe_load("\n".join(own)) or {}
    except yaml.YAMLError as error:
        found = str(error).splitlines()[0]
    if isinstance(found, dict):
        yield from options(where, found, CELL)
    else:
        yield f"{where}: the options are no YAML: {found}"


def page_faults(path: Path) -> Iterator[str]:
    "Check the front matter and the cells of a notebook."
    name = path.relative_to(ROOT).as_posix()
    for i, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            yield from cell_faults(f"{name} [{i}]", source)
        elif cell["cell_type"] == "raw":
            yield from options(f"{name} [{i}]", yaml.safe_load(source.strip("-\n")) or {}, PAGE)


def main() -> int:
    "Print what is wrong; return 1 if there is anything."
    pages = sorted(NBS.rglob("[!_.]*.ipynb"))
    found = [*configuration(), *(fault for path in pages for fault in page_faults(path))]
    checked = f"{len(FILES)} files of configuration and {len(pages)} notebooks against Quarto's schema"
    print("\n".join([*found, f"{checked}: {len(found)} faults"]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
