"""Draws every layer of the six models as two dots, PyTorch's and ours: GFLOP/s over arithmetic intensity, under the roof of this machine.

    cargo build --release && benches/peer/run.sh --help   # makes target/peer-venv
    target/peer-venv/bin/python benches/peer/roofline.py [--threads 2] [--out docs/roofline.svg]

A layer's floating-point operations, forward and backward, are counted as `inkgrad bench --profile` counts them (products with padding
left out, whatever the algorithm), for both sides; its bytes are those of its operands: x, weights and y forward; these, dy and the
gradients backward. Intensity is one over the other, so a dot is above the roof of multiply-adds where an algorithm leaves products out.
Ours are times within a training step, ReLU and bias included; PyTorch's are those of the module alone (eager), forward and then backward,
median of 15. The roof: multiply-adds in registers (`bench --profile`), and memory's bandwidth by adding two arrays of 256 MB into a third.
"""

import argparse
import datetime
import json
import math
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from compare import MODELS as BATCHES, ROOT, profiled
from torch_models import MODELS

LAYERS = {nn.Conv2d: "conv2d", nn.ConvTranspose2d: "conv_transpose2d", nn.Linear: "linear", nn.LSTM: "lstm", nn.GRU: "gru"}
COLOURS = {"conv2d": "#1f77b4", "conv_transpose2d": "#d1495b", "linear": "#2e933c", "lstm": "#8d5a97", "gru": "#e08e1b"}


def first(value):
    """The tensor that a module takes or gives before all others."""
    return value if isinstance(value, torch.Tensor) else first(value[0])


def pytorch_layers(spec, batch):
    """(operation, nodes of ours, ms, bytes) for each layer in the order in which they run."""
    model, found = spec.build(), []
    modules = [module for module in model.modules() if type(module) in LAYERS]
    hooks = [
        module.register_forward_hook(lambda module, x, y: found.append((module, first(x).detach().clone())))
        for module in modules
    ]
    spec.loss(model, torch.rand(batch, 1, 28, 28), torch.randint(5, (batch,)), None)
    for hook in hooks:
        hook.remove()
    return [measured(module, x, i > 0) for i, (module, x) in enumerate(found)]


def measured(module, x, wants_dx):
    times = []
    for _ in range(18):
        x = x.detach().requires_grad_(wants_dx)
        module.zero_grad()
        start = time.perf_counter()
        y = first(module(x))
        middle = time.perf_counter()
        dy = torch.ones_like(y)
        again = time.perf_counter()
        y.backward(dy)
        times.append((middle - start + time.perf_counter() - again) * 1e3)
    weights = sum(weight.numel() for weight in module.parameters())
    # Forward x, weights, y; backward dy, weights, x, the weights' gradients, and x's where it is asked for.
    numbers = x.numel() + weights + y.numel() + y.numel() + 2 * weights + (1 + wants_dx) * x.numel()
    nodes = module.num_layers * (1 + module.bidirectional) if isinstance(module, nn.RNNBase) else 1
    return LAYERS[type(module)], nodes, statistics.median(times[3:]), 4 * numbers


def our_layers(model, threads):
    profile = profiled(model, threads)
    layers = []
    for node in profile["operations"]:
        if node["op"] in COLOURS:
            passes = [(node[f"{which}_ms"], node[f"{which}_gflops"]) for which in ("forward", "backward")]
            layers.append((node["op"], sum(ms for ms, _ in passes), sum(ms * gflops / 1e3 for ms, gflops in passes)))
    return profile["peak_gflops"], layers


def compare(model, threads):
    """The layers of a model, each with what both sides need for it."""
    peak, ours = our_layers(model, threads)
    layers = []
    for op, nodes, ms, size in pytorch_layers(MODELS[model], BATCHES[model]):
        own, ours = ours[:nodes], ours[nodes:]
        if [name for name, _, _ in own] != [op] * nodes:
            sys.exit(f"error: {model}: our layers are {own}, PyTorch's is {nodes} × {op}")
        gflop = sum(gflop for _, _, gflop in own)
        layers.append({
            "model": model, "op": op, "gflop": gflop, "bytes": size,
            "pytorch_ms": ms, "inkgrad_ms": sum(ms for _, ms, _ in own),
        })
    return peak, layers


def bandwidth():
    """GB/s of c = a + b, each of 256 MB: two are read, one is written."""
    a, b, c = (torch.ones(64 << 20) for _ in range(3))
    times = []
    for _ in range(8):
        start = time.perf_counter()
        torch.add(a, b, out=c)
        times.append(time.perf_counter() - start)
    return 3 * 4 * a.numel() / min(times) / 1e9


