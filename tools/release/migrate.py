"""Give committed results the names and columns of this version, without touching a number.

    python tools/release/migrate.py    rewrites the files of data/results that need it, and says what it did

- Attacks get their names in `rs_sr.attacks.ATTACKS`, and smoothing levels of certificates the column
  `sigma_g`.
- Rows of networks get the columns of a record (`rs_sr.models.RECORD`), which say how each network was made.
  Records come from the settings of the study, from the shipped cards and from the list of defences; names
  are only looked up.

Order of rows, digits and compression stay as they are. A second run changes nothing. What was done is kept
as "migrated" in the JSON file next to a table.
"""
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from rs_sr.evaluation import COLUMNS
from rs_sr.models import RECORD, Record, record_from_config
from rs_sr.runtime import atomic, write_rows
from rs_sr.study import BLENDS, RADII, read_defences, study_grid, study_records

ROOT = Path(__file__).resolve().parents[2]
RESULTS, WEIGHTS = ROOT / "data" / "results", ROOT / "rs_sr" / "weights"
NEWER = ("photo", "late")
MEASURED = [name for name in COLUMNS if name not in RECORD and name not in NEWER]
SUMMED = ["model", "scale", "rule", "attack", "eps_rel", "sigma_g", "n"]
YARDSTICK = ["model", "scale", "eps_rel", "way", "photographs", "psnr", "ssim", "range"]
Table = list[list[str]]  # the header and the rows, as text

ATTACK_NAMES = {
    "on f": "pgd",
    "on g": "smooth_pgd",
    "on g, draws": "smooth_pgd_draws",
    "on g, thesis's loss": "smooth_pgd, thesis's loss",
    "on g, thesis's way, right loss": "smooth_pgd, thesis's way, right loss",
    "pgd-smooth": "smooth_pgd",
    "random": "random_direction",
    "random direction": "random_direction",
    "top singular direction": "top_singular_direction",
    "cosine": "pgd cosine",
}


def linear_records() -> dict[str, Record]:
    "Interpolation and the linear filters of the study."
    line = Record(physics="downsampling", method="linear", network="interpolation")
    filters = {f"linear filter {r:g}": replace(line, network="filter", level=r) for r in (0.0, *RADII)}
    return {"bilinear": line, "bilinear, projected": replace(line, projected=True), "bicubic": line} | filters


def shipped_records() -> dict[str, Record]:
    "Networks that ship, by the settings on their cards."
    cards = {p.parent.name: json.loads(p.read_text())["config"] for p in WEIGHTS.glob("*/training.json")}
    return {name: record_from_config(config) for name, config in cards.items()}


def defence_records(shipped: dict[str, Record]) -> dict[str, Record]:
    "Lines of the leaderboard: the record of the last layer, and what stands before it."
    found = {}
    for defence in read_defences(RESULTS / "defences.csv"):
        *before, last = defence.parts
        added = [n if n == "projection" else shipped[n].method for n in before]
        if shipped[last].projected: added = []
        found[defence.name] = replace(shipped[last], partner=" + ".join(added))
    return found


def all_records() -> dict[str, Record]:
    "What every name in the tables stands for."
    shipped, grid = shipped_records(), {n: record_from_config(s) for n, s in study_grid().items()}
    passes = record_from_config({"scale": 2, "method": "adversarial", "eps_rel": 0.05})
    return {
        **linear_records(), **grid, **study_records(), **shipped, **defence_records(shipped),
        **{f"{name}, training mode": record for name, record in grid.items()},
        **{f"passes-{k}": passes for k in (1, 2, 3, 5)},
    }


def renamed(table: Table) -> str:
    "Rename attacks and the column of smoothing levels; say what was done."
    header, *rows = table
    done = []
    if "sigma" in header and "radius" in header:
        header[header.index("sigma")] = "sigma_g"
        done.append("the column sigma is called sigma_g")
    if "attack" in header:
        at = header.index("attack")
        new = [ATTACK_NAMES.get(row[at], row[at]) for row in rows]
        if any(row[at] != name for row, name in zip(rows, new)):
            done.append("attacks have their names in rs_sr.attacks")
        for row, name in zip(rows, new): row[at] = name
    return "; ".join(done)


