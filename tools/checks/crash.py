"""Kill evaluate, tune, certify, train and report at 20 random moments, and compare with undisturbed runs.

    python tools/checks/crash.py [evaluate tune certify train report]

Each kill is SIGKILL, which a process cannot hear. Its moment is counted in the process itself, in rows, steps
or files, not in seconds, so that every run of this check kills at the same places. Then the same call is made
again: it must repeat no row or step that was on disk, and end with the same bits as an undisturbed run. A
report does not resume: a killed one leaves whole files only, and the same call again completes it.
"""
import argparse
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from forms import Form
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from rs_sr.certificates import certify_dataset
from rs_sr.data import SRDataset, sample_photos
from rs_sr.evaluation import evaluate, robustness_report, tune_sigma_g
from rs_sr.runtime import Table
from rs_sr.training import TrainConfig, train

FORK = get_context("fork")
# what rs_sr imports when it first needs it: here once, before the processes part
LATER = ("accelerate", "matplotlib.pyplot", "scipy.stats", "torchmetrics.functional.image",
         "torchvision.transforms.v2.functional", "torchvision.datasets.folder")
FORM = Form("plain")


def photographs() -> SRDataset: return SRDataset(sample_photos("test"), scale=2, crop=16)


def run_evaluate(folder: Path, step: Callable) -> None:
    evaluate(FORM, photographs(), (0, 0.05), sigma_g=(0, 0.1), k=4, steps=2, images=range(4),
             out=folder / "rows.csv", batch_size=1)


def run_tune(folder: Path, step: Callable) -> None:
    tune_sigma_g(FORM, photographs(), (0, 0.1, 0.2), (0, 0.05), k=4, steps=2, images=range(3),
                 out=folder / "rows.csv", batch_size=1)


def run_certify(folder: Path, step: Callable) -> None:
    certify_dataset(FORM, photographs(), 0.25, (0.1, 0.2), k=64, draws=5, images=range(4),
                    out=folder / "rows.csv")


def run_train(folder: Path, step: Callable) -> None:
    config = TrainConfig(str(sample_photos("train")), str(folder), crop=16, region=24, batch_size=16,
                         epochs=2, features=(2, 2, 2, 2), checkpoint_seconds=0, validations=1)
    train(config, cpu=True, after_step=step)


def run_report(folder: Path, step: Callable) -> None:
    robustness_report(FORM, photographs(), value_range="normalised", eps_rel=0.05, sigma_g=0.1, k=2, images=1,
                      passes=80, steps=1, out=folder)


class Call(NamedTuple):
    "What is killed, how often, and among how many moments."
    run: Callable[[Path, Callable], None]
    kills: int
    steps: int  # rows or steps of an undisturbed run, at least
    files: int  # files that an undisturbed run puts in place, at least


CALLS = {"evaluate": Call(run_evaluate, 5, 12, 6), "tune": Call(run_tune, 4, 12, 6),
         "certify": Call(run_certify, 4, 8, 4), "train": Call(run_train, 4, 8, 6),
         "report": Call(run_report, 3, 0, 9)}


class Moment(NamedTuple):
    "When a process kills itself."
    kind: str  # "step", or "before" or "after" a file is put in place
    number: int  # the how manieth, from 1; 0: never


def moments(call: Call, seed: int) -> list[Moment]:
    "Choose the moments of a call, all different."
    kinds = {"step": call.steps, "before": call.files, "after": call.files}
    known = [Moment(kind, n) for kind, most in kinds.items() for n in range(1, most + 1)]
    return random.Random(seed).sample(known, call.kills)


def armed(moment: Moment) -> Callable:
    "Count rows, steps and files in this process, and end it at the moment; return the counter of steps."
    counted = {"step": 0, "before": 0, "after": 0}

    def count(kind: str) -> None:
        counted[kind] += 1
        if moment == (kind, counted[kind]): os.kill(os.getpid(), signal.SIGKILL)

    replace, add = os.replace, Table.add

    def counted_replace(source, target):
        count("before")
        replace(source, target)
        count("after")

    def counted_add(table, *rows):
        add(table, *rows)
        for _ in rows: count("step")

    os.replace, Table.add = counted_replace, counted_add
    Table.every = 0.0  # seconds between two writes
    return lambda done=None: count("step")


def child(run: Callable, folder: Path, moment: Moment, answer) -> None:
    "Run a call in a process of its own, and send how many rows or steps it computed."
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    sys.stderr = open(folder.parent / f"{folder.name}.txt", "a")  # noqa: SIM115
    steps: list[int] = []
    step, add = armed(moment), Table.add

    def noted(table, *rows):
        steps.extend(1 for _ in rows)
        add(table, *rows)

    Table.add = noted
    run(folder, lambda done: (steps.append(done), step()))
    answer.send(len(steps))


