"""Measure shipped networks with the yardstick of the thesis's code, beside ours.

    python tools/thesis_measure.py DATA [PHOTOGRAPHS]    writes data/results/thesis_measure.csv; goes on where it was interrupted

DATA holds photographs in the ImageNet-mini layout; all of the test split, or the first PHOTOGRAPHS of the study's random order, are one
batch, as the thesis measured 128 at a time. Each network is attacked by PGD-10 and measured in four ways, from ours to the thesis's, one
thing changed at a time (column `way`):

    ours            evaluation mode, float32; PSNR and SSIM of clamped pixels, data range 1, image by image
    training mode   batch normalisation takes the statistics of the batch
    half attack     besides, the attack follows the mean of the squared error over the batch, under 16-bit autocasting and without scaling
    thesis          besides, PSNR and SSIM of unclamped numbers in model space, with the data range that the batch happens to have
"""
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

from rs_sr.attacks import eps_from_rel, pgd, project, random_in_ball
from rs_sr.data import SRDataset
from rs_sr.edsr import load_network
from rs_sr.inference import frozen, kept_memory
from rs_sr.metrics import psnr, ssim
from rs_sr.records import atomic, provenance
from rs_sr.study import RADII, subset

OUT = Path(__file__).resolve().parent.parent / "data" / "results" / "thesis_measure.csv"
NETWORKS = {"unet-x2-standard": 2, "unet-x2-adv0.02": 2, "unet-x4-standard": 4, "unet-x4-adv0.1": 4}
PART = 20  # photographs that a pass holds in memory, where the batch does not have to be one


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
    "What a metric without a data range makes of model space."
    return {"psnr": peak_signal_noise_ratio(x_hat, x, data_range=(x.max() - x.min()).item()).item(),
        "ssim": structural_similarity_index_measure(x_hat, x).item(), "range": max((z.max() - z.min()).item() for z in (x_hat, x))}


def measure(name: str, eps_rel: float, images: list[int], pairs: SRDataset) -> list[dict]:
    "All ways for one network and radius."
    f = load_network(name).to(memory_format=torch.channels_last)
    y, x = pairs.batch(images)
    eps, odd, rows = eps_from_rel(eps_rel, y), batch_statistics(f), []
    start = lambda: torch.Generator().manual_seed(0)
    def keep(way, values): rows.append({"model": name, "scale": pairs.scale, "eps_rel": eps_rel, "way": way, "photographs": len(images), **values})
    with torch.no_grad(), frozen(f, y):
        parts = [slice(i, i + PART) for i in range(0, len(y), PART)]
        noise = start()
        answers = []
        for p in parts:
            z = y[p] if not eps_rel else pgd(f, y[p], x[p], eps, generator=noise)
            answers.append(f(z))
    keep("ours", measured(torch.cat(answers), x, pairs))
    with frozen(odd):
        attacked = pgd(odd, y, x, eps, generator=start()) if eps_rel else y
        with torch.no_grad(): keep("training mode", measured(odd(attacked), x, pairs))
        weak = half_attack(odd, y, x, eps, start()) if eps_rel else y
        with torch.no_grad(): x_hat = odd(weak)
    keep("half attack", measured(x_hat, x, pairs))
    keep("thesis", measured_as_the_thesis(x_hat, x))
    return rows


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3): sys.exit(__doc__)
    wanted, begun = int(sys.argv[2]) if len(sys.argv) == 3 else 0, time.time()
    rows = pd.read_csv(OUT).to_dict("records") if OUT.is_file() else []
    todo = [(n, r) for n in NETWORKS for r in (0.0, *RADII) if not any(row["model"] == n and row["eps_rel"] == r for row in rows)]
    with kept_memory():
        for name, eps_rel in tqdm(todo, unit="radius"):
            pairs = SRDataset(sys.argv[1], scale=NETWORKS[name], split="test")
            rows += measure(name, eps_rel, subset(len(pairs), wanted), pairs)
            with atomic(OUT) as draft: pd.DataFrame(rows).to_csv(draft, index=False, float_format="%.6g")
    if todo:
        from json import dumps
        with atomic(OUT.with_suffix(".json")) as draft: draft.write_text(dumps({"seed": 0, "seconds": round(time.time() - begun), **provenance("cpu")}, indent=1) + "\n")
    print(pd.DataFrame(rows).pivot_table(index=["model", "way"], columns="eps_rel", values=["psnr", "ssim"], sort=False).round(3).to_string())
