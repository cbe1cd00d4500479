"""Run every tutorial as a reader would: top to bottom, in an empty folder, with the rs_sr of this Python.

    python tools/checks/tutorials.py [FOLDER] [--limit SECONDS]

FOLDER holds the notebooks (default: nbs/tutorials). Those that have the install cell for Colab promise to
run anywhere, and are held to it; the others, and those with `skip_exec: true`, are left out. One after the
other they get a fresh kernel of the Python that runs this script, a new empty folder, and at most the given
seconds. A warning counts as a failure. nbclient and ipykernel are needed next to rs_sr.
"""
import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

LAUNCH = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
KERNEL = {"argv": LAUNCH, "display_name": "this Python", "language": "python"}


def complaint(output) -> str:
    "Say what an output reports, if it is an error or a warning."
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    if output.output_type == "stream" and output.name == "stderr" and "Warning" in output.text:
        return next(line for line in output.text.splitlines() if "Warning" in line)
    return ""


def failure(nb) -> str:
    "Name the first cell of an executed notebook that failed or warned, in one line; empty: none did."
    for number, cell in enumerate(nb.cells, 1):
        for said in filter(None, map(complaint, cell.get("outputs", []))):
            lines = [line for line in cell.source.splitlines() if line and not line.startswith("#|")]
            return f"cell {number} ({lines[0][:60]}): {said.strip().splitlines()[0][:300]}"
    return ""


def run(path: Path, limit: float) -> str:
    "Execute one notebook; return what went wrong in one line, or nothing."
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    nb = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as empty:
        where = {"metadata": {"path": empty}}
        client = NotebookClient(nb, timeout=None, kernel_name="this_python", resources=where)

        async def execute():
            await asyncio.wait_for(client.async_execute(), limit)
        start = time.monotonic()
        try:
            asyncio.run(execute())
        except CellExecutionError:
            pass  # the notebook holds the error
        except (asyncio.TimeoutError, TimeoutError, DeadKernelError):
            if time.monotonic() - start >= limit:  # the kernel was ended
                return f"it took longer than {limit:g} s"
            return "the kernel died; was there enough memory?"
    return failure(nb)


def runs_anywhere(path: Path) -> bool:
    "Tell whether a notebook installs what it needs, and is meant to be executed."
    nb = json.loads(path.read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in nb["cells"]]
    skipped = re.search(r"^(- )?skip_exec: *true", cells[0], re.M)
    return any("google.colab" in cell for cell in cells) and not skipped


def run_all(paths: list[Path], limit: float) -> int:
    "Run the notebooks one after the other, and say how each ended; return how many failed."
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        spec = Path(home) / "kernels" / "this_python" / "kernel.json"
        spec.parent.mkdir(parents=True)
        spec.write_text(json.dumps(KERNEL))
        os.environ.pop("PYTHONPATH", None)  # only what is installed, not this checkout
        os.environ |= {"JUPYTER_PATH": home, "TQDM_DISABLE": "1", "RS_SR_CACHE": str(Path(home) / "cache"),
                       "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        for path in paths:
            start = time.monotonic()
            wrong = run(path.resolve(), limit)
            failed += bool(wrong)
            seconds = f"({time.monotonic() - start:.0f} s)"
            state, reason = ("FAILED", f": {wrong}") if wrong else ("ok    ", "")
            print(f"{state} {path.name} {seconds}{reason}", flush=True)
    return failed


def main() -> int:
    "Run the tutorials of a folder; return 1 if one failed."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tutorials = Path(__file__).resolve().parents[2] / "nbs" / "tutorials"
    parser.add_argument("folder", nargs="?", type=Path, default=tutorials)
    parser.add_argument("--limit", type=float, default=180, help="seconds for one notebook (default 180)")
    args = parser.parse_args()
    found = sorted(args.folder.glob("[!_.]*.ipynb"))
    paths = list(filter(runs_anywhere, found))
    if not paths:
        parser.error(f"no notebooks to run in {args.folder}")
    if len(paths) < len(found):
        print("left out:", ", ".join(path.name for path in found if path not in paths))
    failed = run_all(paths, args.limit)
    print(f"{len(paths) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
