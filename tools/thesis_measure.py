"""Measure shipped networks with the yardstick of the thesis's code, next to ours.

    python tools/thesis_measure.py DATA [PHOTOGRAPHS]

writes data/results/thesis_measure.csv; rerun to resume.

DATA holds photographs in the ImageNet-mini layout. All of its test split, or PHOTOGRAPHS of them (the
study's random choice), are one batch, as the thesis measured 128 at a time. Each network is attacked by
PGD-10 and measured in four ways, one change at a time; see `rs_sr.study.measured_in_four_ways`.
"""
import sys
from pathlib import Path

import torch
from torch import nn

from rs_sr.data import SRDataset
from rs_sr.evaluation import SCHEMA as ROWS
from rs_sr.models import RECORD, load_network, pretrained_models, projected, record_columns, record_of
from rs_sr.runtime import Schema, Table, kept_memory, progress
from rs_sr.study import RADII, measured_in_four_ways, subset

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "thesis_measure.csv"
NETWORKS = ("unet-x4-standard", "edsr-x4-ssim-proj-adv0.02", "unet-x2-standard")
COLUMNS = {"model": str, "scale": int, "eps_rel": float, "way": str, "photographs": int,
           "psnr": float, "ssim": float, "range": float, **{name: ROWS.columns[name] for name in RECORD}}
SCHEMA = Schema(COLUMNS, ["model", "eps_rel", "way"], {"range": None})


def shipped(name: str) -> nn.Module:
    "Load a network as it is to be used."
    net = load_network(name).to(memory_format=torch.channels_last)
    return projected(net).eval() if record_of(net).projected else net


def main() -> None:
    "Measure what is missing, and print the means."
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    if missing := set(NETWORKS) - set(pretrained_models().name):
        sys.exit(f"the package ships no {', '.join(sorted(missing))}")
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 0
    with kept_memory(), Table(OUT, SCHEMA, about={"seed": 0}) as table:
        done = table.pieces("model", "eps_rel")
        todo = [(n, r) for n in NETWORKS for r in (0.0, *RADII) if (n, r) not in done]
        for name, eps_rel in progress(todo, desc="yardstick", unit="radius"):
            f = shipped(name)
            pairs = SRDataset(sys.argv[1], scale=record_of(f).scale, split="test")
            images = subset(len(pairs), count)
            key = {"model": name, "scale": pairs.scale, "eps_rel": eps_rel, "photographs": len(images)}
            rows = measured_in_four_ways(f, pairs, eps_rel, images)
            table.add(*(key | row | record_columns(f) for row in rows))
            table.save()
    frame = table.frame()
    shown = frame.pivot_table(index=["model", "way"], columns="eps_rel", values=["psnr", "ssim"], sort=False)
    print(shown.round(3).to_string())


if __name__ == "__main__": main()
