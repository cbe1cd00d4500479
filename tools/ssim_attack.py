"""Attack the structural similarity of networks of the study, not their squared error.

    python tools/ssim_attack.py DATA RUNS SCALE [PHOTOGRAPHS]

writes data/results/ssim_attack_xSCALE.csv (committed packed by xz; unpack to resume).

DATA holds photographs in the ImageNet-mini layout, RUNS the networks of `rs_sr_study train`. Networks
trained on noise are smoothed at the level that the study chose for all radii, the others are not. The
attack is APGD on f with 1 - SSIM as its loss, for a smoothed network followed by as many steps on g from
there (4 draws a step); `steps` are those of one of them. Photographs: those of the first round (6).
"""
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from rs_sr.attacks import apgd, smooth_pgd, ssim_loss
from rs_sr.data import SRDataset
from rs_sr.evaluation import SCHEMA, best_sigma_g, smooth
from rs_sr.metrics import mse, psnr, ssim
from rs_sr.models import interpolations, record_columns, record_of
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Table, fingerprint, generator, progress
from rs_sr.smoothing import SmoothedModel
from rs_sr.study import study_grid, study_models, subset

METHODS = ("noise0.2", "noise0.3", "adv0.05", "adv0.1", "edsr-ssim-proj-adv0.02")  # ends of labels
EPS_REL, STEPS = (0.05, 0.1, 0.2), 40
K, BATCH = 16, 6
OUT = Path(__file__).resolve().parents[1] / "data" / "results"


def attacked(
    model: nn.Module, y: Tensor, x: Tensor, eps: float, sigma_g: float, test: SRDataset, seed: int,
) -> Tensor:
    "Find measurements whose reconstructions are least like the ground truth."
    loss, draws = ssim_loss(test.normalization), generator(y.device, seed)
    start = y + 1e-3 * torch.randn(y.shape, generator=draws)
    worst = apgd(model, y, x, eps, steps=STEPS, loss=loss, start=start, generator=draws)
    if not sigma_g: return worst
    g = SmoothedModel(model, sigma_g, K)
    return smooth_pgd(g, y, x, eps, k=4, steps=STEPS, start=worst, loss=loss, generator=draws)


def networks(runs: str, scale: int, done: set[str]) -> dict[str, nn.Module]:
    "Load the networks; those whose rows are there may be missing."
    wanted = [label for label in (f"x{scale}-{end}" for end in METHODS) if label in study_grid()]
    found = study_models(runs, scale, wanted)
    if missing := set(wanted) - set(found) - done:
        sys.exit(f"{runs} lacks {', '.join(sorted(missing))}: rs_sr_study train makes them")
    return found


def measured(
    model: nn.Module, test: SRDataset, part: list[int], eps_rel: float, sigma_g: float,
) -> list[dict]:
    "Attack a batch and measure it, image by image."
    y, x = test.batch(part)
    z = attacked(model, y, x, eps_from_rel(eps_rel, y), sigma_g, test, part[0])
    got, target = smooth(model, z, sigma_g, K, test, part), test.normalization.to_pixels(x, clamp=True)
    values = {m.__name__: m(got, target).tolist() for m in (mse, psnr, ssim)}
    rows = []
    for n, i in enumerate(part):
        scores = {m: round(v[n], 8 if m == "mse" else 6) for m, v in values.items()}
        rows.append({"image": test.names[i], "photo": test.fingerprint(i)} | scores)
    return rows


def chosen_levels(scale: int) -> pd.Series:
    "Read the smoothing levels that the study chose for all radii."
    tuning = OUT / f"study_x{scale}_tuning.csv.xz"
    if not tuning.is_file():
        made = "rs_sr_study evaluate and tools/release/publish_study.py make it"
        sys.exit(f"{OUT} lacks {tuning.name}: {made}")
    return best_sigma_g(pd.read_csv(tuning))["all"]


def main() -> None:
    "Attack what is missing, and print the means."
    if len(sys.argv) not in (4, 5): sys.exit(__doc__)
    scale, out = int(sys.argv[3]), OUT / f"ssim_attack_x{sys.argv[3]}.csv"
    test, levels = SRDataset(sys.argv[1], scale=scale, split="test"), chosen_levels(scale)
    done = set(pd.read_csv(out).model) if out.is_file() else set()
    models = {"bilinear": interpolations(test)["bilinear"]} | networks(sys.argv[2], scale, done)
    images = subset(len(test), int(sys.argv[4]) if len(sys.argv) == 5 else 6)
    parts = [images[i:i + BATCH] for i in range(0, len(images), BATCH)]
    work = [(name, r, part) for name in models for r in EPS_REL for part in parts]
    weights = {name: fingerprint(model) for name, model in models.items()}
    about = {"dataset": f"{test.root.name}/test"}
    with Table(out, SCHEMA, settings={"precision": "float32"}, about=about, weights=weights) as table:
        for name, eps_rel, part in progress(work, desc="attacking", unit="batch"):
            wanted = {(name, test.names[i], eps_rel) for i in part}
            if wanted <= table.pieces("model", "image", "eps_rel"): continue
            sigma_g = float(levels[name]) if record_of(models[name]).method == "noise" else 0.0
            key = {"model": name, "scale": scale, "eps_rel": eps_rel, "attack": "ssim", "steps": STEPS,
                   "sigma_g": sigma_g, "k": K if sigma_g else 0, "seed": 0, "weights": weights[name]}
            rows = measured(models[name], test, part, eps_rel, sigma_g)
            table.add(*(key | record_columns(models[name]) | row for row in rows))
            table.save()
    means = table.frame().groupby(["model", "eps_rel"])[["psnr", "ssim"]].mean()
    print(means.round(3).unstack().to_string())


if __name__ == "__main__": main()
