"""Store the pictures of notebooks in fewer bytes, without a difference that a reader would see.

    python tools/site/lighter.py [NOTEBOOK...]            say what could be saved (default: all notebooks)
    python tools/site/lighter.py --write [NOTEBOOK...]    save it

Of a picture stored both as PNG and as JPEG the smaller one stays. Pictures wider than a page are shrunk to
its width. Then a photograph becomes a JPEG; a chart, whose letters a JPEG would blur, a PNG of 64 colours, or
of 256 if those come too far from it. A picture changes only if that saves an eighth of it, so a second run
finds nothing. Of the plain text behind a table in HTML, which no page shows, the beginning stays.
"""
import base64
import io
import json
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

NBS = Path(__file__).resolve().parents[2] / "nbs"
WIDEST = 1000  # pixels; the column of a page is narrower
QUALITY = 80
FAITHFUL = 40  # dB: colours that come closer than this show a chart, not a photograph
SAVED = 0.875  # a picture changes only if it becomes this small a part of itself
KINDS = ("image/png", "image/jpeg")
PLAIN = 1200  # characters of the plain text behind a table


def on_white(image: Image.Image) -> Image.Image:
    "Put a picture on white, in RGB, no wider than a page."
    image = image.convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(page, image).convert("RGB")
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    return image


def bytes_of(image: Image.Image, kind: str, **options) -> bytes:
    "Encode a picture."
    out = io.BytesIO()
    image.save(out, kind, optimize=True, **options)
    return out.getvalue()


def few_colours(image: Image.Image) -> Image.Image:
    "Map a picture to its 256 most common colours, which keeps areas exact."
    red, green, blue = np.moveaxis(np.asarray(image).astype(np.uint32), -1, 0)
    numbers, counts = np.unique(red << 16 | green << 8 | blue, return_counts=True)
    common = numbers[np.argsort(-counts)[:256]]
    palette = Image.new("P", (1, 1))
    channels = np.stack([common >> 16, common >> 8 & 255, common & 255], -1)
    palette.putpalette(channels.astype(np.uint8).tobytes())
    return image.quantize(palette=palette, dither=Image.Dither.NONE)


def closeness(image: Image.Image, few: Image.Image) -> float:
    "PSNR in dB."
    error = np.square(np.asarray(image, float) - np.asarray(few.convert("RGB"), float)).mean()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def encoded(image: Image.Image) -> tuple[str, bytes]:
    "Encode a picture as what it is, a chart or a photograph."
    photograph = bytes_of(image, "JPEG", quality=QUALITY, progressive=True)
    fewest = image.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    for few in (fewest, few_colours(image)):
        chart = bytes_of(few, "PNG")
        if closeness(image, few) > FAITHFUL and 0.75 * len(chart) < len(photograph):
            return "image/png", chart
    return "image/jpeg", photograph


def lighter(data: dict) -> dict:
    "Return the pictures of one output in fewer bytes, or as they are."
    stored = {kind: base64.b64decode("".join(data[kind])) for kind in KINDS if kind in data}
    kind = min(stored, key=lambda k: len(stored[k]))
    image, text = Image.open(io.BytesIO(stored[kind])), data[kind]
    if kind == "image/png" or image.width > WIDEST:
        made, code = encoded(on_white(image))
        if len(code) < SAVED * len(stored[kind]):
            kind, text = made, base64.b64encode(code).decode()
    return {key: value for key, value in data.items() if key not in KINDS} | {kind: text}


def shorter(data: dict) -> dict:
    "Cut the plain text behind a table."
    text = "".join(data["text/plain"])
    if len(text) <= PLAIN + 100:
        return data
    return data | {"text/plain": f"{text[:PLAIN].rstrip()} ...".splitlines(keepends=True)}


def size(data: dict) -> int:
    "Count the bytes of one output, as they are stored."
    return sum(len("".join(value)) for value in data.values())


def of_notebook(path: Path, write: bool) -> int:
    "Make the pictures of one notebook lighter; return the bytes saved."
    nb = json.loads(path.read_text(encoding="utf-8"))
    saved = 0
    for output in (o for cell in nb["cells"] for o in cell.get("outputs", [])):
        data = output.get("data", {})
        if any(kind in data for kind in KINDS):
            output["data"] = lighter(data)
        elif {"text/html", "text/plain"} <= set(data):
            output["data"] = shorter(data)
        saved += size(data) - size(output.get("data", {}))
    if write and saved:
        path.write_text(json.dumps(nb, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return saved


def main() -> None:
    "Go through the notebooks."
    names = [name for name in sys.argv[1:] if name != "--write"]
    write, total = "--write" in sys.argv, 0
    for path in map(Path, names) if names else sorted(NBS.rglob("[!_.]*.ipynb")):
        if saved := of_notebook(path, write):
            print(f"{path}: {saved / 1000:.0f} kB")
            total += saved
    print(f"{total / 1000:.0f} kB {'saved' if write else 'could be saved; --write saves them'}")


if __name__ == "__main__":
    main()
