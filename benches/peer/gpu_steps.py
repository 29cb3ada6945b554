"""Times PyTorch's training steps on a GPU, all models in one process, as gpu_check.sh asks for them.

A step is indexing a batch out of drawings in device memory, zero_grad, forward, backward, Adam and reading the loss, as
`inkgrad bench` counts it. Which drawings a batch has is copied to the GPU at each step. Modes:

- eager: PyTorch as it is;
- compile: torch.compile(mode="reduce-overhead") of the loss, fused Adam;
- graph: the whole step, indexing and fused Adam included, captured once with torch.cuda.graph and replayed.

Each with TF32 at PyTorch's default (on for convolutions and recurrent layers, off for other products), off and on. Lines
`model, mode, tf32, median ms, least ms` are added to --out as they are known; a model that fails is told on standard error and
the others go on. Exit status 1 if one failed.
"""

import argparse
import statistics
import sys
import time
import traceback

import torch

from torch_models import CLASSES, MODELS

IMAGES = 4096
# PyTorch's own: torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
TF32 = {"default": (False, True), "off": (False, False), "on": (True, True)}


def drawings(generator):
    """About a fifth of the pixels inked, as in the real drawings."""
    grey = torch.rand(IMAGES, 1, 28, 28, generator=generator)
    return grey.mul_(torch.rand(IMAGES, 1, 28, 28, generator=generator) < 0.2)


def stepper(mode, spec, device):
    """A function that trains on the drawings `rows`, a tensor on the CPU, and returns the loss."""
    generator = torch.Generator().manual_seed(0)
    images = drawings(generator).to(device)
    labels = torch.randint(CLASSES, (IMAGES,), generator=generator).to(device)
    model = spec.build().to(device)
    settings = {"eager": {}, "compile": {"fused": True}, "graph": {"fused": True, "capturable": True}}[mode]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, **settings)

    def loss_of(images, labels):
        return spec.loss(model, images, labels, None)[0]

    if mode == "compile":
        # Otherwise the ninth model would be taken for one function compiled too often, and run eagerly.
        torch.compiler.reset()
        loss_of = torch.compile(loss_of, mode="reduce-overhead")

    def step(rows):
        optimiser.zero_grad()
        loss = loss_of(images[rows], labels[rows])
        loss.backward()
        optimiser.step()
        return loss

    if mode != "graph":
        return lambda rows: step(rows.to(device)).item()

    static_rows = torch.zeros(spec.batch, dtype=torch.long, device=device)
    # The first steps allocate and choose algorithms, which must not happen while a graph is captured.
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(static_rows)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step(static_rows)

    def replay(rows):
        static_rows.copy_(rows, non_blocking=True)
        graph.replay()
        return loss.item()

    return replay


def times(mode, spec, device, warm_up, steps):
    """Milliseconds of each step."""
    torch.manual_seed(0)
    step = stepper(mode, spec, device)
    generator = torch.Generator().manual_seed(1)
    found = []
    for _ in range(warm_up + steps):
        rows = torch.randint(IMAGES, (spec.batch,), generator=generator)
        start = time.perf_counter()
        step(rows)
        found.append((time.perf_counter() - start) * 1e3)
    return found[warm_up:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", required=True, choices=["eager", "compile", "graph"])
    parser.add_argument("--models", default="all", help="names with commas between")
    parser.add_argument("--device", default="cuda", help="cpu tries the script out, but for the mode graph")
    parser.add_argument("--warm-up", type=int, default=100)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", help="a file to add lines to; standard output if there is none")
    args = parser.parse_args()

    failed = 0
    names = list(MODELS) if args.models == "all" else args.models.split(",")
    for tf32, (products, cudnn) in TF32.items():
        torch.backends.cuda.matmul.allow_tf32 = products
        torch.backends.cudnn.allow_tf32 = cudnn
        for name in names:
            try:
                ms = times(args.mode, MODELS[name], args.device, args.warm_up, args.steps)
            except Exception:
                failed += 1
                print(f"{name}, {args.mode}, TF32 {tf32}:", file=sys.stderr)
                traceback.print_exc()
                continue
            line = f"{name}\t{args.mode}\t{tf32}\t{statistics.median(ms):.4f}\t{min(ms):.4f}"
            if args.out:
                with open(args.out, "a") as out:
                    print(line, file=out)
            else:
                print(line, flush=True)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
