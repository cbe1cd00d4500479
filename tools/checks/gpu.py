"""Rehearse tools/gpu/run.py on a CPU: from what would travel alone, with the packages of the machine alone.

    python tools/checks/gpu.py            half a minute on a quiet core
    python tools/checks/gpu.py --keep     leaves its folder, and prints where it is

The repository's tracked and new files and the packed folder are copied; a fresh virtual environment sees the
packages that `tools/gpu/machine.txt` lists, through links, and no others; sockets lead nowhere. The run is
killed after its third step, packed again from what it had left, and started anew elsewhere: it must repeat
no step that was done, finish the rest, and leave files within the limits. A step that hangs must be stopped.
"""
import argparse
import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES, FILE_LIMIT = 8, 16 * 2**20  # what comes back, at most
TREE_LIMIT, PACKED_LIMIT = 64 * 2**20, 28 * 10**6  # what travels, at most, and the packed folder alone
EXPECTED = ("cells.json", "pages.json", "rates.csv", "bench.csv", "certificates-unet-x2-noise0.1.csv",
            "judged-x2_at_5.csv", "leaderboard-defences.csv",
            "runs/x2_at_5/model.safetensors")
SHOWN = argparse.RawDescriptionHelpFormatter
NO_NETWORK = """
import socket
def refuse(*args, **options): raise OSError("there is no network in this rehearsal")
socket.create_connection = socket.getaddrinfo = refuse
"""


def travelling(place: Path) -> int:
    "Copy what git would send: tracked files, and new ones that are not ignored. How many bytes it is."
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if not (ROOT / name).is_file(): continue
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / name)
    return sum(f.stat().st_size for f in place.rglob("*") if f.is_file())


def machine(folder: Path) -> Path:
    "Make an environment with the packages of the machine alone; its interpreter."
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python*/site-packages"))
    for package in (ROOT / "tools/gpu/machine.txt").read_text().split():
        try: found = distribution(package)
        except PackageNotFoundError: continue
        tops = {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not (site / top).exists(): (site / top).symlink_to(Path(found.locate_file(top)).resolve())
    (site / "sitecustomize.py").write_text(NO_NETWORK)
    return folder / "bin" / "python"


def photographs(folder: Path) -> Path:
    "Make a set in the layout of ImageNet mini from the embedded photographs."
    for split, source in (("train", "train"), ("val", "test"), ("test", "test")):
        (folder / split).mkdir(parents=True)
        for file in sorted((ROOT / "rs_sr/photos" / source).rglob("*.png"))[:4]:
            shutil.copy(file, folder / split)
    return folder


def pack(photos: Path, out: Path, *options) -> None:
    "Pack as a developer would, before anything travels."
    line = [sys.executable, ROOT / "tools/gpu/pack.py", photos, "--out", out, *options]
    subprocess.run([*map(str, line)], check=True, env=os.environ | {"PYTHONPATH": str(ROOT)})


def start(python: Path, tree: Path, work: Path, out: Path) -> subprocess.Popen:
    "Start the run as it would be started there."
    line = [python, "tools/gpu/run.py", "20", "--tiny", "--device", "cpu", "--out", out, "--work", work]
    clean = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    env = clean | {"OMP_NUM_THREADS": "1", "HOME": str(work)}
    return subprocess.Popen([*map(str, line)], cwd=tree, env=env)


def steps(out: Path) -> dict:
    "Read what is known of the steps."
    file = out / "steps.json"
    return json.loads(file.read_text()) if file.is_file() else {}


def finished(known: dict) -> set[str]:
    return {name for name, step in known.items() if step["state"] == "done"}


def kill_after(run: subprocess.Popen, out: Path, done: int) -> dict:
    "Kill a run when so many steps are done: what it had left."
    while run.poll() is None and len(finished(steps(out))) < done: time.sleep(0.1)
    run.send_signal(signal.SIGKILL)
    run.wait()
    return steps(out)


def check_files(out: Path) -> None:
    "Look at what comes back."
    files = list(out.iterdir())
    assert len(files) <= FILES and all(f.stat().st_size <= FILE_LIMIT for f in files), files
    assert all(re.fullmatch(r"[\w.-]+", f.name) for f in files), files
    with tarfile.open(out / "results.tar.gz.0") as packed: names = packed.getnames()
    missing = {f"./{name}" for name in EXPECTED} - set(names)
    assert not missing, f"{missing} did not come back"


def check_stopped(folder: Path) -> None:
    "A step that hangs is stopped, and one that ends is not."
    spec = importlib.util.spec_from_file_location("gpu_run", ROOT / "tools/gpu/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.insert(0, str(folder))
    (folder / "hangs.py").write_text("import time\ndef main(words): time.sleep(600)\n")
    (folder / "ends.py").write_text("def main(words): print(*words)\n")
    assert module.run(["hangs"], folder / "hangs.log", 1) == "stopped"
    assert module.run(["ends", "well"], folder / "ends.log", 60) == "done"
    assert "well" in (folder / "ends.log").read_text()


def rehearse(folder: Path) -> None:
    "Pack, run, kill, pack again, run to the end."
    tree, photos = folder / "tree", photographs(folder / "photos")
    python = machine(folder / "venv")
    size = travelling(tree)
    pack(photos, tree / ".gpu")
    packed = sum(f.stat().st_size for f in (tree / ".gpu").rglob("*") if f.is_file())
    print(f"{size / 1e6:.1f} MB of the repository travel; packed for the rehearsal: {packed / 1e6:.1f} MB")
    assert size + PACKED_LIMIT < TREE_LIMIT
    before = kill_after(start(python, tree, folder / "one", folder / "first"), folder / "first", 3)
    print("killed;", ", ".join(f"{name}: {step['state']}" for name, step in before.items()), flush=True)
    shutil.rmtree(folder / "one")  # another machine knows nothing of the first
    pack(photos, tree / ".gpu", "--results", folder / "first")
    done = finished(before)
    assert start(python, tree, folder / "two", folder / "second").wait() == 0, report(folder / "second")
    after = steps(folder / "second")
    assert len(done) >= 3 and all(after[name] == before[name] | {"failed_now": False} for name in done)
    assert finished(after) == set(after) > done
    check_files(folder / "second")


def report(out: Path) -> str:
    return (out / "report.md").read_text() if (out / "report.md").is_file() else "no report"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("--keep", action="store_true", help="leave the folder")
    keep, folder = parser.parse_args().keep, Path(tempfile.mkdtemp())
    began = time.monotonic()
    try:
        check_stopped(folder)
        rehearse(folder)
    finally:
        if keep: print(folder)
        else: shutil.rmtree(folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"the rehearsal went through in {time.monotonic() - began:.0f} s, "
          f"{used.ru_utime + used.ru_stime:.0f} s of them on a processor")
