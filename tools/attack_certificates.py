"""Try to break certificates by the strongest attacks: a thousand triples of photograph, radius and attack.

    python tools/attack_certificates.py FOLDER    certifies and attacks in FOLDER, resumable, and writes
        data/results/certificates_strong.csv.xz and .json: for each triple the smallest margin

Twenty-one embedded photographs, eight radii from a quarter of the noise level to two of them, six attacks of
`rs_sr.certificates.ATTACK_SETS["strong"]`. The margin is attacked PSNR minus certified PSNR, of the estimator
that is closest to being broken; a bound counts as broken only if the confidence limit of the attacked error
is beyond it.
"""
import json
import sys
from pathlib import Path

from rs_sr.certificates import PSNR_DB, certify_dataset, count_violations, violations
from rs_sr.data import SRDataset, sample_photos
from rs_sr.models import UNetSR
from rs_sr.runtime import provenance

RESULTS = Path(__file__).resolve().parents[1] / "data" / "results"
NETWORK, SIGMA_G, CROP, IMAGES, SEED = "unet-x2-noise0.1", 0.1, 32, 21, 0
RATIOS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)  # radii in noise levels
CERTIFIED = {"k": 2000, "draws": 50, "seed": SEED}
ATTACKED = {"attacks": "strong", "steps": 20, "attack_k": 8, "fresh": 100, "draws": 50, "seed": SEED}


def measured(folder: Path, images: int):  # -> DataFrame of `violations`
    "Certify and attack, or read what is there."
    models = {NETWORK: UNetSR.from_pretrained(NETWORK)}
    dataset = SRDataset(sample_photos("test"), scale=2, crop=CROP)
    chosen = range(len(dataset))[:images]
    radii = [ratio * SIGMA_G for ratio in RATIOS]
    frame = certify_dataset(models, dataset, SIGMA_G, radii, images=chosen, out=folder / "certified.csv",
                            **CERTIFIED)
    return violations(frame, models, dataset, images=chosen, out=folder / "attacked.csv", **ATTACKED)


def triples(attacked):  # -> DataFrame: image, radius, attack, margin (dB), violated
    "Keep the estimator that is closest to being broken."
    rows = attacked[attacked.quantity == PSNR_DB]
    rows = rows.assign(margin=(rows.attacked - rows.certified).round(3))
    found = rows.groupby(["image", "radius", "attack"], as_index=False)
    return found.agg(margin=("margin", "min"), violated=("violated", "any"))


def main(folder: Path, images: int = IMAGES) -> None:
    "Write the table, and say what was found."
    attacked = measured(folder, images)
    table, counts = triples(attacked), count_violations(attacked).iloc[-1]
    about = {"network": NETWORK, "sigma_g": SIGMA_G, "scale": 2, "crop": CROP, "images": images,
             "ratios": RATIOS, "certified": CERTIFIED, "attacked": ATTACKED,
             "comparisons": int(counts["comparisons"]),
             "violated comparisons": int(counts["violated comparisons"]), **provenance("cpu")}
    table.to_csv(RESULTS / "certificates_strong.csv.xz", index=False)
    (RESULTS / "certificates_strong.json").write_text(json.dumps(about, indent=1) + "\n")
    broken, least = int(table.violated.sum()), table.margin.min()
    print(f"{len(table)} triples, {counts['comparisons']} comparisons, {broken} broken; "
          f"smallest margin {least:.2f} dB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
