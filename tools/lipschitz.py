"""Train a Lipschitz network on a filter for its certificate, and compare it with the filter alone.

    python tools/lipschitz.py train DATA RUNS      a network with constant 1, in RUNS
    python tools/lipschitz.py measure DATA RUNS    writes data/results/lipschitz.csv.xz and .json

DATA holds photographs in the ImageNet-mini layout. A small part of a network pays
if its product with the unit vector of what the filter misses exceeds the radius; so that product is what is
trained, and no radius and no constant is needed. The constant of each radius is chosen afterwards, on val,
from a grid that has 0; the network stands on the shipped filter with the best worst case at that radius. Rows
on test have what every other constant would be worth: mean squares, in pixels, of the filter's worst error in
its range, of what it misses outside, of what the network of constant 1 adds there, and the mean of the
product of the last two.
"""
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rs_sr.attacks import attack_ensemble
from rs_sr.certificates import certify_linear, certify_lipschitz, error_parts
from rs_sr.data import SRDataset
from rs_sr.metrics import psnr
from rs_sr.models import Defence, LipschitzNet, LipschitzOnFilter
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import atomic, progress, provenance
from rs_sr.study import subset

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
FILTERS = {0.001: 0.02, 0.002: 0.02, 0.005: 0.02, 0.01: 0.02, 0.02: 0.02, 0.05: 0.05}  # shipped, by radius
CONSTANTS = [0.0, *(2.0**(power / 2) for power in range(-24, 3))]  # pixels for each model unit
CHANNELS, DEPTH, SEED = 32, 3, 0
PHOTOS, CROP, BATCH, STEPS, RATE = 600, 96, 8, 3000, 1e-2
VAL, TEST, HIT, PASSES = 24, 40, 2, 120  # photographs to choose, certify and attack on; passes of the attack
FIGURES = ["filter", "certified", "clean_filter", "clean", "attacked"]  # dB
FIGURES += ["filtered", "missing", "product", "added"]  # mean squares, the last two for a constant of 1


def built(radius: float, constant: float = 1.0) -> LipschitzOnFilter:
    "Take the filter of a radius, and a network with isometries for layers."
    shipped: Any = Defence.from_pretrained(f"sr-x2-robust-{FILTERS[radius]:g}")
    torch.manual_seed(SEED)
    model = LipschitzOnFilter(shipped.second, LipschitzNet(2, CHANNELS, DEPTH))
    model.network.log_constant.data.fill_(constant).log_()
    return model


def train(data: Path, runs: Path) -> None:
    "Train, in minutes."
    model, photos = built(min(FILTERS)), SRDataset(data, scale=2, crop=CROP, split="train")
    search = torch.optim.Adam(model.network.layers.parameters())
    y, x = photos.batch(subset(len(photos), PHOTOS))
    with torch.no_grad(): missing = error_parts(model, y, x, 0.0).missing
    aims = missing / missing.flatten(1).norm(dim=1)[:, None, None, None]
    for step in progress(range(STEPS), desc="training", unit="step"):
        search.param_groups[0]["lr"] = RATE * max(1 - step / STEPS, 0.02)
        at = torch.randperm(len(y), generator=torch.Generator().manual_seed(SEED + step))[:BATCH]
        loss = -(aims[at] * model.added(y[at])).sum() / BATCH
        search.zero_grad()
        loss.backward()
        search.step()
    runs.mkdir(parents=True, exist_ok=True)
    with atomic(runs / "network.safetensors") as draft: save_file(model.network.layers.state_dict(), draft)


def trained(radius: float, runs: Path, constant: float = 1.0) -> LipschitzOnFilter:
    "Load the network, on the filter of a radius."
    model = built(radius, constant).eval()
    model.network.layers.load_state_dict(load_file(runs / "network.safetensors"))
    return model


def bounds(model: LipschitzOnFilter, y: Tensor, x: Tensor, radius: float) -> Tensor:
    "Compare certificates with the exact worst case of the filter alone: dB for each of `CONSTANTS`."
    eps = eps_from_rel(radius, y)
    with torch.no_grad(): parts = error_parts(model, y, x, eps)
    found = [parts._replace(added=s * parts.added).squared(torch.tensor(s * eps)) for s in CONSTANTS]
    return 10 * torch.log10(parts.alone / torch.stack(found))[:, 0]


def chosen(data: Path, runs: Path) -> dict[float, float]:
    "Choose the constant of each radius."
    val = SRDataset(data, scale=2, crop=160, split="val")
    models = {radius: trained(radius, runs) for radius in FILTERS}
    pairs = [val.batch([i]) for i in subset(len(val), VAL)]
    means = {radius: torch.stack([bounds(model, *pair, radius) for pair in pairs]).mean(0)
             for radius, model in models.items()}
    return {radius: CONSTANTS[int(mean.argmax())] for radius, mean in means.items()}


def row_of(model: LipschitzOnFilter, y: Tensor, x: Tensor, radius: float, hit: bool) -> dict:
    "Certify one photograph, and attack it."
    eps, units = eps_from_rel(radius, y), model.normalization
    z = attack_ensemble(model, y, x, eps, passes=PASSES).y if hit else None
    def quality(f, z):
        return float(psnr(units.to_pixels(f(z), clamp=True), units.to_pixels(x, clamp=True)))
    with torch.no_grad():
        figures = [certify_linear(model.linear, y, x, [eps])[0].value,
                   certify_lipschitz(model, y, x, [eps])[0].value, quality(model.linear, y),
                   quality(model, y), float("nan") if z is None else quality(model, z)]
        model.network.log_constant.zero_()
        parts = error_parts(model, y, x, eps)
        figures += [float(parts.filtered) / x.numel()]
        figures += [float((a * b).mean()) for a, b in ((parts.missing, parts.missing),
                                                       (parts.missing, parts.added),
                                                       (parts.added, parts.added))]
    return {name: float(f"{value:.7g}") for name, value in zip(FIGURES, figures, strict=True)}


def measure(data: Path, runs: Path) -> None:
    "Write the table, in a minute."
    test, constants = SRDataset(data, scale=2, crop=160, split="test"), chosen(data, runs)
    rows = []
    for number, i in enumerate(progress(subset(len(test), TEST), desc="certifying", unit="photo")):
        y, x = test.batch([i])
        for radius, constant in constants.items():
            model, hit = trained(radius, runs, constant), number < HIT and constant > 0
            rows.append({"eps_rel": radius, "image": test.names[i], **row_of(model, y, x, radius, hit)})
    with atomic(RESULTS / "lipschitz.csv.xz") as draft:
        pd.DataFrame(rows).to_csv(draft, index=False, compression="xz")
    about = {"constants": {f"{r:g}": float(f"{s:.5g}") for r, s in constants.items()},
             "filters": {f"{r:g}": f for r, f in FILTERS.items()}, "channels": CHANNELS, "depth": DEPTH,
             "photographs": PHOTOS, "crop": CROP, "batch_size": BATCH, "steps": STEPS, "chosen on": VAL,
             "images": TEST, "attacked": HIT, "passes": PASSES, "seed": SEED, **provenance("cpu")}
    (RESULTS / "lipschitz.json").write_text(json.dumps(about, indent=1) + "\n")


def main(step: str, data: Path, runs: Path) -> None:
    return measure(data, runs) if step == "measure" else train(data, runs)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("train", "measure"): sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
