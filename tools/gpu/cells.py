"""Run the cells marked `#| cuda` on a GPU, or whole notebooks, without Jupyter.

    python tools/gpu/cells.py --device cuda --out cells.json     all pages that have such cells
    python tools/gpu/cells.py --device cpu  --out cells.json     the same on a CPU: what can be tried there

A `#| cuda` cell stands on its own: it needs what its page imports and exports, and nothing of other cells.
Its line `device = "cuda"` gets the name of the device. With `--whole` every cell of a page is run, in its
order, and all pages are, except those that teach or show results. Each page has a process; a file of results
says what ran and what failed, and pages that passed are not run again.
"""
import argparse
import ast
import contextlib
import importlib
import io
import json
import linecache
import os
import sys
import time
import traceback
import types
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = ("tutorials", "experiments", "explorer")  # pages that teach, show results, or need a browser
# what most pages import: once, before their processes part
SHARED = ("matplotlib.pyplot", "pandas", "scipy.stats", "skimage.metrics", "torchmetrics.functional.image",
          "torchvision.transforms.v2.functional", "accelerate", "fastcore.test",
          "rs_sr.evaluation", "rs_sr.models")
EMPTY = {"page": "", "device": "", "cells": 0, "cuda": 0, "error": "", "seconds": 0.0}
SHOWN = argparse.RawDescriptionHelpFormatter


def directives(source: str) -> set[str]:
    "Read the directives at the top of a cell."
    lines = (line[2:].strip() for line in source.splitlines() if line.startswith("#|"))
    return set(lines)


def only_imports(source: str) -> bool:
    "Tell whether a cell holds imports and nothing else."
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(source).body)


def wanted(source: str, whole: bool) -> bool:
    "Choose the cells that are run."
    marks = directives(source)
    if marks & {"slow", "eval: false"} or "nbdev_export()" in source: return False
    return whole or "cuda" in marks or any(m.startswith("export") for m in marks) or only_imports(source)


def code_cells(page: Path) -> list[str]:
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]


def name_of(page: Path) -> str: return page.relative_to(ROOT / "nbs").with_suffix("").as_posix()


def pages_with_cuda() -> list[Path]:
    return [p for p in sorted((ROOT / "nbs").rglob("[!_]*.ipynb"))
            if any("cuda" in directives(source) for source in code_cells(p))]


def all_pages() -> list[Path]:
    pages = sorted((ROOT / "nbs").rglob("[!_]*.ipynb"))
    return [p for p in pages if not set(LEFT_OUT) & set(p.parts)]


def without_jupyter() -> dict:
    "Make a module in which a page runs, with stand-ins for what it needs to be shown."
    def nothing(*args, **options): return None
    for name in ("nbdev", "nbdev.showdoc", "__main__"):
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(show_doc=nothing)
    space = vars(sys.modules["__main__"])
    space["display"] = nothing
    return space


def run_cell(source: str, name: str, space: dict) -> None:
    "Run a cell as a notebook does, without showing its last value."
    lines = source.splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)  # where inspect.getsource looks
    exec(compile(source, name, "exec"), space)


def import_what_is_there(source: str, space: dict) -> None:
    "Run imports one by one; what the machine lacks is needed by cells for a CPU."
    for node in ast.parse(source).body:
        with contextlib.suppress(ModuleNotFoundError): exec(ast.unparse(node), space)


def run_page(page: Path, device: str, whole: bool) -> dict:
    "Run the cells of a page: how many, how many of them for a GPU, and the error if there is one."
    os.chdir(page.parent)
    space = without_jupyter()
    found = EMPTY | {"page": name_of(page), "device": device}
    start, said = time.perf_counter(), io.StringIO()
    for i, source in enumerate(code_cells(page)):
        if not wanted(source, whole): continue
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                here = source.replace('device = "cuda"', f"device = {device!r}")
                if not whole and only_imports(source): import_what_is_there(source, space)
                else: run_cell(here, f"{page.name}[{i}]", space)
        except BaseException:  # a cell may raise anything
            found["error"] = traceback.format_exc(limit=-4)[-2000:]
            break
        found["cells"] += 1
        found["cuda"] += "cuda" in directives(source)
    return found | {"seconds": round(time.perf_counter() - start, 2)}


def results(pages: list[Path], device: str, whole: bool, jobs: int) -> Iterator[dict]:
    "Run pages, each in a process of its own."
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        for done in as_completed([pool.submit(in_own_process, p, device, whole) for p in pages]):
            yield done.result()


def in_own_process(page: Path, device: str, whole: bool) -> dict:
    "Fork once more, so that a page that ends its process ends nothing else."
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=lambda: theirs.send(run_page(page, device, whole)))
    process.start()
    theirs.close()
    try: found = ours.recv()
    except EOFError: found = EMPTY | {"page": page.stem, "device": device, "error": "the process ended"}
    process.join()
    return found


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True, help="JSON; pages that passed are not run again")
    parser.add_argument("--pages", help="such as smoothing/01_draws,runtime/03_seeds; otherwise all")
    parser.add_argument("--whole", action="store_true", help="all cells, of all pages")
    parser.add_argument("--jobs", type=int, default=1, help="pages at a time")
    given = parser.parse_args(words)
    pages = all_pages() if given.whole else pages_with_cuda()
    if given.pages: pages = [ROOT / "nbs" / f"{page}.ipynb" for page in given.pages.split(",")]
    rows = json.loads(given.out.read_text()) if given.out.is_file() else []
    rows = [row for row in rows if not row["error"]]
    passed = {row["page"] for row in rows}
    todo = [page for page in pages if name_of(page) not in passed]
    for name in SHARED:
        with contextlib.suppress(ModuleNotFoundError): importlib.import_module(name)
    for row in results(todo, given.device, given.whole, given.jobs):
        rows.append(row)
        given.out.write_text(json.dumps(rows, indent=1) + "\n")
        print("{page}: {cells} cells, {cuda} for a GPU {error}".format_map(row), flush=True)
    if failed := [row["page"] for row in rows if row["error"]]: sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
