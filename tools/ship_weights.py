"""Write the shipped weights and their cards from finished training runs and the committed results.

    python tools/ship_weights.py               only the cards: figures, smoothing levels and checksums of what is shipped
    python tools/ship_weights.py RUNS DATA     first the weights too: RUNS/<name>/ as written by rs_sr_train, for every name that is a
                                               folder of rs_sr/weights already, maybe an empty one; DATA has a val split

Nothing on a card is typed. The smoothing level of a network that was trained for smoothing is the best single level, by SSIM, of
data/results/x2_tuning.csv or defences_tuning.csv (validation photographs). The first table has means over data/results/x2_test.csv
(test photographs, attack on f), the second the lines of data/results/leaderboard.csv that the network is part of. What was not
measured is left out, so: ship, tune, cards, evaluate, cards.
"""
import sys
from pathlib import Path

import pandas as pd

from rs_sr.data import SRDataset
from rs_sr.release import export_weights, leaderboard_figures, write_figures
from rs_sr.selection import best_sigma_g

ROOT = Path(__file__).resolve().parent.parent
WEIGHTS, RESULTS = ROOT / "rs_sr" / "weights", ROOT / "data" / "results"


def read(name: str) -> pd.DataFrame | None:
    return pd.read_csv(RESULTS / name) if (RESULTS / name).is_file() else None


def best_level(name: str, defences: pd.DataFrame | None) -> float:
    "Look up the level chosen on validation photographs; 0 for a network that is used without smoothing."
    if not any(method in name for method in ("unet-x2-noise", "unet-x2-mixed", "smoothadv")):
        return 0.0
    lines = [] if defences is None else list(defences[defences.layers == name].name)
    for tuning in (read("x2_tuning.csv"), read("defences_tuning.csv")):
        best = {} if tuning is None else best_sigma_g(tuning)["all"]
        for key in (name, *lines):
            if key in best:
                return float(best[key])
    return 0.0


def figures(test: pd.DataFrame | None, name: str, sigma_g: float) -> dict[str, float]:
    "Mean PSNR and SSIM of one network at three radii."
    out = {}
    if test is None:
        return out
    rows = test[(test.model == name) & (test.sigma_g == sigma_g) & test.eps_rel.isin([0, 0.02, 0.05])]
    for eps_rel, row in rows.groupby("eps_rel")[["psnr", "ssim"]].mean().iterrows():
        what = "clean" if eps_rel == 0 else f"PGD-10 on f, eps_rel {eps_rel:g}"
        out |= {f"PSNR (dB), {what}": round(float(row.psnr), 2), f"SSIM, {what}": round(float(row.ssim), 4)}
    return out


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    if len(sys.argv) == 3:
        runs, data = map(Path, sys.argv[1:])
        val = SRDataset(data, scale=2, split="val")
        for dest in sorted(p for p in WEIGHTS.iterdir() if (runs / p.name / "training.json").is_file()):
            print(f"{dest.name}: rounding costs {export_weights(runs / dest.name, dest, val):.5f} dB")
    test, board, defences = read("x2_test.csv"), read("leaderboard.csv"), read("defences.csv")
    for folder in sorted(p.parent for p in WEIGHTS.glob("*/training.json")):
        sigma_g = best_level(folder.name, defences)
        lines = {} if board is None or defences is None else leaderboard_figures(folder.name, board, defences)
        measured = figures(test, folder.name, sigma_g)
        write_figures(folder, figures=measured, sigma_g=sigma_g, leaderboard=lines)
        print(f"{folder.name}: sigma_g {sigma_g:g}, {len(measured)} figures, {len(lines.get('rows', {}))} lines of the leaderboard")
