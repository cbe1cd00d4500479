"""Run every tutorial as a reader would: top to bottom, in an empty folder, with rs_sr as it is installed for this Python.

    python tools/tutorials_test.py [FOLDER] [--limit SECONDS]

FOLDER holds the notebooks (default: nbs/tutorials beside this script). Those that have the install cell for Colab promise to run
anywhere, and are held to it; the others, and those with `- skip_exec: true`, are left out. One after the other they get a fresh
kernel of the Python that runs this script, a new empty folder, and at most the given seconds; a warning counts as a failure.
nbclient and ipykernel are needed besides rs_sr.
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

KERNEL = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "this Python", "language": "python"}


def failure(nb) -> str:
    "Name the first cell of an executed notebook that failed or warned, in one line; empty: none did."
    for number, cell in enumerate(nb.cells, 1):
        for out in cell.get("outputs", []):
            said = ""
            if out.output_type == "error":
                said = f"{out.ename}: {out.evalue}"
            elif out.output_type == "stream" and out.name == "stderr" and "Warning" in out.text:
                said = next(line for line in out.text.splitlines() if "Warning" in line)
            if said:
                first = next((s for s in cell.source.splitlines() if s and not s.startswith("#|")), "")
                return f"cell {number} ({first[:60]}): {said.strip().splitlines()[0][:300]}"
    return ""


def run(path: Path, limit: float) -> str:
    "Execute one notebook; return what went wrong in one line, or nothing."
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError
    nb = nbformat.read(path, 4)
    with tempfile.TemporaryDirectory() as empty:
        client = NotebookClient(nb, timeout=None, kernel_name="this_python", resources={"metadata": {"path": empty}})
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parents[2] / "nbs" / "tutorials")
    parser.add_argument("--limit", type=float, default=180, help="seconds for one notebook (default 180)")
    args = parser.parse_args()
    paths, others = [], []
    for path in sorted(args.folder.glob("[!_.]*.ipynb")):
        cells = ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
        anywhere = any("google.colab" in cell for cell in cells) and not re.search(r"^- skip_exec: *true", cells[0], re.M)
        (paths if anywhere else others).append(path)
    if not paths:
        parser.error(f"no notebooks to run in {args.folder}")
    if others:
        print("left out:", ", ".join(path.name for path in others))
    passed = 0
    with tempfile.TemporaryDirectory() as home:
        spec = Path(home) / "kernels" / "this_python" / "kernel.json"
        spec.parent.mkdir(parents=True)
        spec.write_text(json.dumps(KERNEL))
        os.environ.pop("PYTHONPATH", None)  # neither this checkout nor anything else beside what is installed
        os.environ |= {"JUPYTER_PATH": home, "TQDM_DISABLE": "1", "RS_SR_CACHE": str(Path(home) / "cache"), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        for path in paths:
            start = time.monotonic()
            wrong = run(path.resolve(), args.limit)
            passed += not wrong
            print(f"{'FAILED' if wrong else 'ok':6} {path.name} ({time.monotonic() - start:.0f} s){': ' + wrong if wrong else ''}", flush=True)
    print(f"{passed} passed, {len(paths) - passed} failed")
    return int(passed < len(paths))


if __name__ == "__main__":
    sys.exit(main())
