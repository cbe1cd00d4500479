"""Certify smoothed networks with a linear control variate, on the photographs of the certificates page.

    python tools/control_variate.py DATA [NAME ...]    writes data/results/control_variate_NAME.csv and .json

DATA holds photographs in the ImageNet-mini layout; NAME is one of the two networks of x2_certificates.csv,
without names both. Photographs, noise levels, radii, draws and alpha are those of that file; the noise is
fresh, and alpha is shared by medians of means of 1, 2 and 4 draws, not of 8 and 16 as well. The control is
fitted on training photographs. Photograph by photograph the rows are written, and a rerun goes on behind the
last (the tables are committed packed by xz; unpack to resume).
"""
import sys
from pathlib import Path

from rs_sr.certificates import Controlled, certify_controlled, fit_control
from rs_sr.data import SRDataset
from rs_sr.models import UNetSR
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table, fingerprint, progress
from rs_sr.study import subset

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
LEVELS = {"unet-x2-noise0.1": 0.1, "unet-x2-noise0.4": 0.5}  # sigma_g
RATIOS = (0.25, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)  # radius / sigma_g
CROP, IMAGES = 160, 20
K, SEED = 10_000, 0
MEANS = (1, 2, 4)
FITTED, DRAWS = 48, 8  # photographs and noisy copies of each to which the control is fitted
SCHEMA = Schema({"image": str, "ratio": float, "eps_rel": float, "estimator": str, "psnr": float,
                 "clean": float}, ["image", "ratio", "estimator"])


def controlled(name: str, data: Path) -> Controlled:
    "Fit the control to a network that ships."
    network, pairs = UNetSR.from_pretrained(name), SRDataset(data, scale=2, crop=CROP, split="train")
    y, _ = pairs.batch(subset(len(pairs), FITTED))
    return Controlled(network, fit_control(network, y, LEVELS[name], period=2, draws=DRAWS, seed=SEED)).eval()


def rows_of(model: Controlled, sigma_g: float, test: SRDataset, i: int) -> list[dict]:
    "Certify a photograph."
    y, x = test.batch([i])
    unit = eps_from_rel(1.0, y)
    found = certify_controlled(model, y, x, sigma_g, [t * sigma_g for t in RATIOS], k=K, means=MEANS,
                               seed=SEED + i)
    return [{"image": test.names[i], "ratio": round(c.radius / sigma_g, 6), "estimator": c.estimator,
             "eps_rel": round(float(c.radius / unit), 8), "psnr": round(c.value, 3),
             "clean": round(c.clean, 3)} for c in found]


def measure(name: str, data: Path) -> None:
    "Write the table of a network."
    model, test = controlled(name, data), SRDataset(data, scale=2, crop=CROP, split="test")
    about = {"network": name, "sigma_g": LEVELS[name], "crop": CROP, "images": IMAGES, "k": K, "seed": SEED,
             "means": list(MEANS), "fitted on": FITTED, "copies": DRAWS, "alpha": 1e-3,
             "norm": round(model.control.norm(test.batch([0])[0]), 4)}
    weights = {name: fingerprint(model)}
    with Table(RESULTS / f"control_variate_{name}.csv", SCHEMA, settings=about, weights=weights) as table:
        for i in progress(range(IMAGES), desc=name, unit="photograph"):
            if test.names[i] in table.pieces("image"): continue
            for row in rows_of(model, LEVELS[name], test, i): table.add(row)
            table.save()


if __name__ == "__main__":
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set(LEVELS): sys.exit(__doc__)
    for chosen in sys.argv[2:] or LEVELS: measure(chosen, Path(sys.argv[1]))
