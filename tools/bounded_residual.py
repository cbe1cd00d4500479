"""Certify a network whose residual to a linear filter is bounded, next to the plain mean and the median.

    python tools/bounded_residual.py    writes data/results/bounded_residual.csv and .json

The network is unet-x2-noise0.1, smoothed with its training noise; the filter that of sr-x2-robust-0.02. The
limit of the residual is chosen on embedded training photographs, a tenth above the largest that was seen
there; certificates are for embedded test photographs, at radii of half a noise level to two.
"""
import json
from pathlib import Path

import pandas as pd
import torch

from rs_sr.certificates import BoundedResidual, certify, certify_bounded
from rs_sr.data import SRDataset, sample_photos
from rs_sr.models import Defence, UNetSR
from rs_sr.physics import IMAGENET_MINI
from rs_sr.runtime import provenance

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
NETWORK, FILTER, SIGMA_G = "unet-x2-noise0.1", "sr-x2-robust-0.02", 0.1
CROP, IMAGES, TRAINING, K, SEED = 160, 3, 16, 1600, 0
RATIOS = (0.5, 1.0, 1.5, 2.0)
KEPT = ("mean", "geometric median", "mean, bounded residual")


def largest_residual(network, linear) -> float:
    "Measure how far the network goes from the filter on training photographs: root mean square, pixels."
    photos, std = SRDataset(sample_photos("train"), scale=2, crop=CROP), torch.tensor(IMAGENET_MINI.std)
    y, _ = photos.batch(range(TRAINING))
    y = y + SIGMA_G * torch.randn(y.shape, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        residual = (network(y) - linear(y)) * std[:, None, None]
    return float(residual.square().flatten(1).mean(1).sqrt().max())


def certified(network, model, photos: SRDataset, i: int) -> list[dict]:
    "Certify one photograph in both ways."
    y, x = photos.batch([i])
    radii = [ratio * SIGMA_G for ratio in RATIOS]
    found = certify(network, y, x, SIGMA_G, radii, k=K, seed=SEED + i)
    found += certify_bounded(model, y, x, SIGMA_G, radii, k=K, seed=SEED + i)
    return [{"image": photos.names[i], "estimator": c.estimator, "ratio": round(c.radius / SIGMA_G, 3),
             "psnr": round(c.value, 4), "clean": round(c.clean, 4)} for c in found if c.estimator in KEPT]


def main() -> None:
    "Write the table."
    network, linear = UNetSR.from_pretrained(NETWORK), Defence.from_pretrained(FILTER).second
    limit = round(1.1 * largest_residual(network, linear), 4)
    model = BoundedResidual(network, linear, limit).eval()
    photos = SRDataset(sample_photos("test"), scale=2, crop=CROP)
    rows = [row for i in range(IMAGES) for row in certified(network, model, photos, i)]
    about = {"network": NETWORK, "filter": FILTER, "sigma_g": SIGMA_G, "limit": limit, "crop": CROP,
             "images": IMAGES, "k": K, "seed": SEED, **provenance("cpu")}
    pd.DataFrame(rows).to_csv(RESULTS / "bounded_residual.csv", index=False)
    (RESULTS / "bounded_residual.json").write_text(json.dumps(about, indent=1) + "\n")
    print(pd.DataFrame(rows).groupby(["ratio", "estimator"]).psnr.agg(["mean", "count"]).round(2))


if __name__ == "__main__":
    main()
