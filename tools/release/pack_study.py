"""List the trained networks of the study with their checksums, and pack them for a release.

    python tools/release/pack_study.py RUNS            writes data/results/study_networks.csv
    python tools/release/pack_study.py RUNS STUDY.zip  packs weights, settings and records, too

Lines of networks that RUNS does not have are kept. The zip, about 2 MB a network, unpacks to a folder that
`rs_sr_study evaluate --runs` takes as it is. Figures are those of the last validation of a training: PSNR
and SSIM of photographs that are not attacked, and PSNR under the perturbation that the network was trained
on.
"""
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from rs_sr.models import RECORD, record_from_config
from rs_sr.runtime import atomic, checksum
from rs_sr.study import is_trained, study_grid

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "study_networks.csv"
FILES = ("model.safetensors", "config.json", "training.json")


def line(runs: Path, name: str) -> dict[str, Any]:
    "Describe one finished network."
    told = json.loads((runs / name / "training.json").read_text())
    config, figures = told["config"], told["validation"]
    record = record_from_config(config)
    return {
        "name": name, "scale": record.scale, **{column: getattr(record, column) for column in RECORD},
        "epochs": config["epochs"], "init": config["init"],
        **{m: round(figures[m], 4) for m in ("psnr", "ssim", "psnr_perturbed") if m in figures},
        "minutes": round(figures["seconds"] / 60, 1), "steps": figures["step"],
        "photographs": told["photographs"], "commit": told["commit"], "torch": told["versions"]["torch"],
        "date": told["date"], "sha256": checksum(runs / name / FILES[0]),
    }


def write_list(runs: Path, names: list[str]) -> None:
    "Bring the list of networks up to date, in the order of the grid."
    table = pd.DataFrame([line(runs, name) for name in names])
    if OUT.is_file():
        before = pd.read_csv(OUT)
        table = pd.concat([before[~before.name.isin(names)], table], ignore_index=True)
    order = {name: i for i, name in enumerate(study_grid())}
    table = table.sort_values("name", key=lambda column: column.map(order), ignore_index=True)
    with atomic(OUT) as draft: table.to_csv(draft, index=False)
    print(f"{len(table)} networks in {OUT.name}")


def pack(runs: Path, names: list[str], target: Path) -> None:
    "Put all networks into one file; weights do not get smaller by compressing."
    with atomic(target) as draft, zipfile.ZipFile(draft, "w") as packed:
        for name in names:
            for file in FILES: packed.write(runs / name / file, f"{name}/{file}")
    print(f"packed in {target}")


def main() -> None:
    "List what is trained; pack it if a file is named."
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    runs = Path(sys.argv[1])
    names = [name for name in study_grid() if is_trained(runs, name)]
    if not names:
        made = f"rs_sr_study train --data DATA --runs {runs} makes them"
        sys.exit(f"{runs} has no finished network of the study: {made}")
    write_list(runs, names)
    if len(sys.argv) == 3: pack(runs, names, Path(sys.argv[2]))


if __name__ == "__main__": main()
