"""Look at every page of the built site as a reader would, in a headless Chromium, on a desk and on a phone.

    python tools/site/look.py PICTURES [PAGE...]
    python tools/site/look.py --count [PAGE...]     no pictures, only what is wrong and the counts

Run it after tools/site/build.py; it needs playwright and a Chromium (RS_SR_CHROMIUM names another one). PAGE
is a page such as `explorer/widgets.html`; without one, all are opened. It saves a picture of each page and
width, and complains about dead links, missing pictures, pictures and scripts that would need the network (it
is cut off), pictures without alternative text, links that are shown as Markdown, formulas that are not drawn,
code wider than its box, sections without content, signatures that say nothing, pages with hardly any text,
pages wider than the window, and errors in the browser. The last lines count all of it. Exit status 1 if
anything was found.
"""
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parents[2] / "_docs"
WIDTHS = {"desk": 1400, "phone": 390}
FACTS = r"""() => {
  const source = image => (image.getAttribute('src') || '').slice(0, 60);
  const mute = image => !(image.getAttribute('alt') || '').trim();
  const broken = image => image.complete && !image.naturalWidth && !source(image).startsWith('http');
  const markdown = /\]\((#|[\w.:\/-]+\.(ipynb|html))[^)\s]*\)/g;
  const level = heading => Number(heading.tagName[1]);
  const headings = [...document.querySelectorAll('main h2, main h3, main h4')];
  const empty = (heading, i) => {
    const next = headings[i + 1], range = document.createRange();
    if (next && level(next) > level(heading)) return false;
    range.setStartAfter(heading);
    next ? range.setEndBefore(next) : range.setEndAfter(document.querySelector('main').lastChild);
    const found = range.cloneContents();
    found.querySelectorAll('details > :not(summary), summary, nav').forEach(part => part.remove());
    return !found.textContent.trim() && !found.querySelector('img, svg, table, details');
  };
  const blocks = [...document.querySelectorAll('main pre')].filter(block => block.clientWidth);
  const clipped = block => Math.max(block.scrollWidth - block.clientWidth,
    ...[...block.querySelectorAll('code')].map(code => code.offsetWidth - block.clientWidth)) > 1;
  const formulas = [...document.querySelectorAll('.math')];
  return {
    text: (document.querySelector('main') || document.body).innerText.length,
    height: document.documentElement.scrollHeight,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    mute: [...document.querySelectorAll('main img')].filter(mute).map(source),
    broken: [...document.images].filter(broken).map(source),
    remote: [...document.querySelectorAll('img, script, link[rel=stylesheet]')]
      .map(part => part.getAttribute('src') || part.getAttribute('href') || '')
      .filter(address => address.startsWith('http')),
    raw: (document.body.innerText.match(markdown) || []).length,
    blocks: blocks.length,
    clipped: blocks.filter(clipped).map(block => block.innerText.slice(0, 40)),
    formulas: formulas.length,
    undrawn: formulas.filter(one => !one.querySelector('math')).map(one => one.innerText.slice(0, 40)),
    empty: headings.filter(empty).map(heading => heading.innerText),
    vague: (document.body.innerText.match(/\(\s*\*args(:\w+)?, \*\*kwargs(:\w+)?\s*\)/g) || []).length,
    links: [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href')),
  };
}"""
# what each list of facts is called in a complaint
LISTS = {"mute": "no alternative text", "broken": "missing picture", "remote": "needs the network",
         "undrawn": "formula that is not drawn", "empty": "section without content"}


def dead(page: Path, href: str) -> bool:
    "Tell whether a link within the site leads nowhere."
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path:
        return False
    target = (page.parent / unquote(parts.path)).resolve()
    return not (target.is_file() or (target / "index.html").is_file())


def offline(route) -> None:
    "Let only files through."
    if route.request.url.startswith(("file:", "data:")):
        route.continue_()
    else:
        route.abort()


