"""Try to break certificates by the strongest attacks: thousands of triples of photograph, radius and attack.

    python tools/attack_certificates.py FOLDER    certifies and attacks in FOLDER, resumable, and writes
        data/results/certificates_strong.csv.xz and .json: for each triple the smallest margin

Four kinds of certificates, on crops of embedded photographs. A smoothed network, attacked by all of
`rs_sr.certificates.ATTACK_SETS["strong"]` at radii of a quarter of its noise level to two of them: the margin
is attacked PSNR minus certified PSNR of the estimator that is closest to being broken, and a bound counts as
broken only if the confidence limit of the attacked error is beyond it. A linear filter, whose certificate is
its exact worst case, attacked like a network at radii from 0.01 to 0.2. The same filter with a Lipschitz
network that moves as far as its constant allows: its layers are isometries. It need not be good to be broken.
And the smoothed network with a control variate, deployed with 50 draws, at the radii of the first kind; what
is attacked is the network's mean over a few antithetic pairs, in which the linear effect of noise cancels,
too. A margin below 0 counts as broken, though each use may fail with probability alpha.
"""
import json
import sys
from pathlib import Path

import pandas as pd
import torch

from rs_sr.attacks import attack_ensemble, erase, homotopy, pgd, power_ascent
from rs_sr.certificates import PSNR_DB, Controlled, certify_controlled, certify_dataset, certify_linear
from rs_sr.certificates import certify_lipschitz, count_violations, deploy_controlled, fit_control, violations
from rs_sr.data import SRDataset, sample_photos
from rs_sr.metrics import psnr
from rs_sr.models import Defence, LipschitzNet, LipschitzOnFilter, UNetSR
from rs_sr.physics import IMAGENET_MINI, eps_from_rel
from rs_sr.runtime import draw_seeds, progress, provenance
from rs_sr.smoothing import SmoothedModel

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
NETWORK, FILTER, SIGMA_G, CROP, SEED = "unet-x2-noise0.1", "sr-x2-robust-0.05", 0.1, 32, 0
SMOOTHED, PROVED, CONTROLLED = 4, 28, 12  # photographs
AVERAGED = 8  # draws in the mean that stands for the estimator with a control variate when it is attacked
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)  # radii of the smoothed network in noise levels
RADII = (0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.2)  # relative radii of the filter and of the network on it
CONSTANT = 0.2  # of that network, pixels for each model unit: as much as a pixel is of a unit
CERTIFIED = {"k": 2000, "draws": 50, "seed": SEED}
ATTACKED = {"attacks": "strong", "steps": 16, "attack_k": 4, "fresh": 100, "draws": 50, "seed": SEED}
STEPS, PASSES = 12, 40  # of the attacks on the filter
ROUNDING = 2e-3  # dB: the filter's worst case is exact, and an attack may reach it


def smoothed(photos: SRDataset, folder: Path):  # -> DataFrame of `violations`
    "Certify and attack a smoothed network, or read what is there."
    models = {NETWORK: UNetSR.from_pretrained(NETWORK)}
    radii = [ratio * SIGMA_G for ratio in RATIOS]
    chosen = range(SMOOTHED)
    frame = certify_dataset(models, photos, SIGMA_G, radii, images=chosen, out=folder / "certified.csv",
                            **CERTIFIED)
    return violations(frame, models, photos, images=chosen, out=folder / "attacked.csv", **ATTACKED)


def closest(attacked):  # -> DataFrame: certificate, image, radius, attack, margin (dB), violated
    "Keep the estimator that is closest to being broken."
    rows = attacked[(attacked.quantity == PSNR_DB) & (attacked.attack != "none")]
    rows = rows.assign(margin=(rows.attacked - rows.certified).round(3), certificate="smoothed network")
    found = rows.groupby(["certificate", "image", "radius", "attack"], as_index=False)
    return found.agg(margin=("margin", "min"), violated=("violated", "any"))