def picture(layers, peak, gigabytes, note):
    width, height, left, right, top, bottom = 860, 560, 64, 16, 44, 52
    intensities = [layer["gflop"] * 1e9 / layer["bytes"] for layer in layers]
    speeds = [layer["gflop"] / layer[f"{side}_ms"] * 1e3 for layer in layers for side in ("pytorch", "inkgrad")]
    x_range = 2.0 ** math.floor(math.log2(min(intensities))), 2.0 ** math.ceil(math.log2(max(intensities)))
    y_range = 2.0 ** math.floor(math.log2(min(speeds))), 2.0 ** math.ceil(math.log2(max(*speeds, peak)))

    def place(value, ends, begin, end):
        low, high = map(math.log2, ends)
        return begin + (math.log2(value) - low) / (high - low) * (end - begin)

    x = lambda value: place(value, x_range, left, width - right)
    y = lambda value: place(value, y_range, height - bottom, top)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="20" font-size="15" fill="#222">Layers of the six models, forward and backward: filled inkgrad, hollow PyTorch</text>',
        f'<text x="{left}" y="36" fill="#666">{note}</text>',
    ]
    for ends, vertical in ((x_range, True), (y_range, False)):
        for power in range(round(math.log2(ends[0])), round(math.log2(ends[1])) + 1):
            label = f"{2.0 ** power:g}"
            if vertical:
                at = x(2.0 ** power)
                out.append(f'<path d="M{at:.1f} {top}V{height - bottom}" stroke="#eee"/>')
                out.append(f'<text x="{at:.1f}" y="{height - bottom + 16}" text-anchor="middle" fill="#666">{label}</text>')
            else:
                at = y(2.0 ** power)
                out.append(f'<path d="M{left} {at:.1f}H{width - right}" stroke="#eee"/>')
                out.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end" fill="#666">{label}</text>')
    out.append(f'<text x="{(left + width) / 2}" y="{height - 14}" text-anchor="middle" fill="#222">operations for each byte of operands</text>')
    out.append(f'<text transform="translate(16 {height / 2}) rotate(-90)" text-anchor="middle" fill="#222">GFLOP/s</text>')

    start, ridge = max(x_range[0], y_range[0] / gigabytes), peak / gigabytes
    roof = f"M{x(start):.1f} {y(start * gigabytes):.1f}L{x(ridge):.1f} {y(peak):.1f}H{width - right}"
    out.append(f'<path d="{roof}" fill="none" stroke="#222" stroke-width="1.5"/>')
    out.append(f'<text x="{x(ridge) + 6:.1f}" y="{y(peak) - 6:.1f}" fill="#222">multiply-adds in registers, {peak:.0f} GFLOP/s</text>')
    out.append(f'<text x="{x(start) + 8:.1f}" y="{y(start * gigabytes) - 12:.1f}" fill="#222">memory, {gigabytes:.0f} GB/s</text>')
    for layer, intensity in zip(layers, intensities):
        at, colour = x(intensity), COLOURS[layer["op"]]
        theirs, ours = (y(layer["gflop"] / layer[f"{side}_ms"] * 1e3) for side in ("pytorch", "inkgrad"))
        tell = f'{layer["model"]}, {layer["op"]}: PyTorch {layer["pytorch_ms"]:.2f} ms, inkgrad {layer["inkgrad_ms"]:.2f} ms'
        out.append(
            f'<g stroke="{colour}"><title>{tell}</title><path d="M{at:.1f} {theirs:.1f}V{ours:.1f}" opacity=".35"/>'
            f'<circle cx="{at:.1f}" cy="{theirs:.1f}" r="4.5" fill="#fff"/><circle cx="{at:.1f}" cy="{ours:.1f}" r="4.5" fill="{colour}"/></g>'
        )
    for i, (op, colour) in enumerate(COLOURS.items()):
        at = height - bottom - 16 * (len(COLOURS) - i)
        out.append(f'<circle cx="{width - right - 130}" cy="{at}" r="4.5" fill="{colour}"/>')
        out.append(f'<text x="{width - right - 120}" y="{at + 4}" fill="#222">{op}</text>')
    return "\n".join([*out, "</svg>", ""])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "roofline.svg")
    parser.add_argument("--machine", default="", help="what the picture says of the machine")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    now, layers, peaks = datetime.datetime.now(datetime.timezone.utc), [], []
    print("| model | operation | GFLOP | FLOP a byte | PyTorch, ms | inkgrad, ms | times as fast |\n|---|---|---|---|---|---|---|")
    for model in BATCHES:
        peak, found = compare(model, args.threads)
        peaks.append(peak)
        layers += found
        for layer in found:
            intensity, ratio = layer["gflop"] * 1e9 / layer["bytes"], layer["pytorch_ms"] / layer["inkgrad_ms"]
            cells = (f'{layer["gflop"]:.3f}', f"{intensity:.0f}", f'{layer["pytorch_ms"]:.2f}', f'{layer["inkgrad_ms"]:.2f}', f"{ratio:.2f}")
            print(f'| {model} | {layer["op"]} | {" | ".join(cells)} |', flush=True)
    gigabytes, peak = bandwidth(), statistics.median(peaks)
    facts = [args.machine, f"{args.threads} threads", f"PyTorch {torch.__version__}", f"{now:%Y-%m-%d}"]
    args.out.write_text(picture(layers, peak, gigabytes, ", ".join(filter(None, facts))))
    raw = ROOT / "benches" / "results" / f"{now:%Y-%m-%d-%H%M}-roofline-{args.threads}-threads.json"
    raw.write_text(json.dumps({"peak_gflops": peak, "gigabytes": gigabytes, "layers": layers}, indent=1) + "\n")
    print(f"\n{args.out}; raw numbers: {raw}")


if __name__ == "__main__":
    main()
