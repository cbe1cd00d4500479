"""Open the explorer in JupyterLab in a real browser, move its sliders, and see the picture change.

    python tools/browser_test.py [SHOTS] [--tutorial NOTEBOOK]     SHOTS: folder for screenshots (default: none are kept)

With a tutorial, all of its cells are run in JupyterLab as well, and none may end with an error or a warning.

Needs the packages of `pip install "rs_sr[browser]"` and a Chromium or Chrome: the first that is found on the path, or the one that the
variable RS_SR_CHROMIUM names. JupyterLab runs in a temporary folder, on a free port of this machine, with a token and with settings of
its own, and is ended afterwards. The exit status is 0 only if everything was seen; otherwise one sentence says what was missing.
"""
import argparse
import contextlib
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
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

CELLS = ["from rs_sr.explorer import certificate_explorer, smoothing_explorer", "smoothing_explorer()", "certificate_explorer()"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PICTURE, SLIDER = "img.widget-image", ".widget-slider, .widget-hslider"
OURS = ("rs_sr", "widget", "error displaying", "traceback")  # what a message of the browser must mention to count


class Failed(Exception):
    "What was not seen, in one sentence."


def browser_path() -> str:
    "Find a browser."
    found = os.environ.get("RS_SR_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found or not Path(found).is_file():
        raise Failed(f"no Chromium found{f' at {found}' if found else ''}; install one (apt-get install chromium) or name it in RS_SR_CHROMIUM")
    return found


def wait(condition: Callable[[], object], seconds: float, what: str) -> object:
    "Ask again and again until the answer is true."
    end = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            raise Failed(f"{what} was not seen within {seconds:.0f} seconds")
        time.sleep(0.2)
    return answer


@contextlib.contextmanager
def jupyterlab_running(folder: Path, patience: float) -> Iterator[str]:
    "Run JupyterLab in a folder; yield the address of its notebook."
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token, own = secrets.token_hex(16), folder / ".settings"
    home = {name: str(own / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR")}
    quiet = own / "JUPYTERLAB_SETTINGS_DIR" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet.parent.mkdir(parents=True)
    quiet.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}",
               f"--ServerApp.root_dir={folder / 'work'}", *(["--allow-root"] if os.name == "posix" and os.getuid() == 0 else [])]
    with (folder / "jupyter.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder / "work", env={**os.environ, **home})
        try:
            def answers() -> bool:
                if server.poll() is not None:
                    raise Failed(f"JupyterLab ended at once: {(folder / 'jupyter.log').read_text()[-300:]}")
                with contextlib.suppress(OSError):
                    return urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=5).status == 200
                return False
            wait(answers, patience, "an answer of JupyterLab")
            yield f"http://127.0.0.1:{port}/lab/tree/explorer.ipynb?token={token}&reset"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def say(text: str):
    print(text, flush=True)


def source(page, which: int) -> str:
    "The picture that an explorer shows at the moment: its address changes with its bytes."
    found = page.locator(PICTURE).nth(which)
    return found.evaluate("async image => Array.from(new Uint8Array(await (await fetch(image.src)).arrayBuffer())).reduce((h, b) => (h * 31 + b) | 0, image.naturalWidth) + ''") if found.count() else ""


def check_errors(page, complaints: list[str]):
    "Fail if a cell or the browser reports an error."
    outputs = page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error'], .jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']")
    if outputs.count():
        raise Failed(f"a cell printed an error or a warning: {outputs.first.inner_text()[-300:]}")
    if page.get_by_text("Error displaying widget").count():
        raise Failed("JupyterLab could not display a widget")
    if complaints:
        raise Failed(f"the browser reports: {complaints[0][:300]}")


def move(page, which: int, label: str, keys: list[str], patience: float) -> float:
    "Press keys on a slider of an explorer; return the seconds until its picture changed."
    explorer = page.locator(".jp-OutputArea-output .widget-vbox, .jp-OutputArea-output .jupyter-widgets.widget-container").filter(has=page.locator(PICTURE)).nth(0 if which == 0 else -1)
    row = explorer.locator(".widget-inline-hbox").filter(has=page.locator("label", has_text=label)).first
    handle = row.locator("[role=slider], .noUi-handle").first
    handle.scroll_into_view_if_needed()
    before, start = source(page, which), time.monotonic()
    handle.focus()
    for key in keys:
        page.keyboard.press(key)
    wait(lambda: source(page, which) != before, patience, f"another picture after moving {label!r}")
    return time.monotonic() - start


def settled(page, which: int, patience: float):
    "Wait until the picture stays the same for two seconds."
    last, since = source(page, which), time.monotonic()

    def quiet() -> bool:
        nonlocal last, since
        now = source(page, which)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 2
    wait(quiet, patience, "a picture that does not change any more")


def run_all(page, address: str, cells: int, patience: float):
    "Open a notebook and run all of its cells."
    page.goto(address, timeout=1000 * patience)
    page.locator(".jp-NotebookPanel .jp-CodeCell").nth(cells - 1).wait_for(timeout=1000 * patience)
    wait(lambda: page.locator("[title*='Idle'], [data-status='idle'], .jp-NotebookPanel .jp-Notebook-ExecutionIndicator[data-status='idle']").count(), patience, "an idle kernel")
    page.locator(".jp-NotebookPanel .jp-CodeCell").first.click()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def check_saved(page, file: Path, patience: float) -> int:
    "Save until every cell has run, then look for errors and warnings in the file; return the number of pictures."
    book = nbformat.read(file, 4)

    def ended() -> bool:
        nonlocal book
        page.keyboard.press("Control+s")
        time.sleep(2)
        book = nbformat.read(file, 4)
        code = [c for c in book.cells if c.cell_type == "code" and c.source.strip()]
        return all(c.execution_count for c in code) or any(o.output_type == "error" for c in code for o in c.outputs)
    wait(ended, 3 * patience, f"the end of {file.name}")
    outputs = [o for c in book.cells if c.cell_type == "code" for o in c.outputs]
    for o in outputs:
        if o.output_type == "error" or o.get("name") == "stderr":
            raise Failed(f"{file.name} ends with: {o.get('evalue') or o.get('text', '')[-300:]}")
    return sum(any(kind.startswith("image/") for kind in o.get("data", {})) for o in outputs)


def run(shots: Path | None, patience: float, tutorial: Path | None = None):
    "Drive the browser."
    try:
        from playwright.sync_api import Error, sync_playwright
        import jupyterlab  # noqa: F401
    except ImportError as error:
        raise Failed(f'{error.name} is missing; run: pip install "rs_sr[browser]"') from error
    browser_file = browser_path()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "work").mkdir()
        cells = [new_markdown_cell("# Explorer"), *map(new_code_cell, CELLS)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(new_notebook(cells=cells, metadata=kernel), folder / "work" / "explorer.ipynb")
        with jupyterlab_running(folder, patience) as address, sync_playwright() as play:
            try:
                browser = play.chromium.launch(executable_path=browser_file, args=["--no-sandbox"])
            except Error as error:
                raise Failed(f"{browser_file} does not start: {str(error).splitlines()[0]}") from error
            page = browser.new_page(viewport={"width": 1400, "height": 1500})
            complaints: list[str] = []
            page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and any(word in m.text.lower() for word in OURS) else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))

            def shoot(title: str):
                if shots:
                    page.screenshot(path=shots / f"{title}.png")
            try:
                run_all(page, address, len(CELLS), patience)
                wait(lambda: page.locator(PICTURE).count() >= 2 or check_errors(page, complaints), patience, "the picture of each explorer")
                say("both explorers show a picture")
                settled(page, 0, patience)
                shoot("1-first-view")
                for label, keys in (("sigma_g", ["ArrowLeft"] * 3), ("eps_rel", ["ArrowLeft"]), ("blend", ["ArrowLeft"] * 5), ("zoom", ["ArrowRight"])):
                    say(f"{label}: another picture after {move(page, 0, label, keys, patience):.1f} s")
                    check_errors(page, complaints)
                settled(page, 0, patience)
                shoot("2-moved")
                say(f"draws k of the certificate: another picture after {move(page, 1, 'draws k', ['ArrowRight'], patience):.1f} s")
                shoot("3-certificate")
                check_errors(page, complaints)
                if tutorial:
                    book = nbformat.read(tutorial, 4)
                    for cell in book.cells:
                        cell.update({"execution_count": None, "outputs": []} if cell.cell_type == "code" else {})
                    book.metadata = kernel
                    nbformat.write(book, folder / "work" / tutorial.name)
                    run_all(page, address.replace("explorer.ipynb", tutorial.name), 1, patience)
                    say(f"{tutorial.name}: all cells ran, {check_saved(page, folder / 'work' / tutorial.name, patience)} pictures")
                    shoot("4-tutorial")
            except (Failed, Error) as error:
                with contextlib.suppress(Error):
                    shoot("failed")
                raise Failed(str(error).splitlines()[0]) from error
            finally:
                browser.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shots", nargs="?", type=Path, help="folder for screenshots")
    parser.add_argument("--tutorial", type=Path, help="notebook whose cells are run as well")
    parser.add_argument("--patience", type=float, default=120, help="seconds to wait for anything (default 120)")
    chosen = parser.parse_args()
    if chosen.shots:
        chosen.shots.mkdir(parents=True, exist_ok=True)
    try:
        run(chosen.shots, chosen.patience, chosen.tutorial)
    except Failed as error:
        print(f"FAILED: {error}")
        return 1
    print("the explorer works in the browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
