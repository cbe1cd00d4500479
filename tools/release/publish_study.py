"""Copy what is finished of a study's evaluation to data/results, small enough to commit.

    python tools/publish_study.py FROM [ROUND ...]    FROM: folder of `rs_sr_study evaluate --out FROM`; ROUND: photographs of a round, 6 and 20 unless told

An evaluation that is under way, or was interrupted, holds networks with a part of their rows. Copied are networks whose levels are chosen
and which have all rows under PGD-10 that the tables ask for; under the ensemble, those with all rows of a round, and only that round's
photographs. Rows without an attack on all photographs, where there are any, come with them. Tables are compressed, and pieces of one run (same command, commit and machine) become one entry of its origin.
"""
import json
import lzma
import shutil
import sys
from pathlib import Path

import pandas as pd

from rs_sr.runtime import atomic
from rs_sr.evaluation import best_sigma_g
from rs_sr.study import RADII, study_grid, subset

OUT = Path(__file__).resolve().parents[2] / "data" / "results"
PHOTOGRAPHS = 99  # of the test split
PIECES = ("id", "date", "until", "seconds", "new rows")  # what differs between pieces of a run


def images_of(rows: pd.DataFrame) -> dict[tuple[float, float], set[str]]:
    "Photographs by level and radius."
    return {setting: set(some) for setting, some in rows.groupby(["sigma_g", "eps_rel"]).image}


def finished(pgd: pd.DataFrame, tuning: pd.DataFrame) -> dict[str, float]:
    "Level for all radii of each network whose choice and PGD-10 rows are complete."
    levels, everyone, choosers = {}, set(pgd.image), set(tuning.image)
    for name, rows in tuning.groupby("model", sort=False):
        if any(set(rows[rows.eps_rel == r].image) != choosers for r in (0.0, *RADII)): continue
        best, there = best_sigma_g(rows).loc[name], images_of(pgd[pgd.model == name])
        if all(there.get((level, r)) == everyone for r in (0.0, *RADII) for level in (0.0, best["all"], best[r])): levels[name] = best["all"]
    return levels


def rounds_of(strong: pd.DataFrame, levels: dict[str, float], everyone: list[str], rounds: list[int]) -> pd.DataFrame:
    "Rows of the largest round that each network has finished."
    name_of, kept = dict(zip(subset(PHOTOGRAPHS, len(everyone)), everyone)), []
    chosen = [{name_of[i] for i in subset(PHOTOGRAPHS, n)} for n in rounds]
    for name, level in levels.items():
        rows = strong[(strong.model == name) & strong.sigma_g.isin({0.0, level})]
        there = images_of(rows)
        done = [some for some in chosen if all(some <= there.get((s, r), set()) for s in {0.0, level} for r in RADII)]
        if done: kept.append(rows[rows.image.isin(max(done, key=len))])
    return pd.concat(kept)


def origin(text: str) -> str:
    "One entry for the pieces of a run."
    merged: dict[str, dict] = {}
    whole = json.loads(text)
    for run in whole["runs"]:
        entry = merged.setdefault(json.dumps({k: v for k, v in run.items() if k not in PIECES}, sort_keys=True), run)
        if entry is run: continue
        entry |= {"until": run.get("until", run["date"]), "seconds": round(entry["seconds"] + run["seconds"], 1), "new rows": entry["new rows"] + run["new rows"]}
    return json.dumps({**whole, "runs": list(merged.values())}, indent=1) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 2: sys.exit(__doc__)
    source, rounds = Path(sys.argv[1]), [int(n) for n in sys.argv[2:] or (6, 20)]
    for scale in sorted({settings["scale"] for settings in study_grid().values()}):
        files = {w: source / f"study_x{scale}{w}.csv" for w in ("", "_tuning", "_strong")}
        if missing := [f.name for f in files.values() if not f.is_file()]: sys.exit(f"{source} lacks {', '.join(missing)}: rs_sr_study evaluate --out {source} makes them")
        pgd, tuning, strong = map(pd.read_csv, files.values())
        levels = finished(pgd, tuning)
        if waiting := [n for n in dict.fromkeys(tuning.model) if n not in levels]: print(f"scale {scale}: not finished, left out: {', '.join(waiting)}")
        linear = ~pgd.model.str.startswith(f"x{scale}-")
        kept = {"": pgd[linear | pgd.model.isin(levels)], "_tuning": tuning[tuning.model.isin(levels)], "_strong": rounds_of(strong, levels, sorted(set(pgd.image)), rounds)}
        if (clean := source / f"study_x{scale}_clean.csv").is_file():
            files["_clean"], rows = clean, pd.read_csv(clean)
            kept["_clean"] = rows[~rows.model.str.startswith(f"x{scale}-") | rows.model.str.removesuffix("+symmetry").isin(levels)]
        for what, rows in kept.items():
            with atomic(OUT / f"{files[what].name}.xz") as draft: draft.write_bytes(lzma.compress(rows.to_csv(index=False).encode(), preset=9 | lzma.PRESET_EXTREME))
            with atomic(OUT / f"{files[what].stem}.json") as draft: draft.write_text(origin(files[what].with_suffix(".json").read_text()))
        for blend in source.glob(f"blend_x{scale}-*.json"): shutil.copy(blend, OUT)
        sizes = kept["_strong"].groupby("model").image.nunique()
        print(f"scale {scale}: {len(levels)} networks and defences, under the ensemble " + ", ".join(f"{(sizes == n).sum()} on {n} photographs" for n in sorted(set(sizes))))
