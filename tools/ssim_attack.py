"""Attack the structural similarity of networks of the study, not their squared error.

    python tools/ssim_attack.py DATA RUNS SCALE [PHOTOGRAPHS]    writes data/results/ssim_attack_xSCALE.csv; goes on where it was interrupted

DATA holds photographs in the ImageNet-mini layout, RUNS the networks of `rs_sr_study train`. Networks trained on noise are smoothed at the
level that the study chose for all radii, the others are not. The attack is APGD on f with 1 - SSIM as its loss, for a smoothed network
followed by as many steps on g from there (4 draws a step); `steps` are those of one of them. Photographs: those of the first round (6).
"""
import sys
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from rs_sr.attacks import apgd
from rs_sr.physics import eps_from_rel
from rs_sr.data import SRDataset
from rs_sr.models import interpolations, record_columns
from rs_sr.metrics import mse, psnr, ssim
from rs_sr.attacks import ssim_loss
from rs_sr.evaluation import SCHEMA, smooth
from rs_sr.runtime import fingerprint
from rs_sr.runtime import Table
from rs_sr.evaluation import best_sigma_g
from rs_sr.attacks import smooth_pgd
from rs_sr.smoothing import SmoothedModel
from rs_sr.runtime import generator
from rs_sr.study import study_grid, study_models, subset

KINDS, EPS_RELS, STEPS, K, BATCH = ("noise0.2", "noise0.3", "adv0.05", "adv0.1", "edsr-ssim-proj-adv0.02"), (0.05, 0.1, 0.2), 40, 16, 6
OUT = Path(__file__).resolve().parent.parent / "data" / "results"


def attacked(model: nn.Module, y: torch.Tensor, x: torch.Tensor, eps_rel: float, sigma: float, test: SRDataset, seed: int) -> torch.Tensor:
    "Find measurements whose answers are least like the ground truth."
    loss, eps, rng = ssim_loss(test.normalization), eps_from_rel(eps_rel, y), generator(y.device, seed)
    worst = apgd(model, y, x, eps, steps=STEPS, loss=loss, start=y + 1e-3 * torch.randn(y.shape, generator=rng), generator=rng)
    return smooth_pgd(SmoothedModel(model, sigma, K), y, x, eps, k=4, steps=STEPS, start=worst, loss=loss, generator=rng) if sigma else worst


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5): sys.exit(__doc__)
    from tqdm.auto import tqdm
    scale = int(sys.argv[3])
    test, tuning = SRDataset(sys.argv[1], scale=scale, split="test"), OUT / f"study_x{scale}_tuning.csv.xz"
    if not tuning.is_file(): sys.exit(f"{OUT} lacks {tuning.name}: rs_sr_study evaluate and tools/publish_study.py make it")
    wanted, photographs = [n for n in (f"x{scale}-{kind}" for kind in KINDS) if n in study_grid()], subset(len(test), int(sys.argv[4]) if len(sys.argv) == 5 else 6)
    networks, levels = study_models(sys.argv[2], scale, wanted), best_sigma_g(pd.read_csv(tuning))["all"]
    done = pd.read_csv(OUT / f"ssim_attack_x{scale}.csv").model if (OUT / f"ssim_attack_x{scale}.csv").is_file() else ()
    if missing := set(wanted) - set(networks) - set(done): sys.exit(f"{sys.argv[2]} lacks {', '.join(sorted(missing))}: rs_sr_study train makes them")
    models = {"bilinear": interpolations(test)["bilinear"]} | networks
    weights = {n: fingerprint(m) for n, m in models.items()}
    about = {"dataset": f"{test.root.name}/test"}
    results = Table(OUT / f"ssim_attack_x{scale}.csv", SCHEMA, settings={"precision": "float32"}, about=about, weights=weights)
    work = [(n, r, photographs[i:i + BATCH]) for n in models for r in EPS_RELS for i in range(0, len(photographs), BATCH)]
    for name, eps_rel, part in tqdm(work, unit="batch"):
        sigma = float(levels[name]) if "-noise" in name else 0.0
        key = {"model": name, "scale": scale, "eps_rel": eps_rel, "attack": "ssim", "steps": STEPS, "sigma_g": sigma, "k": K if sigma else 0, "seed": 0}
        if {(r["model"], r["image"], r["scale"], r["eps_rel"]) for r in results.rows.values()} >= {(name, test.names[i], scale, eps_rel) for i in part}: continue
        y, x = test.batch(part)
        answer, target = smooth(models[name], attacked(models[name], y, x, eps_rel, sigma, test, part[0]), sigma, K, test, part), test.normalization.to_pixels(x, clamp=True)
        for i, *values in zip(part, mse(answer, target).tolist(), psnr(answer, target).tolist(), ssim(answer, target).tolist()):
            results.add(key | {"image": test.names[i], "weights": weights[name]} | record_columns(models[name]) | {m: round(v, 8 if m == "mse" else 6) for m, v in zip(("mse", "psnr", "ssim"), values)})
        results.save()
    results.close()
    print(results.frame().groupby(["model", "eps_rel"])[["psnr", "ssim"]].mean().round(3).unstack().to_string())
