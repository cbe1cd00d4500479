"""List the trained networks of the study with their checksums, and pack them for a release.

    python tools/pack_study.py RUNS            writes data/results/study_networks.csv
    python tools/pack_study.py RUNS STUDY.zip  packs weights, settings and records, too (about 2 MB a network)

Lines of networks that RUNS does not have are kept. The zip unpacks to a folder that `rs_sr_study evaluate --runs` takes as it is. Figures are those of the last validation of a training:
PSNR and SSIM of photographs that are not attacked, and PSNR under the perturbation that the network was trained on.
"""
import json
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pandas as pd

from rs_sr.runtime import atomic
from rs_sr.study import is_trained, study_grid

OUT = Path(__file__).resolve().parents[2] / "data" / "results" / "study_networks.csv"
FILES = ("model.safetensors", "config.json", "training.json")

if __name__ == "__main__":
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    runs, lines = Path(sys.argv[1]), []
    grid = study_grid()
    names = [name for name in grid if is_trained(runs, name)]
    if not names: sys.exit(f"{runs} has no finished network of the study: rs_sr_study train --data DATA --runs {runs} makes them")
    for name in names:
        record = json.loads((runs / name / "training.json").read_text())
        config, figures = record["config"], record["validation"]
        lines.append({"name": name, **{k: config[k] for k in ("method", "scale", "residual", "seed", "epochs", "init")},
            "network": config.get("network", "unet"), **{k: grid[name].get(k) for k in ("sigma_f", "eps_rel", "projected", "ssim_weight")},  # a method's own, not what others' would be
            **{k: round(figures[k], 4) for k in ("psnr", "ssim", "psnr_perturbed") if k in figures}, "minutes": round(figures["seconds"] / 60, 1), "steps": figures["step"],
            "photographs": record["photographs"], "commit": record["commit"], "torch": record["versions"]["torch"], "date": record["date"],
            "sha256": sha256((runs / name / FILES[0]).read_bytes()).hexdigest()})
    table = pd.DataFrame(lines)
    if OUT.is_file():
        before = pd.read_csv(OUT)
        table = pd.concat([before[~before.name.isin(names)], table], ignore_index=True)
    table = table.sort_values("name", key=lambda column: column.map(list(grid).index), ignore_index=True)
    with atomic(OUT) as draft: table.fillna({"network": "unet"}).to_csv(draft, index=False)
    print(f"{len(table)} networks in {OUT.name}")
    if len(sys.argv) == 3:
        with atomic(Path(sys.argv[2])) as draft, zipfile.ZipFile(draft, "w") as packed:  # weights do not get smaller by compressing
            for name in names:
                for file in FILES: packed.write(runs / name / file, f"{name}/{file}")
        print(f"packed in {sys.argv[2]}")
