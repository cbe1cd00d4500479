"""Pack what a borrowed machine lacks into one ignored folder: photographs, small Python packages, filters.

    python tools/gpu/pack.py PHOTOGRAPHS                     writes .gpu/ (at most 28 MB) and prints its size
    python tools/gpu/pack.py PHOTOGRAPHS --results FOLDER    also what an earlier run left, so that it goes on

PHOTOGRAPHS is a folder in the layout of ImageNet mini: train/, and val/ and test/ of other photographs. The
files of val/ and test/ travel all, unchanged; those of train/, in an order that mixes all folders, until
19 MB are reached, whatever else travels, since a training run resumes with the same photographs only. They
are one file, `photos.zip`, whose entries are stored as they are. A package becomes a wheel from what is
installed here, without a network; it must be pure Python. `machine.txt` lists what the machine has.
"""
import argparse
import hashlib
import io
import shutil
import tarfile
import zipfile
from fnmatch import fnmatch
from importlib.metadata import Distribution, distribution
from pathlib import Path

from networks import fit_all

from rs_sr.runtime import provenance

PACKAGES = ("fastcore",)
LIMIT, PHOTOS = 28.0, 19.0  # MB, of everything and of the photographs
SPLITS = ("test", "val", "train")  # most needed first
KINDS = {".jpg", ".jpeg", ".png"}
SHOWN = argparse.RawDescriptionHelpFormatter
MARGIN = 200  # bytes of a zip file for each entry, beside its name


def wheel(package: str, folder: Path) -> Path:
    "Make a wheel of an installed package."
    found: Distribution = distribution(package)
    if "Root-Is-Purelib: true" not in (found.read_text("WHEEL") or ""):
        raise ValueError(f"{package} is not pure Python; the machine must have it")
    out = folder / f"{package}-{found.version}-py3-none-any.whl"
    own = {"INSTALLER", "REQUESTED", "direct_url.json"}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as whl:
        for file in found.files or ():
            if ".." in file.parts or file.suffix == ".pyc" or file.name in own: continue
            whl.write(file.locate(), str(file))
    return out


def mixed(files: list[Path]) -> list[Path]:
    "Order files by a hash of their names: the same everywhere, and any beginning is a fair sample."
    return sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).hexdigest())


def photographs(root: Path, out: Path, room: float, most: int | None = None) -> dict[str, int]:
    "Store photographs in one file until the room (bytes) is used up: how many there are of each split."
    counts = dict.fromkeys(SPLITS, 0)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as photos:
        for split in SPLITS:
            files = [f for f in (root / split).rglob("*") if f.suffix.lower() in KINDS]
            for file in mixed(files)[:most]:
                name = file.relative_to(root).as_posix()
                room -= file.stat().st_size + 2 * len(name) + MARGIN
                if room < 0 and split == "train": return counts
                if room < 0: raise ValueError(f"{split}/ is larger than {PHOTOS:g} MB; leave some out")
                photos.write(file, name)
                counts[split] += 1
    return counts


def size(folder: Path) -> int:
    "Add up the bytes of a folder."
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def earlier(results: Path, out: Path, leave_out: str = "") -> None:
    "Pack again what an earlier run left, without files whose names match a pattern."
    out.mkdir()
    parts = sorted(results.glob("results.tar.gz.*"))
    joined = io.BytesIO(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(fileobj=joined) as old, tarfile.open(out / "results.tar.gz.0", "w:gz") as new:
        for entry in old:
            if not fnmatch(Path(entry.name).name, leave_out): new.addfile(entry, old.extractfile(entry))


def pack(root: Path, out: Path, results: Path | None = None, most: int | None = None,
         leave_out: str = "") -> dict[str, int]:
    "Fill the folder that travels: how many photographs there are of each split."
    shutil.rmtree(out, ignore_errors=True)
    (out / "wheels").mkdir(parents=True)
    for package in PACKAGES: wheel(package, out / "wheels")
    origin = provenance()
    (out / "commit.txt").write_text(origin["commit"] + " and changes" * origin["changed"] + "\n")
    if results: earlier(results, out / "results", leave_out)
    fit_all(out / "filters.safetensors", **({"images": 2, "steps": 2} if most else {}))
    counts = photographs(root, out / "photos.zip", PHOTOS * 1e6, most)
    if size(out) > LIMIT * 1e6:
        raise ValueError(f"{out} takes {size(out) / 1e6:.1f} MB of {LIMIT:g}; leave out what no step "
                         "needs any more, such as --leave_out '*.safetensors' once all networks are judged")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=SHOWN)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--out", type=Path, default=Path(".gpu"))
    parser.add_argument("--results", type=Path, help="folder that an earlier run left")
    parser.add_argument("--most", type=int, help="of each split, and filters in a hurry: for a rehearsal")
    parser.add_argument("--leave_out", default="", help="of those results, such as '*.safetensors'")
    given = parser.parse_args()
    counts = pack(given.photographs, given.out, given.results, given.most, given.leave_out)
    print(f"{given.out}: {size(given.out) / 1e6:.1f} MB, photographs: "
          + ", ".join(f"{split} {n}" for split, n in counts.items()))
