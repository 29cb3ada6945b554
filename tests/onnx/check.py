"""Exported networks against the program that exported them, for check.sh.

    check.py data              pictures of three channels in `colour`
    check.py onnx PROGRAM      every run of this folder by onnxruntime: valid, and the same outputs within 1e-5 for 1 and 5 pictures
    check.py torch PROGRAM     the same by its PyTorch module, whose parameters have the weights' names
"""

import importlib
import pathlib
import subprocess
import sys

import numpy as np

TOLERANCE = 1e-5
BATCHES = (1, 5)


def run(program, *args):
    subprocess.run([program, *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def channels_first(pictures):
    return np.ascontiguousarray(np.moveaxis(pictures if pictures.ndim == 4 else pictures[..., None], -1, 1))


def compare(name, found, expected):
    assert found.shape == expected.shape, f"{name}: {found.shape}, expected {expected.shape}"
    apart = float(np.max(np.abs(found - expected) / np.maximum(1, np.abs(expected))))
    assert apart <= TOLERANCE, f"{name}: {apart:.2e} apart"
    return apart


def expected(program, path, n):
    """The outputs of the program itself for the first `n` test pictures: inputs, and outputs by name."""
    config = (path / "config.toml").read_text()
    data = "colour" if path.name.endswith("colour") else "d"
    pictures, labels = np.load(f"{data}/test_images.npy")[:n], np.load(f"{data}/test_labels.npy")[:n]
    np.save("x.npy", pictures)
    np.save("l.npy", labels)
    images = channels_first(pictures).astype(np.float32) / 255
    if 'model = "classifier"' in config:
        run(program, "classify", "--run", path, "--images", "x.npy", "--out", "p.npy")
        return {"images": images}, {"probabilities": np.load("p.npy")}
    sees, both = 'model = "cvae"' in config, 'condition = "both"' in config
    encode = ["encode", "--run", path, "--images", "x.npy", "--out", "z.npy"]
    encode += ["--labels", "l.npy"] if both else []
    encode += ["--logvar", "v.npy"] if "vae" in path.name else []
    run(program, *encode)
    labelled = ["--labels", "l.npy"] if sees else []
    run(program, "reconstruct", "--run", path, "--images", "x.npy", "--out", "r.npy", *labelled)
    latents = np.load("z.npy")
    rng = np.random.default_rng(3)
    drawn = (latents + rng.normal(size=latents.shape)).astype(np.float32)
    np.save("drawn.npy", drawn)
    run(program, "decode", "--run", path, "--latents", "drawn.npy", "--out", "g.npy", *labelled)
    outputs = {
        "latents": latents,
        "reconstructions": channels_first(np.load("r.npy")),
        "images": channels_first(np.load("g.npy")),
    }
    if "vae" in path.name:
        outputs["logvar"] = np.load("v.npy")
    return {"images": images, "latents": drawn, "labels": labels.astype(np.int64)}, outputs


def runs():
    return sorted(path.parent for path in pathlib.Path().glob("*/config.toml"))


def check_onnx(program):
    import onnx
    import onnxruntime

    checked = 0
    for path in runs():
        worst = 0.0
        parts = ["whole"] if path.name.startswith("classifier") else ["whole", "encoder", "decoder"]
        for part in parts:
            run(program, "export", "--run", path, "--format", "onnx", "--part", part, "--out", "net.onnx")
            model = onnx.load("net.onnx")
            onnx.checker.check_model(model, full_check=True)
            assert model.opset_import[0].version >= 17 and model.producer_name == "inkgrad"
            props = {prop.key: prop.value for prop in model.metadata_props}
            assert props["part"] == part and props["inputs"].split(",") == [i.name for i in model.graph.input], props
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession("net.onnx", options, providers=["CPUExecutionProvider"])
            for n in BATCHES:
                given, outputs = expected(program, path, n)
                feed = {port.name: given[port.name] for port in session.get_inputs()}
                for port, found in zip(session.get_outputs(), session.run(None, feed)):
                    if port.name in outputs:
                        worst = max(worst, compare(f"{path} {part} {port.name} of {n}", found, outputs[port.name]))
                        checked += 1
        print(f"{path}: {worst:.1e} apart at most")
    assert checked > 60, checked
    print(f"{checked} outputs of onnxruntime {onnxruntime.__version__} within {TOLERANCE}")


def check_torch(program):
    import torch
    from safetensors import safe_open

    sys.path.insert(0, ".")
    for path in runs():
        name = "net_" + path.name.replace("-", "_")
        run(program, "export", "--run", path, "--format", "pytorch", "--out", f"{name}.py")
        module = importlib.import_module(name)
        network = module.load()
        with safe_open(f"{name}.safetensors", "np") as weights:
            assert set(network.state_dict()) == set(weights.keys())
        worst = 0.0
        for n in BATCHES:
            given, outputs = expected(program, path, n)
            given = {key: torch.from_numpy(value) for key, value in given.items()}
            with torch.no_grad():
                if path.name.startswith("classifier"):
                    found = {"probabilities": torch.softmax(network(given["images"]), -1)}
                else:
                    both, sees = path.name == "cvae-both", path.name.startswith("cvae")
                    labels = [given["labels"]]
                    coded = network.encode(given["images"], *(labels if both else []))
                    coded = coded if isinstance(coded, tuple) else (coded,)
                    found = dict(zip(("latents", "logvar"), coded))
                    found["images"] = network.decode(given["latents"], *(labels if sees else []))
                    found["reconstructions"] = network(given["images"], *(labels if sees else []))
            for key, value in outputs.items():
                worst = max(worst, compare(f"{path} {key} of {n}", found[key].numpy(), value))
        print(f"{path}: {worst:.1e} apart at most")
    print(f"modules of PyTorch {torch.__version__} within {TOLERANCE}")


def make_data():
    """The five-class course layout with pictures of 18 x 23 pixels and three channels."""
    rng = np.random.default_rng(1)
    folder = pathlib.Path("colour")
    folder.mkdir()
    for part, n in (("train", 40), ("test", 10)):
        np.save(folder / f"{part}_images.npy", rng.integers(0, 256, (n, 18, 23, 3), dtype=np.uint8))
        np.save(folder / f"{part}_labels.npy", (np.arange(n) % 5).astype(np.int64))


if __name__ == "__main__":
    match sys.argv[1]:
        case "data":
            make_data()
        case "onnx":
            check_onnx(sys.argv[2])
        case "torch":
            check_torch(sys.argv[2])