def started(run: Callable, folder: Path, moment: Moment) -> tuple[int, int]:
    "Run a call in a child; return its exit code, and the rows or steps that it computed if it ended."
    folder.mkdir(exist_ok=True)
    here, there = FORK.Pipe(duplex=False)
    process = FORK.Process(target=child, args=(run, folder, moment, there))
    process.start()
    there.close()
    try: computed = here.recv()
    except EOFError: computed = -1
    process.join()
    return process.exitcode, computed


def result_of(folder: Path) -> object:
    "Read what a run leaves and a resumed one must repeat: rows as text, or weights bit for bit."
    if (folder / "rows.csv").is_file(): return sorted((folder / "rows.csv").read_text().splitlines())
    weights = load_file(folder / "model.safetensors")
    return {name: weight.numpy().tobytes() for name, weight in sorted(weights.items())}


def on_disk(folder: Path) -> int:
    "Count the rows or steps that a killed run has left on disk."
    if (folder / "checkpoint.safetensors").is_file():
        with safe_open(folder / "checkpoint.safetensors", "pt") as file: return int(file.metadata()["step"])
    table = folder / "rows.csv"
    rows = len(table.read_text().splitlines()) - 1 if table.is_file() else 0
    shards = [json.loads(p.read_text())["rows"] for p in folder.glob("rows.csv.shard-*.json")]
    return max(rows, sum(map(len, shards)))


def fault_of_kill(call: Call, right: Path, whole: int, folder: Path, moment: Moment) -> str:
    "Kill a call at a moment, make it again, and say what is wrong."
    code, _ = started(call.run, folder, moment)
    if code != -signal.SIGKILL: return f"ended with {code} before the moment came"
    kept = on_disk(folder)
    code, computed = started(call.run, folder, Moment("never", 0))
    if code: return f"the same call again ended with {code}: {folder}.txt"
    if computed > whole - kept: return f"{kept} of {whole} were on disk, and {computed} were computed again"
    return "" if result_of(folder) == result_of(right) else "the result differs from that of no kill"


def broken_files(folder: Path, right: Path) -> list[str]:
    "Name the files of a report, drafts apart, that are not whole."
    broken = []
    for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
        if path.suffix == ".png":
            with Image.open(path) as image: image.load()
        elif path.suffix == ".csv":
            if not pd.read_csv(path).equals(pd.read_csv(right / path.name)): broken.append(path.name)
        elif len(path.read_text().splitlines()) != len((right / path.name).read_text().splitlines()):
            broken.append(path.name)
    return broken


def fault_of_report(call: Call, right: Path, folder: Path, moment: Moment) -> str:
    "Kill a report, in an empty folder and in one that holds the same report, and say what is wrong."
    for before in ("nothing", "the same report"):
        place = folder.with_name(f"{folder.name}-{before.split()[0]}")
        if before != "nothing": shutil.copytree(right, place)
        code, _ = started(call.run, place, moment)
        if code != -signal.SIGKILL: return f"ended with {code} before the moment came"
        if broken := broken_files(place, right): return f"half-written, over {before}: {', '.join(broken)}"
        lost = {p.name for p in right.iterdir()} - {p.name for p in place.iterdir()}
        if before != "nothing" and lost: return f"lost {', '.join(lost)} of an earlier report"
        code, _ = started(call.run, place, Moment("never", 0))
        if code: return f"the same call again, over {before}, ended with {code}: {place}.txt"
        if drafts := [p.name for p in place.iterdir() if p.name not in {q.name for q in right.iterdir()}]:
            print(f"  a draft stays: {', '.join(drafts)}")
    return ""


def main() -> None:
    "Kill and resume; exit with 1 if anything is lost."
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("calls", nargs="*", help=f"of {', '.join(CALLS)}; none: all")
    right, total = 0, 0
    torch.set_num_threads(1)
    for module in LATER: importlib.import_module(module)
    for name in parser.parse_args().calls or CALLS:
        call, start = CALLS[name], time.monotonic()
        with tempfile.TemporaryDirectory() as work:
            undisturbed = Path(work) / "right"
            code, whole = started(call.run, undisturbed, Moment("never", 0))
            if code: sys.exit(f"{name} fails undisturbed:\n{Path(f'{undisturbed}.txt').read_text()[-2000:]}")
            for i, moment in enumerate(moments(call, list(CALLS).index(name))):
                folder = Path(work) / f"killed{i}"
                if name == "report": fault = fault_of_report(call, undisturbed, folder, moment)
                else: fault = fault_of_kill(call, undisturbed, whole, folder, moment)
                total, right = total + 1, right + (not fault)
                if fault: print(f"  {name}, killed at {moment.kind} {moment.number}: {fault}")
        print(f"{name}: {call.kills} kills ({time.monotonic() - start:.0f} s)", flush=True)
    print(f"{right} of {total}")
    sys.exit(right < total)


if __name__ == "__main__":
    main()
