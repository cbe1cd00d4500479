"""Look at every page of the built site as a reader would, in a headless Chromium, on a desk and on a phone.

    python tools/site/look.py PICTURES [PAGE...]

Run it after tools/site/build.py; it needs playwright and a Chromium (RS_SR_CHROMIUM names another one). PAGE
is a page such as `explorer/widgets.html`; without one, all are opened. It saves a picture of each page and
width, and complains about dead links, missing pictures, pictures without alternative text, links that are
shown as Markdown, pages with hardly any text, pages wider than a phone, and errors in the browser. The
network is cut off, so the formulas, whose fonts come from a public server, stay as they were written. Exit
status 1 if anything was found.
"""
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parents[2] / "_docs"
WIDTHS = {"desk": 1280, "phone": 390}
FACTS = r"""() => {
  const source = image => (image.getAttribute('src') || '').slice(0, 60);
  const mute = image => !(image.getAttribute('alt') || '').trim();
  const broken = image => image.complete && !image.naturalWidth && !source(image).startsWith('http');
  const markdown = /\]\((#|[\w.:\/-]+\.(ipynb|html))[^)\s]*\)/g;
  return {
    text: (document.querySelector('main') || document.body).innerText.length,
    wide: document.documentElement.scrollWidth - window.innerWidth,
    mute: [...document.querySelectorAll('main img')].filter(mute).map(source),
    broken: [...document.images].filter(broken).map(source),
    raw: (document.body.innerText.match(markdown) || []).length,
    links: [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href')),
  };
}"""


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


def facts_of(browser, page: Path, width: int, shot: Path, found: list[str]) -> dict:
    "Open a page at one width, save its picture, and count what can go wrong."
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.route("**/*", offline)
    tab.on("pageerror", lambda error: found.append(str(error)))
    tab.goto(page.as_uri(), wait_until="load")
    facts = tab.evaluate(FACTS)
    shot.parent.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=shot, full_page=True, type="jpeg", quality=60)
    tab.close()
    return facts


def look(browser, page: Path, out: Path) -> list[str]:
    "Open one page at both widths, and say what is wrong."
    found: list[str] = []  # errors in the browser first
    for name, width in WIDTHS.items():
        shot = out / name / page.relative_to(SITE).with_suffix(".jpg")
        facts = facts_of(browser, page, width, shot, found)
        if facts["wide"] > 2:
            found.append(f"{name}: {facts['wide']} pixels too wide")
    found = [error for error in found if "renderMathInElement" not in error]  # its server was cut off
    if facts["raw"]:
        found.append(f"{facts['raw']} links that are shown as Markdown")
    if facts["text"] < 300:
        found.append(f"hardly any text ({facts['text']} characters)")
    found += [f"no alternative text: {source}" for source in facts["mute"]]
    found += [f"missing picture: {source}" for source in facts["broken"]]
    found += [f"dead link: {href}" for href in dict.fromkeys(facts["links"]) if dead(page, href)]
    return found


def main() -> int:
    "Look at all pages, or at those that are named; return 1 if something is wrong."
    chromium = os.environ.get("RS_SR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if len(sys.argv) < 2 or not SITE.is_dir():
        sys.exit(__doc__)
    if not chromium:
        sys.exit("no Chromium found; install it, or name it in RS_SR_CHROMIUM")
    pages = [SITE / name for name in sys.argv[2:]] or sorted(SITE.rglob("*.html"))
    complaints = 0
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page in pages:
            for complaint in look(browser, page, Path(sys.argv[1])):
                complaints += 1
                print(f"{page.relative_to(SITE)}: {complaint}")
        browser.close()
    print(f"{len(pages)} pages at {len(WIDTHS)} widths, {complaints} complaints")
    return int(complaints > 0)


if __name__ == "__main__":
    sys.exit(main())
