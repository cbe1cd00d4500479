"""Open the explorer in JupyterLab in a real browser, move its sliders, and see the picture change.

    python tools/checks/browser.py [SHOTS] [--tutorial NOTEBOOK] [--without]

SHOTS is a folder for screenshots (default: none are kept). With a tutorial, all of its cells are run in
JupyterLab as well, and none may end with an error or a warning. With --without, explorers are also opened
where a package is missing: ipywidgets next to the kernel, jupyterlab_widgets next to JupyterLab, and both, as
on a page made by nbconvert. Each time the reader must see a picture, which says what is missing.

Needs the packages of `pip install "rs_sr[browser]"` and a Chromium or Chrome: the first that is found on the
path, or the one that the variable RS_SR_CHROMIUM names. JupyterLab runs in a temporary folder, on a free port
of this machine, with a token and with settings of its own, and is ended afterwards. The exit status is 0 only
if everything was seen; otherwise one sentence says what was missing.
"""
import argparse
import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

MANAGER = "@jupyter-widgets/jupyterlab-manager"  # what jupyterlab_widgets adds to JupyterLab
BLOCK = "import sys\nsys.modules['ipywidgets'] = None  # as if it were not installed"
STILL = ".jp-OutputArea-output img:not(.widget-image)"
CELLS = ["from rs_sr.explorer import certificate_explorer, smoothing_explorer", "smoothing_explorer()",
         "certificate_explorer()"]
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
           "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")
PICTURE = "img.widget-image"
BOXES = ".jp-OutputArea-output .widget-vbox, .jp-OutputArea-output .jupyter-widgets.widget-container"
IDLE = ("[title*='Idle'], [data-status='idle'], "
        ".jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status='idle']")
ERRORS = (".jp-RenderedText[data-mime-type='application/vnd.jupyter.error'], "
          ".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']")
OURS = ("rs_sr", "widget", "error displaying", "traceback")  # what a message must mention to count
HASH = """async image => {
  const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer());
  return Array.from(bytes).reduce((h, b) => (h * 31 + b) | 0, image.naturalWidth) + '';
}"""
MOVES = (("sigma_g", ["ArrowLeft"] * 3), ("eps_rel", ["ArrowLeft"]), ("blend", ["ArrowLeft"] * 5),
         ("zoom", ["ArrowRight"]))


class Failed(Exception):
    "What was not seen, in one sentence."


def browser_path() -> str:
    "Find a browser."
    wanted = os.environ.get("RS_SR_CHROMIUM")
    found = wanted or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found or not Path(found).is_file():
        raise Failed(f"no Chromium found{f' at {found}' if found else ''}; "
                     "install one (apt-get install chromium) or name it in RS_SR_CHROMIUM")
    return found


def wait(condition: Callable[[], object], seconds: float, what: str) -> object:
    "Check a condition again and again until it holds; return what it gave."
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what} was not seen within {seconds:.0f} seconds")
        time.sleep(0.2)
    return found


def free_port() -> int:
    "Find a port that nobody uses."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def settings_of_its_own(folder: Path, disabled: str = "") -> dict[str, str]:
    "Make folders for JupyterLab's settings, in which it asks for no news; return them as variables."
    own = folder / ".settings"
    page = own / "JUPYTER_CONFIG_DIR/labconfig/page_config.json"
    page.parent.mkdir(parents=True)
    page.write_text(json.dumps({"disabledExtensions": {disabled: True} if disabled else {}}))
    quiet = own / "JUPYTERLAB_SETTINGS_DIR/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    return {name: str(own / name) for name in FOLDERS}


def is_up(server: subprocess.Popen, address: str, log: Path) -> bool:
    "Tell whether JupyterLab replies; fail if it has ended."
    if server.poll() is not None:
        raise Failed(f"JupyterLab ended at once: {log.read_text()[-300:]}")
    with contextlib.suppress(OSError):
        return urllib.request.urlopen(address, timeout=5).status == 200
    return False


@contextlib.contextmanager
def jupyterlab_running(folder: Path, patience: float, disabled: str = "") -> Iterator[str]:
    "Run JupyterLab in a folder, perhaps without an extension; yield the address of its notebook."
    port, token = free_port(), secrets.token_hex(16)
    variables, log = settings_of_its_own(folder, disabled), folder / "jupyter.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}",
               "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
               f"--ServerApp.root_dir={folder / 'work'}"]
    if os.name == "posix" and os.getuid() == 0:
        command.append("--allow-root")
    home = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder / "work",
                                  env=os.environ | variables)
        try:
            wait(lambda: is_up(server, f"{home}/api?token={token}", log), patience, "a reply of JupyterLab")
            yield f"{home}/lab/tree/explorer.ipynb?token={token}&reset"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def say(text: str) -> None:
    "Print at once."
    print(text, flush=True)


def source(page, which: int) -> str:
    "Hash the picture that an explorer shows at the moment."
    found = page.locator(PICTURE).nth(which)
    return found.evaluate(HASH) if found.count() else ""


