"""Sends weights from PyTorch to inkgrad and back, and compares what each computes from them.

    travel.py [--images ../shared/data/large_subset/test_images.npy] [--inkgrad target/release/inkgrad]

For each model: random weights are saved by torch.save, imported, and the first 256 drawings are coded (or classified) by
both; then the run is exported and loaded with load_state_dict. Exits with 1 where a difference is above 1e-5 relative, or
a weight came back changed.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from torch_models import MODELS

# How the command line names each of torch_models' networks.
OPTIONS = {
    "cvae-both": ["cvae", "--condition", "both"],
    "classifier-cnn": ["classifier", "--arch", "cnn"],
}
TOLERANCE = 1e-5


def expected(name, network, images, labels):
    """PyTorch's outputs: a VAE's means, an autoencoder's latents, a classifier's probabilities."""
    with torch.no_grad():
        if name.startswith("classifier"):
            return torch.softmax(network(images), 1)
        if hasattr(network, "class_embedding"):
            return network.encoder(images, labels)[0]
        return network(images)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", default="../shared/data/large_subset/test_images.npy")
    parser.add_argument("--inkgrad", default="target/release/inkgrad")
    options = parser.parse_args()

    drawings = np.load(options.images)[:256]
    images = torch.from_numpy(drawings.reshape(-1, 1, 28, 28).astype(np.float32))
    images = images / 255 if images.max() > 1 else images
    labels = torch.arange(len(images)) % 5
    failures = 0
    for name, model in MODELS.items():
        torch.manual_seed(1)
        network = model.build().eval()
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            run, result = str(folder / "run"), str(folder / "result.npy")
            np.save(folder / "x.npy", drawings)
            np.save(folder / "labels.npy", labels.numpy())
            torch.save(network.state_dict(), folder / "weights.pth")

            def inkgrad(*arguments):
                subprocess.run([options.inkgrad, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)

            command, *variant = OPTIONS.get(name, [name])
            inkgrad("import", "--model", command, *variant, "--weights", folder / "weights.pth", "--out", run)
            if command == "classifier":
                inkgrad("classify", "--run", run, "--images", folder / "x.npy", "--out", result)
            else:
                seen = ["--labels", folder / "labels.npy"] if name == "cvae-both" else []
                inkgrad("encode", "--run", run, "--images", folder / "x.npy", "--out", result, *seen)
            inkgrad("export", "--run", run, "--out", folder / "back.safetensors")

            theirs = expected(name, network, images, labels).numpy()
            difference = np.abs(np.load(result) - theirs).max() / np.abs(theirs).max()
            back = model.build()
            back.load_state_dict(load_file(folder / "back.safetensors"))
            pairs = zip(network.state_dict().values(), back.state_dict().values(), strict=True)
            same = all(torch.equal(a, b) for a, b in pairs)
        good = difference <= TOLERANCE and same
        failures += not good
        print(f"{name:15} {difference:.1e}  {'the same weights came back' if same else 'weights changed'}", flush=True)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
