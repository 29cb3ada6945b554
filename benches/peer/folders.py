"""Compares the scores of `inkgrad score` for two folders of pictures with torch-fidelity's and clean-fid's.

    cargo build --release && pip install torch torchvision torch-fidelity clean-fid scipy safetensors numpy pillow
    python benches/peer/folders.py [--pictures 1000] [--size 64x48] [--jpeg] [--peers torch-fidelity,clean,legacy_pytorch]

InceptionV3 has the same random weights on all sides: nothing is downloaded. torch-fidelity runs its own network, and so does
clean-fid's mode legacy_pytorch (pytorch-fid's); its mode clean has its network as a file of TorchScript to download, so that
pytorch-fid's takes its place, behind clean-fid's reading, resizing and scaling to (v - 128) / 128. legacy_tensorflow resizes within
the file of TorchScript, by torch-fidelity's rule.

Peers take the means of their features in f32 and square roots of products of covariances, which have no full rank where pictures
are fewer than 2,048. `exact` is the Fréchet distance of a peer's own features without either: |μ₁ - μ₂|² + tr Σ₁ + tr Σ₂ - 2 |A₁A₂ᵀ|
in f64, where A are the centred features over √(n - 1) and |·| is the sum of singular values, which is tr √(Σ₁Σ₂).
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
RULES = {"torch-fidelity": "tf1", "clean": "bicubic", "legacy_pytorch": "half-pixel"}


def draw(folder, count, size, seed, jpeg):
    """Pictures in colour with edges, surfaces at black and white, and noise; `seed` shifts their colours too."""
    folder.mkdir()
    height, width = size
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        picture = np.full((height, width, 3), rng.uniform(-0.2, 1.0, 3) + 0.1 * seed)
        for _ in range(4):
            centre, radius = rng.uniform(0, 1, 2) * size, rng.uniform(0.1, 0.4) * min(size)
            picture[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.uniform(-0.3, 1.3, 3)
        picture += rng.normal(0, rng.uniform(0, 0.1), picture.shape)
        image = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
        image.save(folder / f"{i:05}.jpg", quality=90) if jpeg and i % 2 else image.save(folder / f"{i:05}.png")


def weights():
    """Those of FID's variant; activations keep their size from layer to layer."""
    model = torchvision.models.Inception3(num_classes=1008, aux_logits=False, transform_input=False, init_weights=False)
    generator = torch.Generator().manual_seed(7)
    state = model.state_dict()
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        drawn = torch.rand(tensor.shape, generator=generator) * 2 - 1
        if tensor.dim() > 1:
            drawn *= (6 / tensor[0].numel()) ** 0.5
        elif name.endswith(("bn.weight", "bn.running_var")):
            drawn = 1 + 0.25 * drawn
        else:
            drawn *= 0.1
        state[name] = drawn
    return state


def exact(real, made):
    real, made = real.astype(np.float64), made.astype(np.float64)
    m1, m2 = real.mean(0), made.mean(0)
    a1, a2 = (real - m1) / (len(real) - 1) ** 0.5, (made - m2) / (len(made) - 1) ** 0.5
    singular = np.linalg.svd(a1 @ a2.T, compute_uv=False).sum()
    return float(((m1 - m2) ** 2).sum() + (a1**2).sum() + (a2**2).sum() - 2 * singular)


def torch_fidelity(real, made, state, folder):
    import torch_fidelity
    from torch_fidelity import metric_fid

    path = folder / "weights.pth"
    torch.save(state, path)
    seen, original = [], metric_fid.fid_features_to_statistics
    metric_fid.fid_features_to_statistics = lambda features: seen.append(features.numpy()) or original(features)
    settings = dict(cuda=False, batch_size=16, cache=False, verbose=False, feature_extractor="inception-v3-compat")
    settings |= dict(feature_extractor_weights_path=str(path), kid_subset_size=min(1000, len(list(real.iterdir()))))
    found = torch_fidelity.calculate_metrics(input1=str(made), input2=str(real), fid=True, kid=True, isc=True, prc=True, **settings)
    names = {
        "fid": "frechet_inception_distance",
        "kid_mean": "kernel_inception_distance_mean",
        "kid_std": "kernel_inception_distance_std",
        "is_mean": "inception_score_mean",
        "is_std": "inception_score_std",
        "precision": "precision",
        "recall": "recall",
    }
    return {name: found[key] for name, key in names.items()}, (seen[1], seen[0])


def clean_fid(mode, real, made, state):
    from cleanfid import fid, inception_pytorch

    inception_pytorch.load_state_dict_from_url = lambda *_, **__: state
    network = inception_pytorch.InceptionV3([3], resize_input=False, normalize_input=mode == "legacy_pytorch").eval()
    seen = []

    def features(x):
        x = x / 255 if mode == "legacy_pytorch" else (x - 128) / 128
        seen.append(network(x)[0].flatten(1))
        return seen[-1]

    settings = dict(mode=mode, num_workers=0, batch_size=16, device=torch.device("cpu"), verbose=False)
    found = fid.compute_fid(str(real), str(made), custom_feat_extractor=features, **settings)
    seen = torch.cat(seen).numpy()
    count = len(list(real.iterdir()))
    return {"fid": float(found)}, (seen[:count], seen[count:])


def ours(program, rule, real, made, folder, threads):
    command = [program, "score", "--real", real, "--generated", made, "--network", "inception", "--resize", rule, "--json"]
    command += ["--weights", folder / "weights.safetensors", "--no-cache", "--threads", str(threads)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found | found.pop("features", {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--size", default="64x48", help="height x width")
    parser.add_argument("--jpeg", action="store_true", help="every second picture as JPEG, which decoders may round otherwise")
    parser.add_argument("--peers", default=",".join(RULES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ours", default=str(ROOT / "target" / "release" / "inkgrad"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    size = tuple(map(int, args.size.split("x")))
    state = weights()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        folder = Path(folder)
        real, made = folder / "real", folder / "made"
        draw(real, args.pictures, size, 0, args.jpeg)
        draw(made, args.pictures, size, 1, args.jpeg)
        save_file(state, folder / "weights.safetensors")
        for peer in args.peers.split(","):
            if peer == "torch-fidelity":
                theirs, features = torch_fidelity(real, made, state, folder)
            else:
                theirs, features = clean_fid(peer, real, made, state)
            mine = ours(args.ours, RULES[peer], real, made, folder, args.threads)
            theirs["exact fid"] = exact(*features)
            print(f"{peer} {'theirs':>24} {'inkgrad':>16} {'apart by':>10}")
            for name, value in theirs.items():
                own = mine[name.removeprefix("exact ")]
                print(f"  {name:<12} {value:16.10f} {own:16.10f} {abs(own - value) / max(abs(value), 1e-12):10.1e}", flush=True)


if __name__ == "__main__":
    main()