def check_errors(page, complaints: list[str]) -> None:
    "Fail if a cell or the browser reports an error."
    outputs = page.locator(ERRORS)
    if outputs.count():
        raise Failed(f"a cell printed an error or a warning: {outputs.first.inner_text()[-300:]}")
    if page.get_by_text("Error displaying widget").count():
        raise Failed("JupyterLab could not display a widget")
    if complaints:
        raise Failed(f"the browser reports: {complaints[0][:300]}")


def move(page, which: int, label: str, keys: list[str], patience: float) -> float:
    "Press keys on a slider of an explorer; return the seconds until its picture changed."
    explorer = page.locator(BOXES).filter(has=page.locator(PICTURE)).nth(0 if which == 0 else -1)
    row = explorer.locator(".widget-inline-hbox").filter(has=page.locator("label", has_text=label)).first
    handle = row.locator("[role=slider], .noUi-handle").first
    handle.scroll_into_view_if_needed()
    before, start = source(page, which), time.monotonic()
    handle.focus()
    for key in keys:
        page.keyboard.press(key)
    wait(lambda: source(page, which) != before, patience, f"another picture after moving {label!r}")
    return time.monotonic() - start


def settled(page, which: int, patience: float) -> None:
    "Wait until the picture stays the same for two seconds."
    last, since = source(page, which), time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        now = source(page, which)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 2
    wait(quiet, patience, "a picture that does not change any more")


def run_all(page, address: str, cells: int, patience: float) -> None:
    "Open a notebook and run all of its cells."
    page.goto(address, timeout=1000 * patience)
    page.locator(".jp-NotebookPanel .jp-CodeCell").nth(cells - 1).wait_for(timeout=1000 * patience)
    wait(lambda: page.locator(IDLE).count(), patience, "an idle kernel")
    prompts = page.locator(".jp-NotebookPanel .jp-InputPrompt")

    def taken() -> bool:
        return any(character in "*123456789" for text in prompts.all_inner_texts() for character in text)

    def ask() -> bool:  # JupyterLab drops the request while the kernel is not quite there
        page.locator(".jp-NotebookPanel .jp-CodeCell").first.click()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        end = time.monotonic() + 10
        while not taken() and time.monotonic() < end:
            time.sleep(1)
        return taken()
    wait(ask, patience, "a cell that runs")


def code_outputs(file: Path) -> tuple[bool, list]:
    "Read a notebook: has every cell run, and what have they put out?"
    code = [c for c in nbformat.read(file, 4).cells if c.cell_type == "code" and c.source.strip()]
    return all(c.execution_count for c in code), [o for c in code for o in c.outputs]


def check_saved(page, file: Path, patience: float) -> int:
    "Save until every cell has run, then look for errors and warnings; return the number of pictures."
    def ended() -> bool:
        page.keyboard.press("Control+s")
        time.sleep(2)
        ran, outputs = code_outputs(file)
        return ran or any(o.output_type == "error" for o in outputs)
    wait(ended, 3 * patience, f"the end of {file.name}")
    _, outputs = code_outputs(file)
    for o in outputs:
        if o.output_type == "error" or o.get("name") == "stderr":
            raise Failed(f"{file.name} ends with: {o.get('evalue') or o.get('text', '')[-300:]}")
    return sum(any(kind.startswith("image/") for kind in o.get("data", {})) for o in outputs)


@dataclass
class Visit:
    "A browser that looks at a running JupyterLab."
    page: Any  # of the browser
    address: str  # of the notebook with the explorers
    folder: Path  # in which JupyterLab works
    shots: Path | None  # folder for screenshots
    patience: float  # seconds to wait for anything

    def __post_init__(self):
        self.complaints: list[str] = []
        self.page.on("console", self.listen)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def listen(self, message) -> None:
        "Remember an error that is about us."
        if message.type == "error" and any(word in message.text.lower() for word in OURS):
            self.complaints.append(message.text)

    def shoot(self, title: str) -> None:
        "Keep a screenshot, if they are wanted."
        if self.shots:
            self.page.screenshot(path=self.shots / f"{title}.png")

    def has_pictures(self) -> bool:
        "Tell whether both explorers show one; fail if something reports an error."
        check_errors(self.page, self.complaints)
        return self.page.locator(PICTURE).count() >= 2

    def explore(self) -> None:
        "Run both explorers and move their sliders."
        run_all(self.page, self.address, len(CELLS), self.patience)
        wait(self.has_pictures, self.patience, "the picture of each explorer")
        say("both explorers show a picture")
        settled(self.page, 0, self.patience)
        self.shoot("1-first-view")
        for label, keys in MOVES:
            say(f"{label}: another picture after {move(self.page, 0, label, keys, self.patience):.1f} s")
            check_errors(self.page, self.complaints)
        settled(self.page, 0, self.patience)
        self.shoot("2-moved")
        seconds = move(self.page, 1, "draws k", ["ArrowRight"], self.patience)
        say(f"draws k of the certificate: another picture after {seconds:.1f} s")
        self.shoot("3-certificate")
        check_errors(self.page, self.complaints)

    def stills(self, name: str, cells: int, title: str) -> None:
        "Run a notebook whose explorers have no sliders, and see their pictures."
        run_all(self.page, self.address.replace("explorer.ipynb", name), cells, self.patience)
        self.see_stills(title)
        if self.page.locator(PICTURE).count():
            raise Failed(f"{title}: sliders were seen where none can work")

    def see_stills(self, title: str) -> None:
        "Wait for the picture of each explorer."
        def seen() -> bool:
            check_errors(self.page, self.complaints)
            found = self.page.locator(STILL)
            return found.count() >= 2 and all(
                found.nth(i).evaluate("image => image.naturalWidth") > 600 for i in range(2))
        wait(seen, self.patience, f"{title}: the still picture of each explorer")
        say(f"{title}: both explorers show a still picture")
        self.shoot(title.replace(" ", "-"))

    def static(self, page: Path) -> None:
        "Open a page that nbconvert made."
        self.page.goto(page.as_uri(), timeout=1000 * self.patience)
        self.see_stills("5 a page of nbconvert")

    def read(self, tutorial: Path) -> None:
        "Run all cells of a tutorial."
        book = nbformat.read(tutorial, 4)
        for cell in book.cells:
            if cell.cell_type == "code":
                cell.update({"execution_count": None, "outputs": []})
        book.metadata = KERNEL
        file = self.folder / "work" / tutorial.name
        nbformat.write(book, file)
        run_all(self.page, self.address.replace("explorer.ipynb", tutorial.name), 1, self.patience)
        say(f"{tutorial.name}: all cells ran, {check_saved(self.page, file, self.patience)} pictures")
        self.shoot("4-tutorial")


