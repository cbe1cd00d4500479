"""Train a Lipschitz network on a filter by its own certificate, and compare it with filters alone.

    python tools/lipschitz.py train DATA RUNS      a network, in RUNS
    python tools/lipschitz.py measure DATA RUNS    writes data/results/lipschitz.csv and .json

DATA holds photographs in the ImageNet-mini layout. The second step resumes. The loss is the bound in dB,
relative to the exact worst case of the filter alone, at the smallest radius. The constant is held for the
first half of the steps, so that the network can learn what to do before it is charged for how much. At other
radii the same network stands on the filter of that radius. Rows on test have what every other constant would
be worth: mean squares, in pixels, of the filter's worst error in its range, of what it misses outside, of
what the network adds there, and the mean of the product of the last two.
"""
import json
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from rs_sr.attacks import attack_ensemble
from rs_sr.certificates import ErrorParts, certify_linear, certify_lipschitz, error_parts
from rs_sr.data import SRDataset
from rs_sr.metrics import psnr
from rs_sr.models import Defence, LipschitzNet, LipschitzOnFilter
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table, atomic, progress, provenance
from rs_sr.study import subset

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
FILTERS = {0.01: 0.02, 0.02: 0.02, 0.05: 0.05}  # by radius: the shipped filter with the best worst case
CHANNELS, DEPTH, SEED = 16, 3, 0
PHOTOS, CROP, BATCH, STEPS, RATE = 300, 96, 4, 1000, 5e-3
TEST, HIT, PASSES = 20, 1, 120  # photographs to certify and to attack, passes of the attack
FIGURES = ["filter", "certified", "clean_filter", "clean", "attacked"]  # dB
FIGURES += ["filtered", "missing", "product", "added"]  # mean squares
COLUMNS = Schema({"eps_rel": float, "image": str, **dict.fromkeys(FIGURES, float)}, ["eps_rel", "image"])


def built(radius: float) -> LipschitzOnFilter:
    "Take the filter of a radius, and a network with isometries for layers."
    shipped: Any = Defence.from_pretrained(f"sr-x2-robust-{FILTERS[radius]:g}")
    torch.manual_seed(SEED)
    return LipschitzOnFilter(shipped.second, LipschitzNet(2, CHANNELS, DEPTH))


def gain(parts: ErrorParts, charge: torch.Tensor) -> torch.Tensor:
    "Compare the bound with the exact worst case of the filter alone, dB, for each photograph."
    return 10 * torch.log10(parts.alone / parts.squared(charge))


def rates(step: int) -> tuple[float, float]:
    "Learning rates of the layers and of the constant: both fall, the second starts half-way."
    rate = RATE * max(1 - step / STEPS, 0.02)
    return rate, rate if step >= STEPS // 2 else 0.0


def train(data: Path, runs: Path) -> None:
    "Train, in minutes."
    model = built(min(FILTERS))
    network = model.network
    groups: Any = [{"params": network.layers.parameters()}, {"params": [network.log_constant]}]
    search = torch.optim.Adam(groups)
    photos = SRDataset(data, scale=2, crop=CROP, split="train")
    y, x = photos.batch(subset(len(photos), PHOTOS))
    eps = eps_from_rel(min(FILTERS), y)
    with torch.no_grad(): fixed = error_parts(model, y, x, eps)
    for step in progress(range(STEPS), desc="training"):
        for group, rate in zip(search.param_groups, rates(step), strict=True): group["lr"] = rate
        at = torch.randperm(len(y), generator=torch.Generator().manual_seed(SEED + step))[:BATCH]
        parts = ErrorParts(fixed.filtered[at], fixed.missing[at], model.added(y[at]))
        loss = -gain(parts, network.constant * eps).mean()
        search.zero_grad()
        loss.backward()
        search.step()
    runs.mkdir(parents=True, exist_ok=True)
    with atomic(runs / "network.safetensors") as draft: save_file(network.state_dict(), draft)


def trained(radius: float, runs: Path) -> LipschitzOnFilter:
    "Load the network, on the filter of a radius."
    model = built(radius).eval()
    model.network.load_state_dict(load_file(runs / "network.safetensors"))
    return model


def row_of(model: LipschitzOnFilter, y: torch.Tensor, x: torch.Tensor, radius: float, hit: bool) -> dict:
    "Certify one photograph, and attack it."
    eps, units = eps_from_rel(radius, y), model.normalization
    z = attack_ensemble(model, y, x, eps, passes=PASSES).y if hit else None
    def quality(f, z):
        return float(psnr(units.to_pixels(f(z), clamp=True), units.to_pixels(x, clamp=True)))
    with torch.no_grad():
        parts = error_parts(model, y, x, eps)
        added = parts.added
        figures = [certify_linear(model.linear, y, x, [eps])[0].value,
                 certify_lipschitz(model, y, x, [eps])[0].value, quality(model.linear, y), quality(model, y),
                 float("nan") if z is None else quality(model, z), float(parts.filtered) / x.numel(),
                 *(float(p.mean()) for p in (parts.missing.square(), parts.missing * added, added.square()))]
    return {name: float(f"{value:.6g}") for name, value in zip(FIGURES, figures, strict=True)}


def measure(data: Path, runs: Path) -> None:
    "Write the table."
    test = SRDataset(data, scale=2, crop=160, split="test")
    models = {radius: trained(radius, runs) for radius in FILTERS}
    with Table(RESULTS / "lipschitz.csv", COLUMNS) as table:
        for number, i in enumerate(subset(len(test), TEST)):
            y, x = test.batch([i])
            for radius, model in models.items():
                if (radius, test.names[i]) in table.pieces("eps_rel", "image"): continue
                row = row_of(model, y, x, radius, hit=number < HIT)
                table.add({"eps_rel": radius, "image": test.names[i], **row})
            table.save()
    constant = models[min(FILTERS)].network.constant.item()
    about = {"constant": float(f"{constant:.5g}"),
             "filters": {f"{r:g}": f for r, f in FILTERS.items()}, "channels": CHANNELS, "depth": DEPTH,
             "photographs": PHOTOS, "crop": CROP, "batch_size": BATCH, "steps": STEPS,
             "images": TEST, "attacked": HIT, "passes": PASSES, "seed": SEED, **provenance("cpu")}
    (RESULTS / "lipschitz.json").write_text(json.dumps(about, indent=1) + "\n")


def main(step: str, data: Path, runs: Path) -> None:
    return measure(data, runs) if step == "measure" else train(data, runs)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("train", "measure"): sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
