"""Show that committed results, and the tables made from them, hold the same numbers as in an older revision.

    python tools/checks/same_tables.py REVISION

Old tables get today's names first (tools/release/migrate.py). Then every cell that both have must be the
same text, in the same order of rows, and the summaries made from both must be equal: the study's tables,
the leaderboard, certified quality, chosen smoothing levels.
"""
import csv
import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from rs_sr.certificates import certified_summary
from rs_sr.evaluation import best_sigma_g, summarise
from rs_sr.study import ranking, study_tables

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "data" / "results"
sys.path.insert(0, str(ROOT / "tools" / "release"))
from migrate import PACK, UNPACK, Table, renamed  # noqa: E402

OLD_NAMES = {"seed": "train_seed", "project": "projected"}  # of the list of networks
SETTINGS = ("projected", "ssim_weight")  # there, an empty cell was a setting's default


def old_table(revision: str, path: Path) -> Table | None:
    "Read a table of an older revision, with today's names, however it was packed; None: no such table."
    earlier = [path.with_suffix(".gz"), path.with_suffix("")] if path.suffix == ".xz" else []
    for file in (path, *earlier):
        place = f"{revision}:{file.relative_to(ROOT).as_posix()}"
        found = subprocess.run(["git", "show", place], cwd=ROOT, capture_output=True, check=False)
        if found.returncode: continue
        table = list(csv.reader(io.StringIO(UNPACK[file.suffix](found.stdout).decode())))
        renamed(table)
        return table
    return None


def new_table(path: Path) -> Table:
    "Read a table as it is."
    return list(csv.reader(io.StringIO(UNPACK[path.suffix](path.read_bytes()).decode())))


def differences(old: Table, new: Table) -> Iterator[str]:
    "Say where two tables differ in what both hold."
    first = [OLD_NAMES.get(name, name) if "sha256" in old[0] else name for name in old[0]]
    gone = [name for name in first if name not in new[0]]
    if gone and "sha256" not in first: yield f"columns are gone: {', '.join(gone)}"
    if len(old) != len(new): yield f"{len(old) - 1} rows, now {len(new) - 1}"
    for name in (n for n in first if n in new[0]):
        was = [row[first.index(name)] for row in old[1:]]
        now = [row[new[0].index(name)] for row in new[1:]]
        wrong = [i for i, (a, b) in enumerate(zip(was, now)) if a != b and not (a == "" and name in SETTINGS)]
        if not wrong: continue
        i = wrong[0]
        yield f"{len(wrong)} cells of {name}, first in row {i}: {was[i]}, now {now[i]}"


SUMMARIES: dict[str, Callable[[Path], pd.DataFrame]] = {
    "tables of the study, scale 2": lambda folder: study_tables(folder, 2),
    "tables of the study, scale 4": lambda folder: study_tables(folder, 4),
    "leaderboard": lambda folder: ranking(pd.read_csv(folder / "leaderboard.csv.xz")),
    "means of x2_test": lambda folder: summarise(pd.read_csv(folder / "x2_test.csv.xz")),
    "certified quality": lambda folder: certified_summary(pd.read_csv(folder / "x2_certificates.csv.xz")),
    "chosen sigma_g": lambda folder: best_sigma_g(pd.read_csv(folder / "x2_tuning.csv.xz")),
}


def same(old: pd.DataFrame, new: pd.DataFrame) -> bool:
    "Compare two summaries in the columns of the older one."
    return set(old.columns) <= set(new.columns) and old.equals(new[old.columns])


def main(revision: str) -> int:
    "Compare everything; return the number of differences."
    wrong = tables = 0
    with TemporaryDirectory() as folder:
        for path in sorted(f for f in RESULTS.iterdir() if ".csv" in f.name):
            if (old := old_table(revision, path)) is None: continue
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(old)
            (Path(folder) / path.name).write_bytes(PACK[path.suffix](text.getvalue().encode()))
            found = list(differences(old, new_table(path)))
            for line in found: print(f"{path.name}: {line}")
            tables, wrong = tables + 1, wrong + len(found)
        for name, make in SUMMARIES.items():
            if same(make(Path(folder)), make(RESULTS)): continue
            print(f"{name}: not the same")
            wrong += 1
    compared = f"{tables} tables and {len(SUMMARIES)} summaries compared with {revision}"
    print(f"{compared}: {wrong or 'no'} differences")
    return wrong


if __name__ == "__main__":
    if len(sys.argv) != 2: sys.exit(__doc__)
    sys.exit(bool(main(sys.argv[1])))
