"""Write the shipped weights and their cards from finished training runs and the committed results.

    python tools/release/ship_weights.py               only the cards: figures, smoothing levels, checksums
    python tools/release/ship_weights.py RUNS DATA     first the weights, too

Weights are written for every folder of rs_sr/weights, maybe an empty one, whose name is that of a finished
run in RUNS (of rs_sr_train), NETWORK-xSCALE-METHOD for a network of the study, or unet-PROBLEM-METHOD for one
of the three problems. DATA has a val split.

Nothing on a card is typed. The smoothing level of a network that was trained for smoothing is the best
single level, by SSIM, on validation photographs: of data/results/x2_tuning.csv, of defences_tuning.csv or,
for a network of the study, of study_xS_tuning.csv. The first table has means over data/results/x2_test.csv
or study_xS.csv (test photographs, attack on f) or problem_P.csv (the ensemble), the second the lines of
data/results/leaderboard.csv.xz
that the network is part of. What was not measured is left out, so: ship, tune, cards, evaluate, cards.
"""
import json
import sys
from pathlib import Path

import pandas as pd

from rs_sr.data import PairDataset
from rs_sr.evaluation import best_sigma_g
from rs_sr.models import read_record
from rs_sr.study import problem_grid, read_defences, read_problems, read_results, study_grid, study_methods
from rs_sr.training import TrainConfig, export_weights, leaderboard_figures, operator_of, write_figures

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS, RESULTS = ROOT / "rs_sr" / "weights", ROOT / "data" / "results"
SMOOTHED = ("noise", "smooth-adversarial")  # methods whose networks are meant to be smoothed
# labels of the study by the name under which a network ships
LABELS = {f"{net}-x{scale}-{way}": f"x{scale}-{mark}{way}" for way in study_methods() for scale in (2, 4)
          for net, mark in (("unet", ""), ("edsr", "edsr-"))}
PROBLEM_LABELS = {f"unet-{label}": label for label in problem_grid()}  # the same for the three problems


def of_study(folder: Path) -> str:
    "Find the network of the study that shipped weights are, by the settings of their training; empty: none."
    label, config = LABELS.get(folder.name, ""), json.loads((folder / "training.json").read_text())["config"]
    settings = dict(study_grid().get(label, {}))
    settings.pop("validations", None)
    if "adversarial" not in config["method"]:
        settings = {name: value for name, value in settings.items() if not name.startswith("attack")}
    return label if settings and all(config.get(name) == value for name, value in settings.items()) else ""


def best_level(folder: Path, study: str) -> float:
    "Look up the level chosen on validation photographs; 0 for a network that is used without smoothing."
    record = read_record(folder)
    if record is None or record.method not in SMOOTHED: return 0.0
    lines = [d.name for d in read_defences(RESULTS / "defences.csv") if d.parts == [folder.name]]
    places = [("x2_tuning.csv", [folder.name]), ("defences_tuning.csv", lines),
              (f"study_x{record.scale}_tuning.csv", [study])]
    for file, names in places:
        tuning = read_results(RESULTS / file)
        best = {} if tuning is None else best_sigma_g(tuning)["all"]
        found = [float(best[name]) for name in names if name in best]
        if found: return found[0]
    return 0.0


def figures(test: pd.DataFrame | None, name: str, sigma_g: float) -> dict[str, float]:
    "Mean PSNR and SSIM of one network at three radii."
    out: dict[str, float] = {}
    if test is None: return out
    rows = test[(test.model == name) & (test.sigma_g == sigma_g) & test.eps_rel.isin([0, 0.02, 0.05])]
    for eps_rel, row in rows.groupby("eps_rel")[["psnr", "ssim"]].mean().iterrows():
        what = "clean" if eps_rel == 0 else f"PGD-10 on f, eps_rel {eps_rel:g}"
        out |= {f"PSNR (dB), {what}": round(float(row.psnr), 2), f"SSIM, {what}": round(float(row.ssim), 4)}
    return out


def problem_figures(label: str) -> dict[str, float]:
    "Mean PSNR of a network of the three problems, under the ensemble."
    problem, way = label.split("-", 1)
    rows = read_problems(RESULTS).get(problem)
    if rows is None: return {}
    rows = rows[(rows.model == way) & (rows.sigma_g == 0)]
    means = rows.groupby("eps_rel").psnr.mean()
    return {f"PSNR (dB), {f'ensemble, eps_rel {e:g}' if e else 'clean'}": round(float(v), 2)
            for e, v in means.items()}


def ship(runs: Path, data: Path) -> None:
    "Round and copy the weights of finished runs."
    for dest in sorted(WEIGHTS.iterdir()):
        known = [name for name in (dest.name, LABELS.get(dest.name), PROBLEM_LABELS.get(dest.name)) if name]
        names = [name for name in known if (runs / name / "training.json").is_file()]
        if not names: continue
        config = json.loads((runs / names[0] / "training.json").read_text())["config"]
        physics = operator_of(TrainConfig(**config))
        cost = export_weights(runs / names[0], dest, PairDataset(data, physics, split="val"))
        print(f"{dest.name}: rounding costs {cost:.5f} dB")


def write_cards() -> None:
    "Write the cards of all shipped weights."
    test, board = read_results(RESULTS / "x2_test.csv"), read_results(RESULTS / "leaderboard.csv")
    defences = read_results(RESULTS / "defences.csv")
    for folder in sorted(p.parent for p in WEIGHTS.glob("*/training.json")):
        study = of_study(folder)
        sigma_g = best_level(folder, study)
        lines = {} if board is None or defences is None else leaderboard_figures(folder.name, board, defences)
        measured = figures(test, folder.name, sigma_g)
        if folder.name in PROBLEM_LABELS: measured = problem_figures(PROBLEM_LABELS[folder.name])
        if study and not measured:
            rows = read_results(RESULTS / f"study_x{study_grid()[study]['scale']}.csv")
            measured = figures(rows, study, sigma_g)
        write_figures(folder, figures=measured, sigma_g=sigma_g, leaderboard=lines)
        board_lines = len(lines.get("rows", {}))
        found = f"{len(measured)} figures, {board_lines} lines of the leaderboard"
        print(f"{folder.name}: sigma_g {sigma_g:g}, {found}")


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3): sys.exit(__doc__)
    if len(sys.argv) == 3: ship(Path(sys.argv[1]), Path(sys.argv[2]))
    write_cards()