def converted(folder: Path) -> Path:
    "Let nbconvert make a page of the notebook with the explorers, as it was saved."
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(folder / "work" / "explorer.ipynb")]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"nbconvert ended with: {done.stderr[-300:]}")
    return folder / "work" / "explorer.html"


def look_with_sliders(now: Visit, args: argparse.Namespace) -> None:
    "Look at the explorers, at the tutorial, and at what remains without ipywidgets."
    now.explore()
    if args.without:
        check_saved(now.page, now.folder / "work" / "explorer.ipynb", now.patience)
    if args.tutorial:
        now.read(args.tutorial)
    if args.without:
        now.static(converted(now.folder))
        now.stills("blocked.ipynb", len(CELLS) + 1, "6 without ipywidgets")


def look_without(now: Visit, args: argparse.Namespace) -> None:
    "Look at the explorers in a JupyterLab that has no widgets."
    now.stills("explorer.ipynb", len(CELLS), "7 without jupyterlab_widgets")


def visit(browser, address: str, folder: Path, args: argparse.Namespace,
          look: Callable[[Visit, argparse.Namespace], None]) -> None:
    "Look at one JupyterLab; keep a screenshot if something fails."
    from playwright.sync_api import Error
    page = browser.new_page(viewport={"width": 1400, "height": 1500})
    now = Visit(page, address, folder, args.shots, args.patience)
    try:
        look(now, args)
    except (Failed, Error) as error:
        with contextlib.suppress(Error):
            now.shoot("failed")
        raise Failed(str(error).splitlines()[0]) from error
    finally:
        page.close()


def visit_new(browser, args: argparse.Namespace, look: Callable, disabled: str = "") -> None:
    "Start JupyterLab in a new folder, and look at it."
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        title = new_markdown_cell("# Explorer")
        for file, codes in (("explorer", CELLS), ("blocked", [BLOCK, *CELLS])):
            book = new_notebook(cells=[title, *map(new_code_cell, codes)], metadata=KERNEL)
            nbformat.write(book, folder / "work" / f"{file}.ipynb")
        with jupyterlab_running(folder, args.patience, disabled) as address:
            visit(browser, address, folder, args, look)


def run(args: argparse.Namespace) -> None:
    "Start a browser, and drive it."
    try:
        from playwright.sync_api import Error, sync_playwright
        import jupyterlab  # noqa: F401
    except ImportError as error:
        raise Failed(f'{error.name} is missing; run: pip install "rs_sr[browser]"') from error
    chromium = browser_path()
    with sync_playwright() as play:
        try:
            browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        except Error as error:
            raise Failed(f"{chromium} does not start: {str(error).splitlines()[0]}") from error
        try:
            visit_new(browser, args, look_with_sliders)
            if args.without:
                visit_new(browser, args, look_without, MANAGER)
        finally:
            browser.close()


def main() -> int:
    "Read the command line; return 1 if something was not seen."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shots", nargs="?", type=Path, help="folder for screenshots")
    parser.add_argument("--tutorial", type=Path, help="notebook whose cells are run as well")
    parser.add_argument("--without", action="store_true", help="also where packages are missing")
    parser.add_argument("--patience", type=float, default=120, help="seconds for anything (default 120)")
    args = parser.parse_args()
    if args.shots:
        args.shots.mkdir(parents=True, exist_ok=True)
    try:
        run(args)
    except Failed as error:
        print(f"FAILED: {error}")
        return 1
    print("the explorer works in the browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
