"""Attack a smoothed network through the network inside it, and directly.

    python tools/attack_f_or_g.py DATA [PHOTOGRAPHS]    writes data/results/attack_f_or_g.csv; resumes

DATA holds photographs in the ImageNet-mini layout; the first PHOTOGRAPHS (6) of the test split are attacked.
All are judged on the same smoothed network, with draws that none of them saw. `thesis's loss` compares
pixels with a target in model units, as the thesis did. The rows are kept as .csv.xz: `xz -dk` them to go on.
"""
import sys
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from torch.nn import Module

from rs_sr.attacks import attack_ensemble, homotopy, pgd, smooth_pgd, squared_error
from rs_sr.data import SRDataset
from rs_sr.evaluation import smooth
from rs_sr.metrics import mse, psnr, ssim
from rs_sr.models import UNetSR, pretrained_models
from rs_sr.physics import IMAGENET_MINI, eps_from_rel
from rs_sr.runtime import Schema, Table, fingerprint, generator, progress
from rs_sr.smoothing import SmoothedModel

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "attack_f_or_g.csv"
MODELS = ("unet-x2-noise0.1", "unet-x2-noise0.4")
EPS_REL = 0.05
DRAWS = 64  # that judge
COLUMNS = {"model": str, "scale": int, "image": str, "eps_rel": float, "attack": str, "attack_k": int,
           "steps": int, "sigma_g": float, "k": int, "seed": int, "photo": str, "weights": str, "mse": float,
           "psnr": float, "ssim": float}
SCHEMA = Schema(COLUMNS, key=("model", "image", "eps_rel", "attack", "attack_k", "steps"))


class Way(NamedTuple):
    "An attack with its draws in a step and its steps."
    attack: str
    attack_k: int = 0
    steps: int = 0  # of the ensemble: passes


WRONG, FAIR = "smooth_pgd, thesis's loss", "smooth_pgd, thesis's way, right loss"
WAYS = [Way("none"), Way("pgd", 0, 10), Way("pgd", 0, 100)]
WAYS += [Way(attack, k, 10) for attack in (WRONG, FAIR) for k in (4, 10)]
WAYS += [Way("smooth_pgd", k, steps) for k, steps in ((4, 10), (4, 30), (4, 100), (16, 10))]
WAYS += [Way("homotopy", 0, 100), Way("ensemble", 4, 1000)]


def thesis_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    "Compare pixels with a target in model units, as the thesis's code did."
    return squared_error(IMAGENET_MINI.to_pixels(x_hat, clamp=True), x)


def attacked(way: Way, g: SmoothedModel, y: Tensor, x: Tensor, eps: float) -> Tensor:
    "Attack one photograph."
    n, rng = way.steps, generator("cpu", 0)
    if way.attack == "none": return y
    if way.attack == "pgd" and n == 10:
        return pgd(g.base, y, x, eps, steps=n, step_size="constant", random_start=True, generator=rng)
    if way.attack == "pgd": return pgd(g.base, y, x, eps, steps=n)
    if way.attack == "homotopy": return homotopy(g.base, y, x, eps, steps=n)
    if way.attack == "ensemble":
        g = SmoothedModel(g.base, g.sigma_g, way.attack_k)
        return attack_ensemble(g, y, x, eps, passes=n, generator=rng).y
    if way.attack == "smooth_pgd": return smooth_pgd(g, y, x, eps, k=way.attack_k, steps=n, generator=rng)
    loss = thesis_loss if way.attack == WRONG else None
    return smooth_pgd(g, y, x, eps, k=way.attack_k, steps=n, step_size=2.5 * eps / n, check=0, loss=loss,
                      generator=rng)


def row(way: Way, name: str, f: Module, sigma_g: float, data: SRDataset, i: int) -> dict:
    "Attack a photograph in one way, and measure what the smoothed network makes of it."
    y, x = data.batch([i])
    z = attacked(way, SmoothedModel(f, sigma_g), y, x, eps_from_rel(EPS_REL, y))
    got, target = smooth(f, z, sigma_g, DRAWS, data, [i]), data.normalization.to_pixels(x, clamp=True)
    values = {metric.__name__: float(f"{metric(got, target).item():.7g}") for metric in (mse, psnr, ssim)}
    return {"model": name, "scale": data.scale, "image": data.names[i], "eps_rel": EPS_REL, **way._asdict(),
            "sigma_g": sigma_g, "k": DRAWS, "seed": 0, "photo": data.fingerprint(i),
            "weights": fingerprint(f), **values}


def main() -> None:
    "Attack all networks in all ways."
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    data = SRDataset(sys.argv[1], scale=2, split="test")
    networks = {name: UNetSR.from_pretrained(name) for name in MODELS}
    levels = pretrained_models().set_index("name").sigma_g
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 6
    work = [(name, i, way) for name in MODELS for i in range(count) for way in WAYS]
    weights = {name: fingerprint(f) for name, f in networks.items()}
    photos = {data.names[i]: data.fingerprint(i) for i in range(count)}
    about = {"dataset": f"{data.root.name}/test"}
    with Table(OUT, SCHEMA, about=about, weights=weights, photos=photos) as table:
        for name, i, way in progress(work, desc="attacking", unit="attack"):
            if (name, data.names[i], EPS_REL, *way) not in table.rows:
                table.add(row(way, name, networks[name], float(levels[name]), data, i))


if __name__ == "__main__": main()
