"""Measure networks of the study the way the thesis measured its own: with batch normalisation in training
mode.

    python tools/training_mode.py DATA RUNS [PHOTOGRAPHS]

writes data/results/training_mode.csv (committed packed by xz; unpack to resume).

DATA holds photographs in the ImageNet-mini layout, RUNS the networks of `rs_sr_study train`. A batch norm
without running statistics takes those of the batch in every mode, so the batch is attacked, reconstructed
and measured as one, as in the thesis. Lines "LABEL" are in evaluation mode, "LABEL, training mode" as
described; PGD-10 on the test photographs of the study (20 unless told).
"""
import sys
from pathlib import Path

import pandas as pd
from torch import nn

from rs_sr.data import SRDataset
from rs_sr.evaluation import evaluate
from rs_sr.study import RADII, batch_statistics, kind, study_models, study_records, subset

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "training_mode.csv"


def networks(runs: str, scale: int) -> dict[str, nn.Module]:
    "Load the networks of the thesis's kind and the standard one, in evaluation mode and in training mode."
    records = {n: r for n, r in study_records().items() if r.scale == scale and not r.partner}
    wanted = [n for what in ("thesis", "standard") for n, r in records.items() if kind(r) == what]
    found = study_models(runs, scale, wanted)
    if missing := set(wanted) - set(found):
        sys.exit(f"{runs} lacks {', '.join(sorted(missing))}: rs_sr_study train makes them")
    return found | {f"{name}, training mode": batch_statistics(model) for name, model in found.items()}


def main() -> None:
    "Measure both scales, and print the means."
    if len(sys.argv) not in (3, 4): sys.exit(__doc__)
    tables = []
    for scale in (2, 4):
        test = SRDataset(sys.argv[1], scale=scale, split="test")
        images = subset(len(test), int(sys.argv[3]) if len(sys.argv) == 4 else 20)
        tables.append(evaluate(networks(sys.argv[2], scale), test, [0.0, *RADII], images=images,
                               batch_size=len(images), out=OUT, baselines=False))
    means = pd.concat(tables).groupby(["model", "eps_rel"])[["psnr", "ssim"]].mean()
    print(means.round(3).unstack().to_string())


if __name__ == "__main__": main()
