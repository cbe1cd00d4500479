"""Look at every page of the built site as a reader would, in a headless Chromium, at the width of a desk and of a phone.

    python tools/look_at_site.py PICTURES     after tools/build_site.py; needs playwright and a Chromium (RS_SR_CHROMIUM names another one)

It saves a picture of each page and width, and complains about: dead links and missing pictures, pictures without alternative text,
links that are shown as Markdown, pages with hardly any text, pages wider than a phone, and errors in the browser. The network is cut off, so the formulas, whose fonts
come from a public server, stay as they were written. Exit status 1 if anything was found.
"""
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parents[2] / "_docs"
WIDTHS = {"desk": 1280, "phone": 390}
FACTS = r"""() => ({
  text: (document.querySelector('main') || document.body).innerText.length,
  wide: document.documentElement.scrollWidth - window.innerWidth,
  mute: [...document.querySelectorAll('main img')].filter(i => !(i.getAttribute('alt') || '').trim()).map(i => (i.getAttribute('src') || '').slice(0, 60)),
  broken: [...document.images].filter(i => i.complete && !i.naturalWidth && !(i.getAttribute('src') || '').startsWith('http')).map(i => (i.getAttribute('src') || '').slice(0, 60)),
  raw: (document.body.innerText.match(/\]\((#|[\w.:\/-]+\.(ipynb|html))[^)\s]*\)/g) || []).length,
  links: [...document.querySelectorAll('a[href]')].map(a => a.getAttribute('href')),
})"""


def dead(page: Path, href: str) -> bool:
    "Tell whether a link within the site leads nowhere."
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path:
        return False
    target = (page.parent / unquote(parts.path)).resolve()
    return not (target.is_file() or (target / "index.html").is_file())


def look(browser, page: Path, out: Path) -> list[str]:
    "Open one page at both widths, save pictures, and say what is wrong."
    found = []
    for name, width in WIDTHS.items():
        tab = browser.new_page(viewport={"width": width, "height": 900})
        tab.route("**/*", lambda route: route.continue_() if route.request.url.startswith(("file:", "data:")) else route.abort())
        tab.on("pageerror", lambda error: found.append(f"{name}: {error}") if "renderMathInElement" not in str(error) else None)
        tab.goto(page.as_uri(), wait_until="load")
        facts = tab.evaluate(FACTS)
        shot = out / name / page.relative_to(SITE).with_suffix(".jpg")
        shot.parent.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=shot, full_page=True, type="jpeg", quality=60)
        tab.close()
        found += [f"{name}: {facts['wide']} pixels too wide"] * (facts["wide"] > 2)
        if name == "desk":
            found += [f"{facts['raw']} links that are shown as Markdown"] * (facts["raw"] > 0)
            found += [f"hardly any text ({facts['text']} characters)"] * (facts["text"] < 300)
            found += [f"no alternative text: {src}" for src in facts["mute"]] + [f"missing picture: {src}" for src in facts["broken"]]
            found += [f"dead link: {href}" for href in dict.fromkeys(facts["links"]) if dead(page, href)]
    return found


if __name__ == "__main__":
    chromium = os.environ.get("RS_SR_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if len(sys.argv) != 2 or not SITE.is_dir():
        sys.exit(__doc__)
    if not chromium:
        sys.exit("no Chromium found; install it, or name it in RS_SR_CHROMIUM")
    complaints, pages = 0, sorted(SITE.rglob("*.html"))
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page in pages:
            for complaint in look(browser, page, Path(sys.argv[1])):
                complaints += 1
                print(f"{page.relative_to(SITE)}: {complaint}")
        browser.close()
    print(f"{len(pages)} pages at {len(WIDTHS)} widths, {complaints} complaints")
    sys.exit(complaints > 0)