def attacks_on(model, y, x, eps: float) -> dict:
    "Attack an estimator that draws nothing."
    found = {"pgd": pgd(model, y, x, eps, steps=STEPS), "homotopy": homotopy(model, y, x, eps, steps=STEPS),
             "power_ascent": power_ascent(model, y, x, eps, steps=STEPS),
             "ensemble": attack_ensemble(model, y, x, eps, passes=PASSES,
                                         generator=torch.Generator().manual_seed(SEED)).y}
    erased = erase(y, eps)
    return found if erased is None else found | {"erase": erased}


def proved(photos: SRDataset, name: str, model, certify):  # -> DataFrame as from `closest`
    "Certify and attack an estimator that draws nothing."
    rows = []
    for i in progress(range(PROVED), desc=name, unit="photo"):
        y, x = photos.batch([i])
        for eps in (eps_from_rel(radius, y) for radius in RADII):
            (bound,) = certify(model, y, x, [eps])
            for attack, z in attacks_on(model, y, x, eps).items():
                with torch.no_grad(): x_hat = model(z)
                pixels = (IMAGENET_MINI.to_pixels(t, clamp=True) for t in (x_hat, x))
                margin = float(psnr(*pixels)) - bound.value
                named = {"certificate": name, "image": photos.names[i], "attack": attack}
                rows.append(named | {"radius": round(eps, 6), "margin": round(margin, 3),
                                     "violated": margin < -ROUNDING})
    return pd.DataFrame(rows)


def controlled(photos: SRDataset):  # -> DataFrame as from `closest`
    "Certify and attack the smoothed network with a control variate."
    network, others = UNetSR.from_pretrained(NETWORK), SRDataset(sample_photos("train"), scale=2, crop=CROP)
    model = Controlled(network, fit_control(network, others.batch(range(len(others)))[0], SIGMA_G, period=2))
    target, rows = SmoothedModel(network, SIGMA_G, AVERAGED, seed=SEED), []
    seeds = draw_seeds(SEED, CERTIFIED["draws"])
    for i in progress(range(CONTROLLED), desc="control variate", unit="photo"):
        y, x = photos.batch([i])
        pixels = IMAGENET_MINI.to_pixels(x, clamp=True)
        bounds = certify_controlled(model, y, x, SIGMA_G, [t * SIGMA_G for t in RATIOS], means=(1,),
                                    **CERTIFIED)
        for bound in (b for b in bounds if b.recipe and b.status == "certified"):
            deployed = deploy_controlled(model, bound)
            for attack, z in attacks_on(target, y, x, bound.radius).items():
                margin = float(psnr(deployed.reconstruct(z, seeds), pixels)) - bound.value
                rows.append({"certificate": "control variate", "image": photos.names[i], "attack": attack,
                             "radius": round(bound.radius, 6), "margin": round(margin, 3),
                             "violated": margin < 0})
    return pd.DataFrame(rows)


def with_network(linear) -> LipschitzOnFilter:
    "Put a network on a filter whose layers shorten nothing."
    torch.manual_seed(SEED)
    model = LipschitzOnFilter(linear, LipschitzNet()).eval()
    model.network.log_constant.data.fill_(CONSTANT).log_()
    return model


def main(folder: Path) -> None:
    "Write the table, and say what was found."
    photos = SRDataset(sample_photos("test"), scale=2, crop=CROP)
    attacked = smoothed(photos, folder)
    linear = Defence.from_pretrained(FILTER).second
    table = pd.concat([closest(attacked), proved(photos, "linear filter", linear, certify_linear),
                       proved(photos, "Lipschitz network", with_network(linear), certify_lipschitz),
                       controlled(photos)])
    counts = count_violations(attacked).iloc[-1]
    about = {"network": NETWORK, "filter": FILTER, "sigma_g": SIGMA_G, "scale": 2, "crop": CROP,
             "ratios": RATIOS, "eps_rel": RADII, "constant": CONSTANT, "certified": CERTIFIED,
             "attacked": ATTACKED, "comparisons": int(counts["comparisons"]),
             "violated comparisons": int(counts["violated comparisons"]), **provenance("cpu")}
    table.to_csv(RESULTS / "certificates_strong.csv.xz", index=False)
    (RESULTS / "certificates_strong.json").write_text(json.dumps(about, indent=1) + "\n")
    print(table.groupby("certificate").agg(triples=("margin", "size"), broken=("violated", "sum"),
                                           smallest=("margin", "min")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
