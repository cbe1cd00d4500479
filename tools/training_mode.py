"""Measure networks of the study the way the thesis measured its own: with batch normalisation in training mode.

    python tools/training_mode.py DATA RUNS [PHOTOGRAPHS]    writes data/results/training_mode.csv; goes on where it was interrupted

DATA holds photographs in the ImageNet-mini layout, RUNS the networks of `rs_sr_study train`. A batch norm without running statistics
takes those of the batch in every mode, so the batch is attacked, answered and measured as one, as in the thesis. Lines "NAME" are in
evaluation mode, "NAME, training mode" as described; PGD-10 on the test photographs of the study (20 unless told).
"""
import sys
from copy import deepcopy
from pathlib import Path

import pandas as pd
from torch import nn

from rs_sr.data import SRDataset
from rs_sr.evaluation import evaluate
from rs_sr.study import RADII, study_grid, study_models, subset

KINDS = ("thesis-standard", "thesis-noise0.1", "thesis-adv0.02", "standard")
OUT = Path(__file__).resolve().parent.parent / "data" / "results" / "training_mode.csv"


def batch_statistics(model: nn.Module) -> nn.Module:
    "Copy a network whose batch norms always use the statistics of the batch."
    model = deepcopy(model)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d): layer.track_running_stats, layer.running_mean, layer.running_var = False, None, None
    return model


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4): sys.exit(__doc__)
    tables = []
    for scale in sorted({settings["scale"] for settings in study_grid().values()}):
        test, wanted = SRDataset(sys.argv[1], scale=scale, split="test"), [f"x{scale}-{kind}" for kind in KINDS]
        images, found = subset(len(test), int(sys.argv[3]) if len(sys.argv) == 4 else 20), study_models(sys.argv[2], scale, wanted)
        if missing := set(wanted) - set(found): sys.exit(f"{sys.argv[2]} lacks {', '.join(sorted(missing))}: rs_sr_study train makes them")
        models = found | {f"{name}, training mode": batch_statistics(model) for name, model in found.items()}
        tables.append(evaluate(models, test, [0.0, *RADII], images=images, batch_size=len(images), out=OUT, baselines=False))
    rows = pd.concat(tables)
    print(rows.groupby(["model", "eps_rel"])[["psnr", "ssim"]].mean().round(3).unstack().to_string())
