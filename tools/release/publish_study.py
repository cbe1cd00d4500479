"""Copy what is finished of a study's evaluation to data/results, small enough to commit.

    python tools/release/publish_study.py FROM [ROUND ...]

FROM is the folder of `rs_sr_study evaluate --out FROM`; ROUND are the photographs of a round, 6 and 20
unless told.

An evaluation that is under way, or was interrupted, holds networks with a part of their rows. Copied are
networks whose levels are chosen and which have all rows under PGD-10 that the tables ask for; under the
ensemble, those with all rows of a round, and only that round's photographs. Rows without an attack on all
photographs, where there are any, come with them. Tables are compressed, and pieces of one run (same
command, commit and machine) become one entry of its origin.
"""
import json
import lzma
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from rs_sr.evaluation import best_sigma_g
from rs_sr.runtime import atomic
from rs_sr.study import RADII, read_results, study_files, subset

OUT = Path(__file__).resolve().parents[2] / "data" / "results"
PHOTOGRAPHS = 99  # of the test split
PIECES = ("id", "date", "until", "seconds", "new rows")  # what differs between pieces of a run


def images_of(rows: pd.DataFrame) -> dict[tuple[float, float], set[str]]:
    "Photographs by level and radius."
    return {setting: set(some) for setting, some in rows.groupby(["sigma_g", "eps_rel"]).image}


def finished(pgd: pd.DataFrame, tuning: pd.DataFrame) -> dict[str, float]:
    "Level for all radii of each network whose choice and PGD-10 rows are complete."
    everyone, choosers = set(pgd.image), set(tuning.image)
    radii = (0.0, *RADII)
    levels = {}
    for name, rows in tuning.groupby("model", sort=False):
        if any(set(rows[rows.eps_rel == r].image) != choosers for r in radii): continue
        best, there = best_sigma_g(rows).loc[name], images_of(pgd[pgd.model == name])
        wanted = {(level, r) for r in radii for level in (0.0, best["all"], best[r])}
        if all(there.get(setting) == everyone for setting in wanted): levels[name] = best["all"]
    return levels


def rounds_of(
    strong: pd.DataFrame, levels: dict[str, float], everyone: list[str], rounds: list[int],
) -> pd.DataFrame:
    "Rows of the largest round that each network has finished."
    name_of = dict(zip(subset(PHOTOGRAPHS, len(everyone)), everyone))
    chosen = [{name_of[i] for i in subset(PHOTOGRAPHS, n)} for n in rounds]
    kept = []
    for name, level in levels.items():
        rows = strong[(strong.model == name) & strong.sigma_g.isin({0.0, level})]
        there = images_of(rows)
        settings = [(s, r) for s in {0.0, level} for r in RADII]
        done = [some for some in chosen if all(some <= there.get(setting, set()) for setting in settings)]
        if done: kept.append(rows[rows.image.isin(max(done, key=len))])
    return pd.concat(kept)


def origin(text: str) -> str:
    "One entry for the pieces of a run."
    told: dict[str, Any] = json.loads(text)
    merged: dict[str, dict] = {}
    for run in told["runs"]:
        same = json.dumps({k: v for k, v in run.items() if k not in PIECES}, sort_keys=True)
        entry = merged.setdefault(same, run)
        if entry is run: continue
        entry["until"] = run.get("until", run["date"])
        entry["seconds"] = round(entry["seconds"] + run["seconds"], 1)
        entry["new rows"] += run["new rows"]
    return json.dumps(told | {"runs": list(merged.values())}, indent=1) + "\n"


def write(rows: pd.DataFrame, source: Path) -> None:
    "Write one table, compressed, with its origin."
    packed = lzma.compress(rows.to_csv(index=False).encode(), preset=9 | lzma.PRESET_EXTREME)
    with atomic(OUT / f"{source.name}.xz") as draft: draft.write_bytes(packed)
    with atomic(OUT / f"{source.stem}.json") as draft:
        draft.write_text(origin(source.with_suffix(".json").read_text(encoding="utf-8")), encoding="utf-8")


def publish(source: Path, scale: int, rounds: list[int]) -> None:
    "Copy one scale."
    files = study_files(source, scale)
    rows: dict[str, Any] = {what: read_results(file) for what, file in files.items()}
    if missing := [files[what].name for what in ("pgd", "tuning", "strong") if rows[what] is None]:
        lacks = ", ".join(missing)
        sys.exit(f"{source} lacks {lacks}: rs_sr_study evaluate --out {source} makes them")
    pgd, tuning = rows["pgd"], rows["tuning"]
    clean = rows["clean"]
    levels = finished(pgd, tuning)
    if waiting := [n for n in dict.fromkeys(tuning.model) if n not in levels]:
        print(f"scale {scale}: not finished, left out: {', '.join(waiting)}")
    kept = {"pgd": pgd[(pgd.method == "linear") | pgd.model.isin(levels)],
            "tuning": tuning[tuning.model.isin(levels)],
            "strong": rounds_of(rows["strong"], levels, sorted(set(pgd.image)), rounds)}
    if clean is not None:
        labels = {*levels, *(f"{name}+symmetry" for name in levels)}
        kept["clean"] = clean[(clean.method == "linear") | clean.model.isin(labels)]
    for what, some in kept.items(): write(some, files[what])
    sizes = kept["strong"].groupby("model").image.nunique()
    hit = ", ".join(f"{(sizes == n).sum()} on {n} photographs" for n in sorted(set(sizes)))
    print(f"scale {scale}: {len(levels)} networks and defences, under the ensemble {hit}")


def publish_blends(source: Path) -> None:
    "Bring the weights of blends up to date; those that are not measured there stay."
    table = source / "study_blends.csv"
    if not table.is_file(): return
    rows, old = pd.read_csv(table), read_results(OUT / table.name)
    if old is not None: rows = pd.concat([old[~old.model.isin(rows.model)], rows], ignore_index=True)
    with atomic(OUT / table.name) as draft: rows.to_csv(draft, index=False)
    runs = [run for folder in (OUT, source) for run in runs_of(folder / "study_blends.json")]
    with atomic(OUT / "study_blends.json") as draft:
        draft.write_text(json.dumps({"runs": runs, "settings": {}}, indent=1) + "\n", encoding="utf-8")


def runs_of(file: Path) -> list[dict]:
    "Read the runs of an origin; none if it is missing."
    return json.loads(file.read_text(encoding="utf-8"))["runs"] if file.is_file() else []


if __name__ == "__main__":
    if len(sys.argv) < 2: sys.exit(__doc__)
    publish_blends(Path(sys.argv[1]))
    for s in (2, 4): publish(Path(sys.argv[1]), s, [int(n) for n in sys.argv[2:] or (6, 20)])
