"""Show that the library still computes what it computed at an older revision, bit for bit.

    python tools/checks/same_outputs.py 67715e8

Both revisions run the same few lines in processes of their own, with one thread: measurements of embedded
photographs, every shipped network with and without its inference form, PGD and APGD, the smoothed estimate,
and the exact worst case of interpolation. Names are looked up wherever a revision keeps them. What differs is
named, and the exit status is 1.
"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = '''
import hashlib, importlib, json, pkgutil, sys
from pathlib import Path
import torch, rs_sr
torch.set_num_threads(1)
assert Path(rs_sr.__file__).is_relative_to(Path.cwd()), "another installation of rs_sr is in the way"

def find(name):
    "Look a public name up in the modules of this revision."
    for found in sorted(pkgutil.walk_packages(rs_sr.__path__, "rs_sr."), key=lambda m: m.name.count(".")):
        if not found.name.endswith(("_modidx", "entry")):
            module = importlib.import_module(found.name)
            if name in getattr(module, "__all__", ()):
                return getattr(module, name)
    raise KeyError(name)

def digest(*tensors):
    "Name the bits of tensors."
    parts = [t.detach().contiguous().numpy().tobytes() for t in tensors]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]

def generator():
    return torch.Generator().manual_seed(0)

frozen, load, eps_of = find("frozen"), find("load_network"), find("eps_from_rel")
pairs = {scale: find("SRDataset")(find("sample_photos")("test"), scale=scale) for scale in (2, 4)}
found = {f"measurements x{scale}": digest(*data.batch(range(0, 28, 9))) for scale, data in pairs.items()}
for folder in sorted(Path(rs_sr.__file__).parent.glob("weights/*/training.json")):
    card = json.loads(folder.read_text())["config"]
    name = folder.parent.name
    f, (y, _) = load(name), pairs[card["scale"]].batch([3])
    with torch.no_grad():
        found[name] = digest(f(y))
        with frozen(f, y):
            found[f"{name}, inference form"] = digest(f(y))
y, x = (t[..., :48, :48].contiguous() for t in pairs[2].batch([3, 9]))
eps, f = eps_of(0.05, y), load("unet-x2-adv0.05")
# the attack of the thesis, spelled out: the default of `pgd` is another one since then
found["PGD"] = digest(find("pgd")(f, y, x, eps, steps=10, step_size=eps * 2.5 / 10, random_start=True,
                                  generator=generator()))
found["APGD"] = digest(find("apgd")(f, y, x, eps, steps=15, generator=generator()))
found["smoothed"] = digest(find("SmoothedModel")(f, 0.1, 8, seed=1)(y))
bicubic = find("Interpolation")("bicubic", 2)
found["exact worst case"] = digest(bicubic(y), bicubic.attack(y, x, eps))
print(json.dumps(found))
'''


def outputs(folder: Path) -> dict[str, str]:
    "Run the program on the package in a folder."
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(folder)!r})\n{PROGRAM}"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    "Compare this checkout with a revision."
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "archive", sys.argv[1], "rs_sr"]
        tree = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=tree, check=True)
        before = outputs(Path(folder))
    now = outputs(ROOT)
    different = [name for name, bits in before.items() if now.get(name) != bits]
    print(f"{len(before) - len(different)} of {len(before)} outputs are the same, bit for bit")
    for name in different:
        print(f"different: {name}")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
