"""Write the shipped weights and their cards from finished training runs and the committed results.

    python tools/ship_weights.py RUNS DATA     RUNS/<name>/ as written by rs_sr_train, DATA with a val split (ImageNet-mini layout)

The smoothing level on a noise-trained network's card is the best single level, by SSIM, of data/results/x2_tuning.csv (validation
photographs). The figures are means over data/results/x2_test.csv (test photographs, attack on f). Where a result file is missing,
the level is 0 and the card has no figures, so: ship, tune, ship, evaluate, ship.
"""
import sys
from pathlib import Path

import pandas as pd

from rs_sr.data import SRDataset
from rs_sr.evaluation import best_sigma_g
from rs_sr.release import export_weights

ROOT = Path(__file__).resolve().parent.parent
NAMES = ("unet-x2-standard", "unet-x2-noise0.1", "unet-x2-noise0.4", "unet-x2-adv0.02")


def read(name: str) -> pd.DataFrame | None:
    path = ROOT / "data" / "results" / name
    return pd.read_csv(path) if path.is_file() else None


def figures(test: pd.DataFrame, name: str, sigma_g: float) -> dict[str, float]:
    "Mean PSNR and SSIM of one network at three radii."
    rows = test[(test.model == name) & (test.sigma_g == sigma_g) & test.eps_rel.isin([0, 0.02, 0.05])]
    out = {}
    for eps_rel, row in rows.groupby("eps_rel")[["psnr", "ssim"]].mean().iterrows():
        what = "clean" if eps_rel == 0 else f"PGD-10 on f, eps_rel {eps_rel:g}"
        out |= {f"PSNR (dB), {what}": round(float(row.psnr), 2), f"SSIM, {what}": round(float(row.ssim), 4)}
    return out


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    runs, data = map(Path, sys.argv[1:])
    val, tuning, test = SRDataset(data, scale=2, split="val"), read("x2_tuning.csv"), read("x2_test.csv")
    best = {} if tuning is None else best_sigma_g(tuning)["all"]
    for name in NAMES:
        sigma_g = float(best.get(name, 0.0)) if "noise" in name else 0.0
        cost = export_weights(runs / name, ROOT / "rs_sr" / "weights" / name, val, {} if test is None else figures(test, name, sigma_g), sigma_g)
        print(f"{name}: sigma_g {sigma_g:g}, rounding costs {cost:.5f} dB")
