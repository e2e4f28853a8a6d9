"""The PyTorch side of the benchmark, driven by bench.ts over its pipes.

Reads lines "NAME<tab>REPETITIONS", answers each with the milliseconds that one
repetition took. The first line it prints says what is measured.
"""

import ctypes
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

from torch_networks import cases as network_cases

torch.manual_seed(0)
torch.set_num_threads(2)


def forward(*shapes, run):
    def prepare():
        inputs = [torch.randn(*shape) for shape in shapes]

        def repeat():
            with torch.no_grad():
                run(*inputs)

        return repeat

    return prepare


def both(*shapes, run):
    def prepare():
        inputs = [torch.randn(*shape, requires_grad=True) for shape in shapes]
        with torch.no_grad():
            w = torch.randn_like(run(*inputs))

        def repeat():
            for x in inputs:
                x.grad = None
            run(*inputs).backward(w)

        return repeat

    return prepare


def materialised(q, k, v):
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return torch.softmax(scores, -1) @ v


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.adaln = nn.Linear(width, 6 * width)

    def forward(self, x, condition):
        batch, tokens, width = x.shape
        rows = condition.shape[1]
        parts = self.adaln(condition).unsqueeze(2).chunk(6, -1)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = parts

        def grouped(t):
            return t.view(batch, rows, tokens // rows, width)

        def modulate(t, shift, scale):
            t = grouped(F.layer_norm(t, (width,)))
            return (t * (1 + scale) + shift).view(batch, tokens, width)

        qkv = self.qkv(modulate(x, shift_a, scale_a))
        qkv = qkv.view(batch, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = materialised(*qkv).transpose(1, 2).reshape(batch, tokens, width)
        x = x + (gate_a * grouped(self.out(a))).view_as(x)
        m = self.mlp(modulate(x, shift_m, scale_m))
        return x + (gate_m * grouped(m)).view_as(x)


def block_step():
    block = Block(256, 4)
    optimizer = torch.optim.Adam(block.parameters(), lr=1e-4)
    x, condition = torch.randn(4, 1024, 256), torch.randn(4, 16, 256)
    target = torch.randn(4, 1024, 256)

    def repeat():
        optimizer.zero_grad()
        F.mse_loss(block(x, condition), target).backward()
        nn.utils.clip_grad_norm_(block.parameters(), 1.0)
        optimizer.step()

    return repeat


def adam():
    weight = nn.Parameter(torch.full((5_400_000,), 0.01))
    weight.grad = torch.randn_like(weight)
    average = weight.detach().clone()
    optimizer = torch.optim.Adam([weight], lr=1e-4)

    def repeat():
        nn.utils.clip_grad_norm_([weight], 1.0)
        optimizer.step()
        average.mul_(0.999).add_(weight.detach(), alpha=0.001)

    return repeat


def conv(x, w, b):
    return F.conv2d(x, w, b, padding=1)


big = ((1, 128, 256, 256), (128, 128, 3, 3), (128,))
heads = ((1, 4, 1024, 64),) * 3
square = ((1024, 1024), (1024, 1024))

CASES = {
    "matmul 1024 NN": forward(*square, run=lambda a, b: a @ b),
    "matmul 1024 NT": forward(*square, run=lambda a, b: a @ b.T),
    "matmul 1024 TN": forward(*square, run=lambda a, b: a.T @ b),
    "linear 256 to 1024 gelu": forward(
        (4096, 256), (1024, 256), (1024,),
        run=lambda x, w, b: F.gelu(F.linear(x, w, b)),
    ),
    "linear 1024 to 256": forward(
        (4096, 1024), (256, 1024), (256,), run=F.linear
    ),
    "conv 128 at 256 forward": forward(*big, run=conv),
    "conv 128 at 256 both": both(*big, run=conv),
    "attention 1024 forward": forward(*heads, run=materialised),
    "attention 1024 both": both(*heads, run=materialised),
    "add 1 to 4096x1024": forward((4096, 1024), run=lambda x: x + 1),
    "softmax forward": forward((4096, 1024), run=lambda x: x.softmax(-1)),
    "softmax both": both((4096, 1024), run=lambda x: x.softmax(-1)),
    "layer norm forward": forward(
        (4096, 1024), run=lambda x: F.layer_norm(x, (1024,))
    ),
    "layer norm both": both(
        (4096, 1024), run=lambda x: F.layer_norm(x, (1024,))
    ),
    "adam clip ema 5.4M": adam,
    "dit block step": block_step,
}
for side, source, target in ((35, 64, 96), (17, 192, 192), (8, 384, 384)):
    CASES[f"conv {side} {source} to {target}"] = forward(
        (8, source, side, side), (target, source, 3, 3), (target,), run=conv
    )

CASES.update(network_cases(Block))


def blas():
    """Name of the core that OpenBLAS chose its kernels for."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "openblas" in line}
    for path in paths:
        try:
            name = ctypes.CDLL(path).openblas_get_corename
        except (OSError, AttributeError):
            continue
        name.restype = ctypes.c_char_p
        return "OpenBLAS for " + name().decode()
    return "BLAS unknown"


def main():
    a = torch.randn(64, 64)
    a @ a
    print(f"PyTorch {torch.__version__} CPU, 2 threads, {blas()}", flush=True)
    prepared = {}
    for line in sys.stdin:
        name, repetitions = line.rstrip("\n").split("\t")
        if name not in CASES:
            print("nan", flush=True)
            continue
        if name not in prepared:
            prepared.clear()
            prepared[name] = CASES[name]()
            prepared[name]()
        start = time.perf_counter()
        for _ in range(int(repetitions)):
            prepared[name]()
        elapsed = time.perf_counter() - start
        print(1000 * elapsed / int(repetitions), flush=True)


main()
