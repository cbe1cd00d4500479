"""Measure how fast the networks run: by kind of pass, precision, and with or without compiling.

    python tools/gpu/rates.py --device cuda --out rates.csv     rerun with the same file to resume

`peak_share` is the part of a matrix product's rate in that precision; `cosine` compares the result of a pass
(images, or their gradient) with that in plain 32-bit floats. The first row is a step of adversarial training.
"""
import argparse
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from networks import FilterPlusNetwork
from torch import Tensor, nn

from rs_sr.benchmark import count_operations, timed, wait_for
from rs_sr.data import SRDataset, sample_photos
from rs_sr.models import EDSR, AnySizeFilter, load_network
from rs_sr.runtime import atomic, frozen, generator
from rs_sr.training import TrainConfig, prepare, training_step

KEY = ["network", "work", "precision", "how", "batch"]
NETWORKS = ("unet-x2-noise0.1", "edsr-x4-ssim-proj-adv0.02")
SHOWN = argparse.RawDescriptionHelpFormatter
PRECISIONS, WAYS = ("float32", "tf32", "bf16"), ("plain", "compiled", "graph")


class Setup(NamedTuple):
    "What is measured, and where."
    device: str
    tiny: bool

    @property
    def batches(self) -> tuple[int, ...]: return (2,) if self.tiny else (16, 128, 512)
    @property
    def crop(self) -> int: return 32 if self.tiny else 160
    @property
    def seconds(self) -> float: return 0.02 if self.tiny else 0.3
    @property
    def ways(self) -> tuple[str, ...]: return WAYS if self.device.startswith("cuda") else WAYS[:1]


def rate(call: Callable[[], object], device: str, least: float) -> float:
    "Count calls a second: doubled until they take long enough."
    for _ in range(3): call()
    n = 1
    while True:
        seconds, _ = timed(lambda: [call() for _ in range(n)], device)
        if seconds > least: return n / seconds
        n *= 2


def peak(setup: Setup, precision: str) -> float:
    "Measure the operations a second of a matrix product."
    side = 256 if setup.tiny else 8192
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    a = torch.randn(side, side, device=setup.device, dtype=kind)
    with precisely(precision): return 2 * side**3 * rate(lambda: a @ a, setup.device, setup.seconds)


class precisely:  # noqa: N801 - reads as a sentence: with precisely("tf32")
    "Allow or forbid TF32 for a while; bf16 is the caller's autocast."
    def __init__(self, precision: str): self.allowed = precision == "tf32"
    def __enter__(self) -> None: self.before = self.switch(self.allowed)
    def __exit__(self, *error: object) -> None: self.switch(self.before)
    def switch(self, allowed: bool) -> bool:
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed
        return before


def forward(f: Callable, y: Tensor) -> Tensor:
    with torch.no_grad(): return f(y)


def gradient(f: Callable, y: Tensor) -> Tensor:
    z = y.detach().requires_grad_()
    return torch.autograd.grad(f(z).float().square().sum(), z)[0]


def graph(call: Callable[[], Tensor]) -> Callable[[], Tensor]:
    "Record a call once, so that it can be replayed without Python."
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3): call()
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded): result = call()
    def replay() -> Tensor:
        recorded.replay()
        return result
    return replay


def call_of(work: Callable, f: nn.Module, y: Tensor, precision: str, how: str) -> Callable[[], Tensor]:
    "Make the call that is timed."
    model = torch.compile(f) if how == "compiled" else f
    half = torch.autocast(y.device.type, torch.bfloat16, cache_enabled=False)
    def call() -> Tensor:
        with half if precision == "bf16" else nullcontext(): return work(model, y)
    return graph(call) if how == "graph" else call


