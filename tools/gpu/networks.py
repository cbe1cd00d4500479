"""The networks that are trained on a GPU: a robust filter, and a network on top of it.

The filter is the best linear estimator against an attack of the same radius, fitted on the embedded
photographs before anything travels. The network begins at zero, so training begins at the filter, whose worst
case is known.
"""
import os
from functools import partial
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from rs_sr.data import SRDataset, sample_photos
from rs_sr.models import EDSR, AnySizeFilter, fit_filter

KINDS = ((2, 0.05), (4, 0.05), (2, 0.1), (4, 0.1))  # scale and radius, most wanted first
WHERE = "RS_SR_FILTERS"  # variable that names the file of filters


def fit_all(file: Path, images: int = 16, steps: int = 30) -> None:
    "Fit the filter of each kind, and write the gains."
    gains = {}
    for scale, eps_rel in KINDS:
        photos = SRDataset(sample_photos("train"), scale=scale, crop=160)
        found = fit_filter(photos, eps_rel, images=images, steps=steps, modes=("bilinear",))
        gains[f"{scale} {eps_rel}"] = found.gains.contiguous()
    save_file(gains, file)


class FilterPlusNetwork(nn.Module):
    "Add what a network makes of a measurement to what a filter makes of it."
    def __init__(self, filter: AnySizeFilter, network: EDSR):
        super().__init__()
        self.filter = filter
        self.network = network

    def forward(self, y: Tensor) -> Tensor: return self.filter(y) + self.network(y) - y


def filter_plus_edsr(scale: int, eps_rel: float, channels: int = 96, blocks: int = 12) -> FilterPlusNetwork:
    "Put an EDSR on top of a fitted filter."
    gains = load_file(os.environ[WHERE])[f"{scale} {eps_rel}"]
    filter = AnySizeFilter(gains, scale, eps_rel=eps_rel)
    return FilterPlusNetwork(filter, EDSR(channels, blocks, scale))


# by name, for `rs_sr_train --model networks:NAME`
x2_at_5 = partial(filter_plus_edsr, 2, 0.05)
x4_at_5 = partial(filter_plus_edsr, 4, 0.05)
x2_at_10 = partial(filter_plus_edsr, 2, 0.1)
x4_at_10 = partial(filter_plus_edsr, 4, 0.1)
tiny = partial(filter_plus_edsr, 2, 0.05, channels=4, blocks=1)
