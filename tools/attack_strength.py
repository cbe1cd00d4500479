"""Give five attacks the same number of passes, on two networks and three radii.

    python tools/attack_strength.py DATA [PHOTOGRAPHS]   writes data/results/attack_strength.csv; resumes

DATA holds photographs in the ImageNet-mini layout; the middle 96 x 96 pixels of the first PHOTOGRAPHS (8) of
the test split are attacked. `pyautoattack` (`pip install --no-deps pyautoattack==0.2.0`) is an outside
implementation for classifiers with inputs between 0 and 1, so it gets our loss as one of two logits.
All attacks of the project at equal passes, on more networks and in time: tools/attack_benchmark.py.
"""
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from rs_sr.attacks import apgd, pgd, project, random_direction, squared_error
from rs_sr.data import SRDataset
from rs_sr.metrics import mse, psnr, ssim
from rs_sr.models import UNetSR
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table, fingerprint, frozen, kept_memory, progress

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "attack_strength.csv"
MODELS = ("unet-x2-standard", "unet-x2-noise0.1")
SEED, CROP = 0, 96
RADII, PASSES = (0.02, 0.05, 0.1), (10, 20, 50, 100)
ATTACKS = ("pgd", "pgd cosine", "apgd", "pyautoattack")
COLUMNS = {"model": str, "image": str, "scale": int, "eps_rel": float, "attack": str, "steps": int,
           "sigma_g": float, "k": int, "seed": int, "photo": str, "weights": str, "error": float,
           "mse": float, "psnr": float, "ssim": float}
SCHEMA = Schema(COLUMNS, key=("model", "image", "eps_rel", "attack", "steps"))


class TwoLogit(nn.Module):
    "Show a regression loss to an attack on classifiers: the loss of the first class grows with the error."
    low, width = -8.0, 16.0  # so wide that the clamp of the inputs never acts
    constant = 2.0

    def __init__(self, model: nn.Module, x: Tensor):
        super().__init__()
        self.model, self.x = model, x

    def forward(self, u: Tensor) -> Tensor:
        error = squared_error(self.model(u * self.width + self.low), self.x) / self.x[0].numel()
        return torch.stack([torch.full_like(error, self.constant), error], 1)


def outside_apgd(model: nn.Module, y: Tensor, x: Tensor, eps: float, passes: int) -> Tensor:
    "Attack with the implementation of other people."
    from pyautoattack.autopgd_base import APGDAttack
    two = TwoLogit(model, x).eval()
    with frozen(model):  # its first iterate costs a pass, too
        attack = APGDAttack(two, n_iter=passes - 1, norm="L2", n_restarts=1, eps=eps / two.width, seed=SEED,
                            loss="ce", device="cpu")
        first_class = torch.zeros(len(y), dtype=torch.long)
        u = attack.perturb(((y - two.low) / two.width).contiguous(), first_class, best_loss=True)
    return y + project(u * two.width + two.low - y, eps)


def attacked(attack: str, model: nn.Module, y: Tensor, x: Tensor, eps: float, passes: int) -> Tensor:
    "Run one of the attacks with so many passes an image."
    rng = torch.Generator().manual_seed(SEED)
    if attack == "none": return y
    if attack == "random_direction": return random_direction(y, eps, rng)
    if attack == "pgd":
        thesis = dict(step_size="constant", random_start=True, best=False, generator=rng)
        return pgd(model, y, x, eps, steps=passes, **thesis)
    if attack == "pgd cosine": return pgd(model, y, x, eps, steps=passes)
    if attack == "apgd": return apgd(model, y, x, eps, steps=passes, generator=rng)
    return outside_apgd(model, y, x, eps, passes)


def measured(model: nn.Module, z: Tensor, x: Tensor, data: SRDataset) -> list[dict]:
    "Measure what a model makes of attacked measurements, image by image."
    with frozen(model, z), torch.no_grad(): x_hat = model(z)
    got, target = (data.normalization.to_pixels(t, clamp=True) for t in (x_hat, x))
    values = {metric.__name__: metric(got, target) for metric in (mse, psnr, ssim)}
    values["error"] = squared_error(x_hat, x) / x[0].numel()
    return [{name: round(value[i].item(), 8) for name, value in values.items()} for i in range(len(x))]


def main() -> None:
    "Attack all networks with everything, all photographs in one batch."
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    data = SRDataset(sys.argv[1], crop=CROP, split="test")
    count = int(sys.argv[2]) if len(sys.argv) == 3 else 8
    y, x = data.batch(range(count))
    networks = {name: UNetSR.from_pretrained(name) for name in MODELS}
    weights = {name: fingerprint(model) for name, model in networks.items()}
    ways = [("none", 0.0, 0), *(("random_direction", e, 0) for e in RADII)]
    ways += [(attack, e, n) for attack in ATTACKS for e in RADII for n in PASSES]
    about = {"dataset": f"{data.root.name}/test", "photographs": count, "crop": CROP, "models": MODELS,
             "radii": RADII, "passes": PASSES, "seed": SEED}
    work = [(name, *way) for name in MODELS for way in ways]
    photos = {data.names[i]: data.fingerprint(i) for i in range(count)}
    with kept_memory(), Table(OUT, SCHEMA, about=about, weights=weights, photos=photos) as table:
        for name, attack, eps_rel, passes in progress(work, desc="attacking", unit="attack"):
            if (name, data.names[count - 1], eps_rel, attack, passes) in table.rows: continue
            eps = eps_from_rel(eps_rel, y)
            z = attacked(attack, networks[name], y, x, eps, passes)
            assert (z - y).flatten(1).norm(dim=1).max() <= eps * (1 + 1e-5)
            key = {"model": name, "scale": data.scale, "eps_rel": eps_rel, "attack": attack, "steps": passes,
                   "sigma_g": 0.0, "k": 0, "seed": SEED, "weights": weights[name]}
            rows = measured(networks[name], z, x, data)
            table.add(*(key | {"image": image, "photo": photo} | values
                        for (image, photo), values in zip(photos.items(), rows)))


if __name__ == "__main__": main()
