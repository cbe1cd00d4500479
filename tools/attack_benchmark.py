"""Compare attacks at equal passes: how much error each finds, photograph by photograph.

    python tools/attack_benchmark.py                writes data/results/attack_benchmark.csv; rerun to resume
    python tools/attack_benchmark.py --photos DATA  photographs of DATA/test instead of the embedded ones
    python tools/attack_benchmark.py --table        prints the means of what is there

A pass is one forward or one backward pass of the model for one photograph. All photographs of a network and
a radius are one batch, and the attacks take turns, so that a busy machine slows all of them down alike. To
compare with an earlier ensemble, run this file with an earlier `rs_sr` on the path, `--attacks ensemble` and
`--label NAME`, into the same table. `mse` and `psnr` are of clamped pixels; `error` is what attacks maximise.
"""
import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

import rs_sr.attacks as attacks
from rs_sr.data import SRDataset, sample_photos
from rs_sr.metrics import mse, psnr
from rs_sr.models import Interpolation, load_network
from rs_sr.physics import eps_from_rel
from rs_sr.runtime import Schema, Table, fingerprint, frozen, kept_memory, progress

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "attack_benchmark.csv"
MODELS = ("bicubic", "unet-x2-standard", "unet-x2-noise0.1", "unet-x2-noise0.4", "unet-x2-mixed0.4",
          "unet-x2-adv0.05", "unet-x2-proj-adv0.1", "unet-x4-adv0.1")
RADII, PASSES = (0.02, 0.05, 0.1), (50, 120, 200, 400)
ATTACKS = ("pgd thesis", "pgd", "apgd", "homotopy", "power_ascent", "ensemble")
COLUMNS = {"model": str, "image": str, "scale": int, "eps_rel": float, "attack": str, "passes": int,
           "seed": int, "weights": str, "error": float, "mse": float, "psnr": float, "seconds": float}
SCHEMA = Schema(COLUMNS, key=("model", "image", "eps_rel", "attack", "passes"))


def network(name: str) -> nn.Module:
    "Load shipped weights, or make the linear estimator, whose exact worst case is known."
    return Interpolation("bicubic", 2) if name == "bicubic" else load_network(name)


def found(attack: str, passes: int, model: nn.Module, y: Tensor, x: Tensor, eps: float, seed: int) -> Tensor:
    "Run an attack with so many passes."
    rng, steps = torch.Generator().manual_seed(seed), (passes - 1) // 2
    given = model, y, x, eps
    if attack == "exact": return model.unclamped_attack(y, x, eps)
    if attack == "ensemble": return attacks.attack_ensemble(*given, passes=passes, generator=rng).y
    if attack == "apgd": return attacks.apgd(*given, steps=steps, generator=rng)
    if attack == "pgd": return attacks.pgd(*given, steps=steps)
    if attack == "pgd thesis":
        return attacks.pgd(*given, steps=steps, step_size="constant", random_start=True, generator=rng)
    return getattr(attacks, attack)(*given, steps=steps)


def measured(model: nn.Module, z: Tensor, x: Tensor, data: SRDataset) -> list[dict[str, float]]:
    "Measure what a model makes of attacked measurements, image by image."
    with frozen(model, z), torch.no_grad(): x_hat = model(z)
    got, target = (data.normalization.to_pixels(t, clamp=True) for t in (x_hat, x))
    error = attacks.squared_error(x_hat, x) / x[0].numel()
    values = {"error": error, "mse": mse(got, target), "psnr": psnr(got, target)}
    return [{name: round(value[i].item(), 8) for name, value in values.items()} for i in range(len(x))]


def run(table: Table, name: str, data: SRDataset, options: argparse.Namespace, tick: Callable) -> None:
    "Attack one network with everything."
    model = network(name)
    weights = fingerprint(model)
    some = range(0, len(data), max(1, len(data) // options.count))[:options.count]
    y, x = data.batch(some)
    ways = [(attack, n) for n in options.passes for attack in options.attacks]
    if name == "bicubic": ways = [("exact", 0), *ways]
    for eps_rel, (attack, passes) in ((e, way) for e in options.radii for way in ways):
        tick()
        label = options.label or attack
        if all((name, data.names[i], eps_rel, label, passes) in table.rows for i in some): continue
        began = time.perf_counter()
        z = found(attack, passes, model, y, x, eps_from_rel(eps_rel, y), options.seed)
        seconds = round((time.perf_counter() - began) / len(y), 3)
        key = {"model": name, "scale": data.scale, "eps_rel": eps_rel, "attack": label, "passes": passes,
               "seed": options.seed, "weights": weights, "seconds": seconds}
        rows = measured(model, z, x, data)
        table.add(*(key | {"image": data.names[i]} | row for i, row in zip(some, rows)))


def show(path: Path) -> None:
    "Print means of the table: the error, relative to the worst that any attack found."
    import pandas as pd
    rows = pd.read_csv(path)
    worst = rows.groupby(["model", "image", "eps_rel"]).error.transform("max")
    rows = rows.assign(share=rows.error / worst)
    means = rows.pivot_table(index=["model", "eps_rel"], columns=["passes", "attack"], values="share")
    print(means.round(3).to_string())


def arguments() -> argparse.Namespace:
    "Read the command line."
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--photos", help="folder in the ImageNet-mini layout; default: the embedded ones")
    parser.add_argument("--models", nargs="+", default=MODELS)
    parser.add_argument("--attacks", nargs="+", default=ATTACKS)
    parser.add_argument("--radii", nargs="+", type=float, default=RADII)
    parser.add_argument("--passes", nargs="+", type=int, default=PASSES)
    parser.add_argument("--count", type=int, default=16, help="photographs")
    parser.add_argument("--crop", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", default="", help="name of the attack in the table, if only one is run")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--table", action="store_true", help="print the means and stop")
    options = parser.parse_args()
    if options.label and len(options.attacks) > 1: parser.error("--label names a single attack")
    return options


def main() -> None:
    "Attack all networks."
    options = arguments()
    if options.table: return show(options.out)
    photos = options.photos or sample_photos("test")
    about = {"dataset": Path(photos).name if options.photos else "embedded test photographs",
             "photographs": options.count, "crop": options.crop, "seed": options.seed}
    count = len(options.models) * len(options.radii) * len(options.attacks) * len(options.passes)
    bar = iter(progress(range(count + len(options.radii)), desc="attacking", unit="attack"))
    with kept_memory(), Table(options.out, SCHEMA, about=about) as table:
        for name in options.models:
            scale = 4 if "-x4-" in name else 2
            split = {"split": "test"} if options.photos else {}
            data = SRDataset(photos, scale, options.crop, **split)
            run(table, name, data, options, lambda: next(bar, None))


if __name__ == "__main__": main()
