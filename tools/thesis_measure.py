"""Measure shipped networks with the yardstick of the thesis's code, beside ours.

    python tools/thesis_measure.py DATA [PHOTOGRAPHS]    writes data/results/thesis_measure.csv; goes on where it was interrupted

DATA holds photographs in the ImageNet-mini layout. All of its test split, or PHOTOGRAPHS of them (the study's random choice), are one batch,
as the thesis measured 128 at a time. Each network is attacked by PGD-10 and measured in four ways, one thing changed at a time (column `way`):

    ours            evaluation mode, float32; PSNR and SSIM of clamped pixels with data range 1, image by image
    training mode   batch normalisation takes the statistics of the batch, if the network has any
    half attack     besides, the attack follows a mean of the squared error over the batch, under 16-bit autocasting and without scaling
    thesis          besides, PSNR and SSIM of unclamped numbers in model space, with the data range that the batch happens to have
"""
import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
from tqdm import tqdm
from training_mode import batch_statistics

from rs_sr.attacks import pgd, project, random_in_ball
from rs_sr.physics import eps_from_rel
from rs_sr.data import SRDataset
from rs_sr.physics import Projection
from rs_sr.models import load_network
from rs_sr.runtime import frozen, kept_memory
from rs_sr.metrics import psnr, ssim
from rs_sr.runtime import atomic, provenance
from rs_sr.study import RADII, subset
from rs_sr.models import pretrained_models

OUT = Path(__file__).resolve().parent.parent / "data" / "results" / "thesis_measure.csv"
NETWORKS = ("unet-x4-standard", "edsr-x4-ssim-proj-adv0.02", "unet-x2-standard")
PART = 20  # photographs in memory at a time, where the batch does not have to be one


def shipped(name: str) -> tuple[nn.Module, int]:
    "A network as it is to be used, and its scale."
    config = json.loads((Path(sys.modules["rs_sr"].__file__).parent / "weights" / name / "training.json").read_text())["config"]
    net = load_network(name).to(memory_format=torch.channels_last)
    return nn.Sequential(Projection(config["scale"]), net).eval() if config.get("projected") else net, config["scale"]


def half_attack(model: nn.Module, y: Tensor, x: Tensor, eps: float, generator: torch.Generator, steps: int = 10) -> Tensor:
    "Ascend along what 16 bits leave of the gradient of a mean over the batch."
    e = random_in_ball(y, eps, generator=generator)
    for _ in range(steps):
        z = (y + e).requires_grad_()
        with torch.autocast(y.device.type, torch.float16): x_hat = model(z)
        gradient, = torch.autograd.grad(mse_loss(x_hat.float(), x), z)
        length = gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        e = project(e + 2.5 * eps / steps * gradient / length.clamp_min(1e-30), eps)
    return y + e


def measured(x_hat: Tensor, x: Tensor, pairs: SRDataset) -> dict[str, float]:
    "Means of what we report."
    pixels, target = (pairs.normalization.to_pixels(z, clamp=True) for z in (x_hat, x))
    return {"psnr": psnr(pixels, target).mean().item(), "ssim": ssim(pixels, target).mean().item()}


def measured_as_the_thesis(x_hat: Tensor, x: Tensor) -> dict[str, float]:
    "What metrics without a data range make of model space."
    return {"psnr": peak_signal_noise_ratio(x_hat, x, data_range=(x.max() - x.min()).item()).item(),
        "ssim": structural_similarity_index_measure(x_hat, x).item(), "range": max((z.max() - z.min()).item() for z in (x_hat, x))}


def measure(name: str, eps_rel: float, photographs: int, data: str) -> list[dict]:
    "All ways for one network and radius."
    f, scale = shipped(name)
    pairs = SRDataset(data, scale=scale, split="test")
    y, x = pairs.batch(subset(len(pairs), photographs))
    eps, odd, noise, answers, rows = eps_from_rel(eps_rel, y), batch_statistics(f), torch.Generator().manual_seed(0), [], []
    def keep(way, values): rows.append({"model": name, "scale": scale, "eps_rel": eps_rel, "way": way, "photographs": len(y), **values})
    with torch.no_grad(), frozen(f, y):
        for part in (slice(i, i + PART) for i in range(0, len(y), PART)):
            answers.append(f(pgd(f, y[part], x[part], eps, generator=noise) if eps_rel else y[part]))
    keep("ours", measured(torch.cat(answers), x, pairs))
    for way, attack in (("training mode", pgd), ("half attack", half_attack)):
        with frozen(odd):
            z = attack(odd, y, x, eps, generator=torch.Generator().manual_seed(0)) if eps_rel else y
            with torch.no_grad(): x_hat = odd(z)
        keep(way, measured(x_hat, x, pairs))
    keep("thesis", measured_as_the_thesis(x_hat, x))
    return rows


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    if missing := set(NETWORKS) - set(pretrained_models().name): sys.exit(f"the package ships no {', '.join(sorted(missing))}")
    begun, rows = time.time(), pd.read_csv(OUT).to_dict("records") if OUT.is_file() else []
    todo = [(n, r) for n in NETWORKS for r in (0.0, *RADII) if not any(row["model"] == n and row["eps_rel"] == r for row in rows)]
    with kept_memory():
        for name, eps_rel in tqdm(todo, unit="radius"):
            rows += measure(name, eps_rel, int(sys.argv[2]) if len(sys.argv) == 3 else 0, sys.argv[1])
            with atomic(OUT) as draft: pd.DataFrame(rows).to_csv(draft, index=False, float_format="%.6g")
            with atomic(OUT.with_suffix(".json")) as draft: draft.write_text(json.dumps({"seed": 0, "seconds": round(time.time() - begun), **provenance("cpu")}, indent=1) + "\n")
    print(pd.DataFrame(rows).pivot_table(index=["model", "way"], columns="eps_rel", values=["psnr", "ssim"], sort=False).round(3).to_string())