def measure(setup: Setup, f: nn.Module, y: Tensor, work: Callable, precision: str, how: str) -> dict:
    "Measure one kind of pass: its rate, its result next to the exact one, and its memory."
    on_gpu = y.is_cuda
    with frozen(f, y):
        with precisely("float32"): exact = work(f, y).flatten().double()
        if on_gpu: torch.cuda.reset_peak_memory_stats()
        with precisely(precision):
            call = call_of(work, f, y, precision, how)
            seen = call().flatten().double()
            calls = rate(call, setup.device, setup.seconds)
    cosine = torch.nn.functional.cosine_similarity(exact, seen, 0).item()
    memory = torch.cuda.max_memory_allocated() / 1e9 if on_gpu else float("nan")
    return {"images_a_second": calls * len(y), "cosine": cosine, "memory_gb": memory}


def operations(f: nn.Module, y: Tensor, work: Callable) -> float:
    "Count the operations for one photograph; the way back costs as much as the way there."
    with frozen(f, y): return count_operations(lambda: forward(f, y[:1])) * (2 if work is gradient else 1)


def training(setup: Setup) -> dict[str, object]:
    "Time a step of adversarial training of a wide EDSR on top of a filter."
    batch, side = (2, 32) if setup.tiny else (64, 96)
    config = TrainConfig("", "", method="adversarial", eps_rel=0.05, batch_size=batch, crop=side,
                         attack_start="measurement", mixed_precision="bf16", attack_precision="bf16")
    network = EDSR(4, 1, 2) if setup.tiny else EDSR(96, 12, 2)
    made = FilterPlusNetwork(AnySizeFilter(torch.ones(side // 2, side // 2)), network)
    photos = SRDataset(sample_photos("train"), scale=2, crop=side)
    y, x = photos.batch([i % len(photos) for i in range(batch)], setup.device)
    net, optimizer = prepare(config, made.to(setup.device))
    source = generator(setup.device, 0)
    def step() -> Tensor: return training_step(config, net, net, optimizer, y, x, source)
    calls = rate(step, setup.device, setup.seconds)
    how = {"precision": "bf16", "how": "plain", "batch": batch}
    return {"network": "filter plus EDSR", "work": "training", **how, "images_a_second": calls * batch}


def passes(setup: Setup, known: set[tuple]) -> list[dict]:
    "Yield what is measured of all passes, except what is known."
    peaks = {precision: peak(setup, precision) for precision in PRECISIONS}
    photos = SRDataset(sample_photos("test"), scale=2, crop=setup.crop)
    for name in NETWORKS:
        f = load_network(name).to(setup.device)
        for batch in setup.batches:
            y, _ = photos.batch([i % len(photos) for i in range(batch)], setup.device)
            for work, precision, how in choices(setup):
                key = name, work.__name__, precision, how, batch
                if key in known: continue
                row = dict(zip(KEY, key))
                try: row |= measure(setup, f, y, work, precision, how)
                except RuntimeError as error: row["error"] = f"{type(error).__name__}: {error}"[:200]
                share = row.get("images_a_second", 0) * operations(f, y, work) / peaks[precision]
                yield row | {"peak": peaks[precision], "peak_share": share}


def choices(setup: Setup) -> list[tuple[Callable, str, str]]:
    "List pairs of work and precision, in every way."
    pairs = [(work, precision) for work in (forward, gradient) for precision in PRECISIONS]
    return [(*pair, how) for how in setup.ways for pair in pairs]


def save(rows: list[dict], out: Path) -> None:
    with atomic(out) as draft: pd.DataFrame(rows).round(6).to_csv(draft, index=False)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="small numbers, for a rehearsal")
    given = parser.parse_args(words)
    setup = Setup(given.device, given.tiny)
    rows = pd.read_csv(given.out).to_dict("records") if given.out.is_file() else []
    known = {tuple(row[name] for name in KEY) for row in rows}
    start = time.perf_counter()
    if not any(row["work"] == "training" for row in rows):
        rows.append(training(setup))
        save(rows, given.out)
    for row in passes(setup, known):
        rows.append(row)
        save(rows, given.out)
    wait_for(setup.device)
    print(pd.DataFrame(rows).to_string(index=False))
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__": main()
