"""Write the shipped weights and their cards from finished training runs and the committed results.

    python tools/ship_weights.py               only the cards: figures, smoothing levels and checksums of what is shipped
    python tools/ship_weights.py RUNS DATA     first the weights too, for every folder of rs_sr/weights, maybe an empty one, whose name,
                                               with or without "unet-", or with "edsr-xS-" for "xS-edsr-", is that of a finished
                                               run in RUNS (of rs_sr_train or rs_sr_study); DATA has a val split

Nothing on a card is typed. The smoothing level of a network that was trained for smoothing is the best single level, by SSIM, on
validation photographs: of data/results/x2_tuning.csv, of defences_tuning.csv or, for a network of the study, of
study_xS_tuning.csv. The first table has means over data/results/x2_test.csv or study_xS.csv (test photographs, attack on f), the
second the lines of data/results/leaderboard.csv.gz that the network is part of. What was not measured is left out, so: ship, tune,
cards, evaluate, cards.
"""
import json
import re
import sys
from pathlib import Path

import pandas as pd

from rs_sr.data import SRDataset
from rs_sr.training import export_weights, leaderboard_figures, write_figures
from rs_sr.evaluation import best_sigma_g
from rs_sr.study import study_grid

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, RESULTS = ROOT / "rs_sr" / "weights", ROOT / "data" / "results"


def read(name: str) -> pd.DataFrame | None:
    "Read a result file, compressed or not."
    return next((pd.read_csv(file) for file in (RESULTS / name, RESULTS / f"{name}.gz", RESULTS / f"{name}.xz") if file.is_file()), None)


def run_of(name: str) -> str:
    "Name the run that shipped weights come from, if it is one of the study."
    return re.sub(r"^edsr-(x\d)-", r"\1-edsr-", name.removeprefix("unet-"))


def of_study(folder: Path) -> str:
    "Name the network of the study that shipped weights are, by the settings that they were trained with; empty: none."
    name, config = run_of(folder.name), json.loads((folder / "training.json").read_text())["config"]
    counts = lambda k: k != "validations" and ("adversarial" in config["method"] or not k.startswith("attack"))
    return name if name in study_grid() and all(config.get(k) == v for k, v in study_grid()[name].items() if counts(k)) else ""


def best_level(name: str, defences: pd.DataFrame | None, study: str) -> float:
    "Look up the level chosen on validation photographs; 0 for a network that is used without smoothing."
    if not any(method in name for method in ("-noise", "-mixed", "smoothadv")):
        return 0.0
    lines = [] if defences is None else list(defences[defences.layers == name].name)
    for tuning in (read("x2_tuning.csv"), read("defences_tuning.csv")):
        best = {} if tuning is None else best_sigma_g(tuning)["all"]
        for key in (name, *lines):
            if key in best:
                return float(best[key])
    tuning = read(f"study_{study.split('-')[0]}_tuning.csv") if study else None
    return 0.0 if tuning is None or study not in set(tuning.model) else float(best_sigma_g(tuning)["all"][study])


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
        for dest in sorted(WEIGHTS.iterdir()):
            found = [runs / n for n in (dest.name, run_of(dest.name)) if (runs / n / "training.json").is_file()]
            if found:
                scale = json.loads((found[0] / "training.json").read_text())["config"]["scale"]
                print(f"{dest.name}: rounding costs {export_weights(found[0], dest, SRDataset(data, scale=scale, split='val')):.5f} dB")
    test, board, defences = read("x2_test.csv"), read("leaderboard.csv"), read("defences.csv")
    for folder in sorted(p.parent for p in WEIGHTS.glob("*/training.json")):
        study = of_study(folder)
        sigma_g = best_level(folder.name, defences, study)
        lines = {} if board is None or defences is None else leaderboard_figures(folder.name, board, defences)
        measured = figures(test, folder.name, sigma_g) or (figures(read(f"study_{study.split('-')[0]}.csv"), study, sigma_g) if study else {})
        write_figures(folder, figures=measured, sigma_g=sigma_g, leaderboard=lines)
        print(f"{folder.name}: sigma_g {sigma_g:g}, {len(measured)} figures, {len(lines.get('rows', {}))} lines of the leaderboard")
