"""What users bring, right and wrong: models of every form, and image files of every mode and damage."""
import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn


class Form(nn.Module):
    "A network of a few weights that behaves in one of the ways of `FORMS`."
    def __init__(self, name: str):
        super().__init__()
        self.name = name
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.conv = nn.Conv2d(3, 3, 3, padding=1).to(torch.float32)
            self.norm = nn.BatchNorm2d(3).to(torch.float32)
        self.last: Tensor | None = None
        self.train(name == "training")
        if name == "half": self.half()
        if name == "double": self.double()

    def body(self, z: Tensor) -> Tensor:
        "Run the network as it is meant."
        return z + 0.1 * self.conv(z)

    def remembered(self, z: Tensor) -> Tensor:
        "Mix in the last output of that shape."
        before, self.last = self.last, self.body(z).detach()
        return self.body(z) if before is None or before.shape != z.shape else (self.body(z) + before) / 2

    def forward(self, z: Tensor) -> Any: return FORMS[self.name](self, z)


def _writes(net: Form, z: Tensor) -> Tensor:
    return net.body(z.mul_(0.5).add_(0.1))


def _thrifty(net: Form, z: Tensor) -> Tensor:
    "Do as the linear form does, and put all outputs of one shape into the same memory."
    if torch.is_grad_enabled() and z.requires_grad: return 0.8 * z
    if net.last is None or net.last.shape != z.shape: net.last = torch.empty_like(z)
    return net.last.copy_(0.8 * z)


def _raises(net: Form, z: Tensor) -> Tensor:
    raise ValueError("the model was trained for other photographs")


FORMS = {
    "plain": lambda net, z: net.body(z),
    "linear": lambda net, z: 0.8 * z,
    "one memory": _thrifty,
    "constant": lambda net, z: 0 * z + 0.25,
    "cut off": lambda net, z: net.body(z).detach(),
    "writes": _writes,
    "training": lambda net, z: z + 0.1 * net.norm(net.conv(z)),
    "double": lambda net, z: net.body(z.double()),
    "half": lambda net, z: net.body(z.half()),
    "random": lambda net, z: net.body(z) + 0.1 * torch.randn_like(z),
    "memory": lambda net, z: net.remembered(z),
    "batch": lambda net, z: net.body(z) - z.mean(0, keepdim=True),
    "sharp": lambda net, z: net.body(z).sign(),
    "nan": lambda net, z: net.body(z) * float("nan"),
    "nan where bright": lambda net, z: net.body(z).sub(0.5).neg().clamp(max=0.9).add(1e-3).sqrt(),
    "inf": lambda net, z: net.body(z) / 0,
    "one channel": lambda net, z: net.body(z)[:, :1],
    "short": lambda net, z: net.body(z)[..., 1:],
    "flat": lambda net, z: net.body(z).flatten(1),
    "first alone": lambda net, z: net.body(z)[:1],
    "integer": lambda net, z: net.body(z).mul(255).to(torch.uint8),
    "dictionary": lambda net, z: {"output": net.body(z)},
    "tuple": lambda net, z: (net.body(z), z),
    "scalar first": lambda net, z: (z.mean(), net.body(z)),
    "array": lambda net, z: net.body(z).detach().numpy(),
    "nothing": lambda net, z: None,
    "raises": _raises,
}
PLAIN = ("plain", "linear", "one memory", "constant", "cut off", "writes", "training", "sharp")  # all right
NEVER = ("nan", "inf", "integer", "nothing", "raises")  # none has any result
NO_IMAGES = (*NEVER, "flat", "short", "one channel")  # none has a result that could be held against x


def state_of(model: nn.Module) -> list:
    "Copy all that an attack must leave alone."
    tensors = [(name, t.clone()) for name, t in model.state_dict().items()]
    wanted = [p.requires_grad for p in model.parameters()]
    return [tensors, wanted, [m.training for m in model.modules()]]


def same_state(a: list, b: list) -> bool:
    "Compare two copies."
    return a[1:] == b[1:] and all(torch.equal(s, t) for (_, s), (_, t) in zip(a[0], b[0]))


MODES = ("1", "L", "P", "LA", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16",
         "I;16B")
KINDS = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "BMP": ".bmp", "GIF": ".gif", "WEBP": ".webp",
         "PPM": ".ppm"}
DAMAGE = ("none", "none", "none", "cut", "bytes", "empty", "text", "other name", "folder", "missing")


def picture(mode: str, width: int, height: int, seed: int) -> Image.Image:
    "Make an image of any mode that Pillow has."
    rng = np.random.default_rng(seed)
    if mode.startswith("I;16"):
        return Image.fromarray(rng.integers(0, 65536, (height, width), dtype=np.uint16)).convert(mode)
    rgb = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode == "LAB": return Image.merge("LAB", rgb.split())
    if mode == "PA": return rgb.convert("P").convert("PA")
    return rgb.convert(mode)


def encoded(image: Image.Image, kind: str) -> bytes:
    "Encode as wanted, or as PNG of RGB where Pillow has no such file."
    for attempt, form in ((image, kind), (image, "TIFF"), (image.convert("RGB"), "PNG")):
        out = io.BytesIO()
        try: attempt.save(out, form)
        except (OSError, KeyError, ValueError): continue
        return out.getvalue()
    raise AssertionError("RGB has a PNG")


def damaged(data: bytes, damage: str, seed: int) -> bytes:
    "Harm the bytes of a file."
    rng = np.random.default_rng(seed)
    if damage == "cut": return data[:int(rng.integers(0, len(data)))]
    if damage == "empty": return b""
    if damage == "text": return b"not an image\n" * 9
    if damage == "bytes":
        spoilt = bytearray(data)
        for i in rng.integers(0, len(data), 8): spoilt[i] = int(rng.integers(0, 256))
        return bytes(spoilt)
    return data


def put_file(folder: Path, name: str, image: Image.Image, kind: str, damage: str, seed: int) -> Path:
    "Write an image file, or what stands in its place."
    path = folder / f"{name}{'.png' if damage == 'other name' else KINDS[kind]}"
    if damage == "folder": path.mkdir()
    elif damage != "missing": path.write_bytes(damaged(encoded(image, kind), damage, seed))
    return path
