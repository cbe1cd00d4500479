"""Use the minutes of a borrowed GPU: what is worth most first, each step resumable, all of it back in time.

    python tools/gpu/run.py MINUTES --carried .gpu --out RESULTS

`--carried` is the folder that `pack.py` made. RESULTS gets at most six files of at most 15 MB: `report.md`,
`steps.json` and `results.tar.gz.0`, `.1`, ..., which `cat results.tar.gz.* | tar xz` unpacks. They are
written again after every step, so a run that is cut off leaves what it had. To go on with another machine,
pack them (`pack.py --results RESULTS`) and give the same line again: steps that were done are not repeated,
and a step that was cut off resumes. What is done, in which order and for how long is in `tasks.py`.
"""
import argparse
import ctypes
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import zipfile
from multiprocessing import get_context
from pathlib import Path

HERE = Path(__file__).resolve().parent
FORK = get_context("fork")
SHOWN = argparse.RawDescriptionHelpFormatter
PART, PARTS = 15 * 10**6, 4  # bytes of a file that comes back, and how many such files there may be
LEAVE, PATIENCE = 20, 12  # seconds kept for the end, and for a step to save what it has
DIES_WITH_US = 1  # PR_SET_PDEATHSIG
HERE_ON = "{work}"  # stands for the working folder in stored command lines


def prepare(carried: Path, work: Path) -> None:
    "Unpack what travelled: packages, photographs, results of an earlier run."
    work.mkdir(parents=True, exist_ok=True)
    for wheel in (carried / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed: packed.extractall(work / "site")
    if not (work / "data").is_dir():
        with zipfile.ZipFile(carried / "photos.zip") as packed: packed.extractall(work / "data")
    parts = sorted((carried / "results").glob("results.tar.gz.*"))
    if parts and not (work / "results").is_dir():
        joined = io.BytesIO(b"".join(part.read_bytes() for part in parts))
        with tarfile.open(fileobj=joined) as packed: packed.extractall(work / "results", filter="data")
    (work / "results" / "logs").mkdir(parents=True, exist_ok=True)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE.parents[1]), str(work / "site")])
    os.environ["RS_SR_FILTERS"] = str(carried / "filters.safetensors")
    os.environ |= {"RS_SR_CACHE": str(work / "cache"), "TQDM_DISABLE": "1", "MPLBACKEND": "Agg",
                   "HF_HUB_OFFLINE": "1"}
    sys.path[:0] = [str(HERE.parents[1]), str(work / "site"), str(HERE)]


def child(call: list[str], log: Path) -> None:
    "Run a command line in this process, which was forked for it."
    ctypes.CDLL(None).prctl(DIES_WITH_US, signal.SIGKILL)
    os.setpgrp()
    with open(log, "a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    print("$", *call, flush=True)
    if call[0].startswith("rs_sr_"): importlib.import_module("rs_sr.commands.entry").main(call)
    else: importlib.import_module(call[0]).main(call[1:])


def run(call: list[str], log: Path, seconds: float) -> str:
    "Run a command line for so long at most: done, stopped or failed."
    process = FORK.Process(target=child, args=(call, log))
    process.start()
    process.join(seconds)
    late = process.is_alive()
    for sign in (signal.SIGINT, signal.SIGKILL):  # the first lets it save what it has
        if not process.is_alive(): break
        os.killpg(process.pid, sign)
        process.join(PATIENCE)
    if process.exitcode == 0: return "done"
    return "stopped" if late else "failed"


class Run:
    "A run: its deadline, what is known of its steps, and where it leaves them."
    def __init__(self, plan, out: Path, origin: dict):
        self.plan = plan
        self.out = out
        self.origin = origin
        self.deadline = time.monotonic() + 60 * plan.minutes - LEAVE
        self.file = plan.out / "steps.json"
        self.steps: dict[str, dict] = json.loads(self.file.read_text()) if self.file.is_file() else {}
        for known in self.steps.values(): known["failed_now"] = False

    def moved(self, word: str, to: str = "") -> str:
        "Name the working folder, or put it where its name stands: the next machine may have another."
        work = str(self.plan.out.parent)
        return word.replace(work, to) if to else word.replace(HERE_ON, work)

    def left(self) -> float: return self.deadline - time.monotonic()

    def step(self, step, seconds: float) -> None:
        "Take a step, or a part of it, and put what there is where it comes back from."
        known = self.steps.setdefault(step.name, {"state": "begun", "seconds": 0.0, "goes": 0, "call": []})
        log, start = log_of(self.plan, step.name), time.monotonic()
        try:
            known["call"] = known["call"] or [self.moved(word, HERE_ON) for word in step.call(self.plan)]
            call = [self.moved(word) for word in known["call"]]
            known["state"] = run(call, log, min(seconds, self.left() - PATIENCE))
        except (ValueError, OSError) as error:  # its command line cannot be made yet
            known["state"] = "waiting"
            log.write_text(f"{error}\n")
        known |= {"failed_now": known["state"] == "failed", "goes": known["goes"] + 1,
                  "seconds": round(known["seconds"] + time.monotonic() - start, 1)}
        said = f"{step.name}: {known['state']}, {known['seconds']:.0f} s in all, {self.left():.0f} s left"
        print(said, flush=True)
        self.keep()

    def open(self, step) -> bool:
        "Tell whether a step can be taken."
        known = self.steps.get(step.name, {})
        return known.get("state") != "done" and not known.get("failed_now") and self.left() > PATIENCE + 3

    def keep(self) -> None:
        "Write everything where it comes back from."
        self.file.write_text(json.dumps(self.steps, indent=1) + "\n")
        for done in (self.plan.out / "runs").glob("*/model.safetensors"):
            done.with_name("checkpoint.safetensors").unlink(missing_ok=True)  # three times the weights
        self.out.mkdir(parents=True, exist_ok=True)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=3) as tar: tar.add(self.plan.out, ".")
        whole = packed.getvalue()
        if len(whole) > PART * PARTS: print(f"results take {len(whole) / 1e6:.0f} MB; only a part comes back")
        for i in range(PARTS):
            place(self.out / f"results.tar.gz.{i}", whole[i * PART:(i + 1) * PART])
        place(self.out / "steps.json", self.file.read_bytes())
        place(self.out / "report.md", report(self).encode())