def facts_of(tab, page: Path, shot: Path | None) -> dict:
    "Open a page, save its picture if wanted, and count what can go wrong."
    tab.goto(page.as_uri(), wait_until="load")
    facts = tab.evaluate(FACTS)
    if shot:
        shot.parent.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=shot, full_page=True, type="jpeg", quality=60)
    return facts


def at_width(width: str, facts: dict, counts: Counter) -> list[str]:
    "Say what is wrong at one width, and count it."
    found = [f"{width}: code wider than its box: {code!r}" for code in facts["clipped"]]
    if facts["wide"] > 2:
        found.append(f"{width}: {facts['wide']} pixels too wide")
    counts["code blocks"] += facts["blocks"]
    counts["clipped"] += len(facts["clipped"])
    counts["too wide"] += facts["wide"] > 2
    return found


def on_page(page: Path, facts: dict, counts: Counter) -> list[str]:
    "Say what is wrong at any width, and count it."
    gone = [href for href in dict.fromkeys(facts["links"]) if dead(page, href)]
    found = [f"dead link: {href}" for href in gone]
    if facts["raw"]:
        found.append(f"{facts['raw']} links that are shown as Markdown")
    if facts["vague"]:
        found.append(f"{facts['vague']} signatures with nothing but *args and **kwargs")
    if facts["text"] < 300:
        found.append(f"hardly any text ({facts['text']} characters)")
    counts["links"] += len(facts["links"])
    counts["dead"] += len(gone)
    counts["formulas"] += facts["formulas"]
    for key, what in LISTS.items():
        found += [f"{what}: {one}" for one in facts[key]]
        counts[key] += len(facts[key])
    return found


def look(tabs: dict, page: Path, out: Path | None, counts: Counter) -> list[str]:
    "Open one page at both widths, and say what is wrong."
    found = []
    for name, tab in tabs.items():
        shot = out / name / page.relative_to(SITE).with_suffix(".jpg") if out else None
        facts = facts_of(tab, page, shot)
        found += at_width(name, facts, counts)
    return found + on_page(page, facts, counts)


def open_tab(browser, width: int, errors: list[str]):
    "Open a tab of one width, without a network."
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.route("**/*", offline)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    return tab


def summary(pages: int, counts: Counter, complaints: int) -> str:
    "Write the counts."
    c = counts
    return (f"{c['code blocks']} code blocks at both widths, {c['clipped']} wider than their box; "
            f"{c['formulas']} formulas, {c['undrawn']} not drawn; {c['links']} links, {c['dead']} dead; "
            f"{c['empty']} empty sections; {c['remote']} parts that need the network; "
            f"{c['too wide']} pages too wide\n"
            f"{pages} pages at {len(WIDTHS)} widths, {complaints} complaints "
            "(0 warnings, too: tools/site/build.py ends with an error at the first)")


def main() -> int:
    "Look at all pages, or at those that are named; return 1 if something is wrong."
    chromium = os.environ.get("RS_SR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if len(sys.argv) < 2 or not SITE.is_dir():
        sys.exit(__doc__)
    if not chromium:
        sys.exit("no Chromium found; install it, or name it in RS_SR_CHROMIUM")
    pages = [SITE / name for name in sys.argv[2:]] or sorted(SITE.rglob("*.html"))
    out = None if sys.argv[1] == "--count" else Path(sys.argv[1])
    counts: Counter = Counter()
    complaints: list[str] = []
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        errors: list[str] = []
        tabs = {name: open_tab(browser, width, errors) for name, width in WIDTHS.items()}
        for page in pages:
            found = [*look(tabs, page, out, counts), *errors]
            errors.clear()
            complaints += [f"{page.relative_to(SITE)}: {one}" for one in found]
        browser.close()
    print("\n".join([*complaints, summary(len(pages), counts, len(complaints))]))
    return int(bool(complaints))


if __name__ == "__main__":
    sys.exit(main())
