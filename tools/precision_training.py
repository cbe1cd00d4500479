"""Train networks against attacks in 32 bits and in 16, and attack all of them in 32.

    python tools/precision_training.py DATA    writes data/results/precision_training.csv and .json

DATA holds photographs in the ImageNet-mini layout. A run starts from unet-x2-standard, which has met no
attack, and is trained against three steps of PGD in either precision, with each of three seeds: whatever is
random in a run is the same in both precisions. Photographs of val are then attacked by the ensemble, in
float32. Run it again with the same file to resume; a training run that was killed begins anew.
"""
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from rs_sr.attacks import attack_ensemble, clamped_error
from rs_sr.data import SRDataset
from rs_sr.metrics import psnr
from rs_sr.models import load_network
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table
from rs_sr.study import subset
from rs_sr.training import TrainConfig, train

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "precision_training.csv"
START, SEEDS = "unet-x2-standard", (0, 1, 2)
RADIUS, CROP = 0.05, 64
ATTACK: dict[str, Any] = dict(
    method="adversarial", eps_rel=RADIUS, attack_start="measurement", attack_steps=3)
SETTINGS = ATTACK | dict(crop=CROP, batch_size=8, epochs=2, learning_rate=2e-3, validations=1)
IMAGES, PASSES = 16, 120  # photographs, and passes of the attack that measures
# low: share of the passes of a run, updates of weights included, that were taken in 16 bits
SCHEMA = Schema({"precision": str, "seed": int, "low": float, "eps_rel": float, "image": str, "psnr": float},
                ["precision", "seed", "eps_rel", "image"])


def trained(data: str, precision: str, seed: int) -> tuple[Any, float]:
    "Train a network; return it with the share of its passes that were in 16 bits."
    net: Any = load_network(START)
    if precision == "none": return net, 0.0
    low: list[bool] = []
    def note(module, inputs, output): low.append(output.dtype == torch.bfloat16)
    watch = net.head.register_forward_hook(note)
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(data, folder, seed=seed, attack_precision=precision, **SETTINGS)
        net = train(config, model=net, cpu=True).model
    watch.remove()
    return net, sum(low) / len(low)


def measured(net: Any, val: SRDataset) -> Iterator[dict[str, Any]]:
    "Yield the PSNR of photographs, clean and attacked."
    images = subset(len(val), IMAGES)
    y, x = val.batch(images)
    attack = dict(passes=PASSES, loss=clamped_error(), generator=torch.Generator().manual_seed(0))
    seen = {0.0: y, RADIUS: attack_ensemble(net, y, x, eps_from_rel(RADIUS, y), **attack).y}
    for radius, z in seen.items():
        with torch.no_grad(): x_hat = val.normalization.to_pixels(net(z), clamp=True)
        for i, value in zip(images, psnr(x_hat, val.normalization.to_pixels(x, clamp=True)).tolist()):
            yield {"eps_rel": radius, "image": val.names[i], "psnr": round(value, 4)}


def main(data: str) -> None:
    "Write the table."
    val = SRDataset(data, scale=2, crop=CROP, split="val")
    runs = [("none", 0), *((precision, seed) for seed in SEEDS for precision in ("no", "bf16"))]
    settings = SETTINGS | {"start": START, "images": IMAGES, "passes": PASSES}
    with Table(OUT, SCHEMA, settings=settings) as table:
        for precision, seed in runs:
            if (precision, seed) in table.pieces("precision", "seed"): continue
            net, low = trained(data, precision, seed)
            if precision == "bf16" and not low: sys.exit("no pass was in 16 bits here: nothing to compare")
            rows = measured(net, val)
            table.add(*({"precision": precision, "seed": seed, "low": round(low, 3)} | row for row in rows))
            table.save()
    print(table.frame().groupby(["eps_rel", "precision", "seed"]).psnr.mean().unstack().round(3))


if __name__ == "__main__":
    if len(sys.argv) != 2: sys.exit(__doc__)
    main(sys.argv[1])