def log_of(plan, name: str) -> Path: return plan.out / "logs" / f"{name.replace(' ', '-')}.log"


def origin_of(carried: Path, minutes: float) -> dict:
    "Describe the machine, without waking its GPU, and the code that was packed."
    described = importlib.import_module("rs_sr.benchmark").describe_machine()
    found = described | importlib.import_module("rs_sr.runtime").provenance()
    return found | {"commit": (carried / "commit.txt").read_text().strip(), "minutes": minutes}


def place(file: Path, content: bytes) -> None:
    "Put a file in place, complete or not at all; an empty one is left out."
    if not content: return file.unlink(missing_ok=True)
    draft = file.with_name(f".{file.name}")
    draft.write_bytes(content)
    os.replace(draft, file)


def report(made: Run) -> str:
    "Say what was done, with the end of each log."
    lines = ["# What the minutes bought", "", *(f"- {name}: {value}" for name, value in made.origin.items())]
    for name, step in made.steps.items():
        log = log_of(made.plan, name)
        end = log.read_text(errors="replace").splitlines()[-25:] if log.is_file() else []
        lines += ["", f"## {name}: {step['state']}", "", f"{step['seconds']} s in {step['goes']} goes", ""]
        lines += ["```", *end, "```"]
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("minutes", type=float, help="after which everything is back")
    parser.add_argument("--carried", type=Path, default=Path(".gpu"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "rs_sr_gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small numbers, for a rehearsal")
    parser.add_argument("--fresh", action="store_true", help="forget what is in --work")
    given = parser.parse_args(words)
    began = time.monotonic()
    work = given.work.resolve()
    if given.fresh: shutil.rmtree(work, ignore_errors=True)
    prepare(given.carried.resolve(), work)
    tasks = importlib.import_module("tasks")
    importlib.import_module("rs_sr.commands.entry")
    importlib.import_module("torch")  # once, for all steps; CUDA begins in each of them
    plan = tasks.Plan(work / "data", work / "results", given.device, given.minutes, given.tiny)
    made = Run(plan, given.out.resolve(), origin_of(given.carried, given.minutes))
    made.deadline -= time.monotonic() - began
    steps = [step for step in tasks.STEPS if not given.tiny or step.name in tasks.REHEARSED]
    for share in (True, False):
        for step in filter(made.open, steps):
            made.step(step, 60 * given.minutes * step.share if share else made.left())
    made.keep()
    return any(step["state"] != "done" for step in made.steps.values())


if __name__ == "__main__": sys.exit(main())