def recorded(table: Table, records: dict[str, Record]) -> str:
    "Append the columns of a record, or bring them up to date; say what was done."
    header, *rows = table
    own = [name for name in header if name not in RECORD]
    if own not in (MEASURED, YARDSTICK) and own[:len(SUMMED)] != SUMMED: return ""
    before, at = [list(row) for row in table], header.index("model")
    keep = [i for i, name in enumerate(header) if name in own]
    for row in rows:
        columns = asdict(records[row[at]])
        row[:] = [*(row[i] for i in keep), *(str(columns[name]) for name in RECORD)]
    header[:] = [*own, *RECORD]
    return "" if table == before else "columns that say how each network was made"


def listed(table: Table, records: dict[str, Record]) -> str:
    "Let the list of the study's networks have the same columns."
    header, *rows = table
    if "project" not in header: return ""
    old = ("method", "residual", "seed", "sigma_f", "eps_rel", "project", "network", "ssim_weight")
    keep = [i for i, name in enumerate(header) if name not in (*old, "name", "scale")]
    for row in rows:
        columns = asdict(records[row[header.index("name")]])
        rest = [row[i] for i in keep]
        first = [row[header.index(n)] for n in ("name", "scale")]
        row[:] = [*first, *(str(columns[n]) for n in RECORD), *rest]
    header[:] = ["name", "scale", *RECORD, *(header[i] for i in keep)]
    return "columns of a record instead of settings"


UNPACK: dict[str, Callable[[bytes], bytes]] = {".gz": gzip.decompress, ".xz": lzma.decompress, ".csv": bytes}
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda data: gzip.compress(data, 9, mtime=0),
    ".xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    ".csv": bytes,
}


def note(origin: Path, done: str) -> None:
    "Keep in the origin of a table what was changed."
    if not origin.is_file(): return
    told = json.loads(origin.read_text(encoding="utf-8"))
    told["migrated"] = [*told.get("migrated", []), done]
    with atomic(origin) as draft: draft.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def migrate(path: Path, records: dict[str, Record]) -> None:
    "Rewrite one file if it needs it."
    packed = path.read_bytes()
    text = UNPACK[path.suffix](packed).decode()
    table = list(csv.reader(io.StringIO(text)))
    done = "; ".join(filter(None, (renamed(table), listed(table, records), recorded(table, records))))
    if not done: return
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(table)
    new = PACK[path.suffix](written.getvalue().encode())
    with atomic(path) as draft: draft.write_bytes(new)
    note(path.with_name(f"{path.name.split('.csv')[0]}.json"), done)
    print(f"{path.name}: {done}; {len(packed):,} bytes, now {len(new):,}")


def shared(origin: Path) -> None:
    "Let the settings of a benchmark hold its machine, too: rows of another one may not join."
    told = json.loads(origin.read_text(encoding="utf-8"))
    if "machine" not in told: return
    told["settings"]["machine"] = told.pop("machine")
    with atomic(origin) as draft: draft.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    note(origin, "the machine is among the settings")


def fold_blends() -> None:
    "Bring the weights of the blends, a file each in the first release, into one table."
    files = sorted(RESULTS.glob("blend_*.json"))
    if not files: return
    rows, runs = [], []
    for file in files:
        told = json.loads(file.read_text(encoding="utf-8"))
        name, errors = file.stem.removeprefix("blend_"), told.pop("mean squared error by weight")
        partner, images = told.pop("partner"), told.pop("images")
        told.pop("weight")
        key = {"model": name, "partner": partner, "eps_rel": all_records()[partner].level, "images": images}
        rows += [key | {"weight": float(weight), "mse": error} for weight, error in errors.items()]
        runs.append({"model": name, **told, "new rows": len(errors)})
    origin = {"runs": runs, "settings": {}, "migrated": ["one table instead of a file for each blend"]}
    table = RESULTS / "study_blends.csv"
    write_rows(table, map(BLENDS.row, rows), BLENDS)
    with atomic(table.with_suffix(".json")) as draft: draft.write_text(json.dumps(origin, indent=1) + "\n")
    for file in files: file.unlink()
    print(f"{table.name}: {len(files)} blends in one table")


if __name__ == "__main__":
    fold_blends()
    shared(RESULTS / "bench_cpu.json")
    known = all_records()
    tables = [f for f in RESULTS.iterdir() if ".csv" in f.name and f.name != "defences.csv"]
    for file in sorted(tables): migrate(file, known)
