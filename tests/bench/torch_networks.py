"""Whole networks for torch_peer.py: random weights, only time matters."""

import math
import pathlib
import sys

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "fixtures" / "torch"))

import encoders_video
import encoders_vit
import train_vae


def frozen(make, *shape):
    def prepare():
        model, x = make(), torch.randn(*shape)

        def repeat():
            with torch.no_grad():
                model(x)

        return repeat

    return prepare


def full_vae():
    groups, widths = train_vae.GROUPS, (128, 256, 512, 512)
    train_vae.GROUPS = 32
    encoder = train_vae.Coder(widths, 3, 8, 2, "down", False)
    decoder = train_vae.Coder(widths[::-1], 4, 3, 3, "up", True)
    train_vae.GROUPS = groups
    return encoder.eval(), decoder.eval()


def demo_vae():
    return train_vae.AutoencoderKL().eval().reconstruct


def demo_encoder():
    return lambda x, vae=train_vae.AutoencoderKL().eval(): vae.posterior(x)[0]


def demo_vae_step():
    """One step of train_vae.py, its loss from core/training/autoencoder.ts."""
    vae = train_vae.AutoencoderKL().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=1e-4)
    average = [p.detach().clone() for p in vae.parameters()]
    x = torch.randn(16, 3, 64, 64).contiguous(memory_format=torch.channels_last)

    def repeat():
        mean, logvar = vae.posterior(x)
        e = vae.reconstruct(mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)) - x
        edges = (e[..., 1:] - e[..., :-1]).abs().mean() + (e[:, :, 1:] - e[:, :, :-1]).abs().mean()
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum((1, 2, 3)).mean() / (3 * 64 * 64)
        optimizer.zero_grad()
        (e.abs().mean() + 0.5 * (e**2).mean() + 0.6 * edges + 2e-3 * kl).backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        with torch.no_grad():
            for a, p in zip(average, vae.parameters()):
                a.mul_(0.998).add_(p, alpha=0.002)

    return repeat


class Rope(encoders_video.RopeAttention):
    """Turns in float32, with the angles made once, as upstream."""

    def __init__(self):
        super().__init__(1024, 16, 16)
        ids = torch.arange(2048)
        places = (ids // 256, ids % 256 // 16, ids % 16)
        omega = 1.0 / 10000 ** (torch.arange(10) / 10.0)
        angles = torch.cat([(p[:, None] * omega).repeat(1, 2) for p in places], 1)
        self.cos = F.pad(angles.cos(), (0, 4), value=1.0)
        self.sin = F.pad(angles.sin(), (0, 4))

    def turn(self, x):
        y1, y2 = x.unflatten(-1, (-1, 2)).unbind(dim=-1)
        y = torch.stack((-y2, y1), dim=-1).flatten(-2)
        return x * self.cos + y * self.sin


def vjepa2_layer():
    layer = encoders_video.Layer(1024, 16, 4, 16)
    layer.attention = Rope()
    return layer.eval()


class Dit(nn.Module):
    """AnchoredVAEDiT in diffusion mode with its action embedding."""

    def __init__(self, block, horizon, tokens, patch, width, blocks):
        super().__init__()
        self.spatial_pos = nn.Parameter(torch.randn(1, 1, tokens, width) * 0.02)
        self.temporal_pos = nn.Parameter(torch.randn(1, horizon, 1, width) * 0.02)
        self.latent_up, self.latent_down = nn.Linear(patch, width), nn.Linear(width, patch)
        self.input_proj = nn.Linear(width, width)
        self.step = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.z_t_proj = nn.Linear(patch, width)
        self.blocks = nn.ModuleList([block(width, 4) for _ in range(blocks)])
        self.final_adaln, self.final_linear = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fourier = nn.Sequential(nn.Linear(256, width), nn.GELU(), nn.Linear(width, width))
        self.sizes = horizon, tokens, width

    def forward(self, x, present, features, step):
        (horizon, tokens, width), batch = self.sizes, len(x)
        u = self.input_proj(self.latent_up(x)).view(batch, horizon, tokens, width)
        u = (u + self.spatial_pos + self.temporal_pos).view(batch, -1, width)
        condition = self.fourier(features)
        condition = condition + (self.step(step) + self.z_t_proj(present.mean(1)))[:, None]
        for block in self.blocks:
            u = block(u, condition)
        shift, scale, gate = self.final_adaln(condition)[:, :, None].chunk(3, -1)
        h = F.layer_norm(u, (width,)).view(batch, horizon, tokens, width)
        d = gate * self.final_linear(h * (1 + scale) + shift)
        return present.repeat(1, horizon, 1) + self.latent_down(d.view(batch, -1, width))


def step_features(t, width):
    f = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    a = t[:, None] * f
    return torch.cat([a.sin(), a.cos()], -1)


def inputs(batch, horizon, tokens, patch):
    present, future = torch.randn(batch, tokens, patch), torch.randn(batch, horizon * tokens, patch)
    return present, future, torch.randn(batch, horizon, 256)


def dit_step(block, batch, sizes, lr=1e-4):
    def prepare():
        model = Dit(block, *sizes)
        optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        average = [p.detach().clone() for p in model.parameters()]
        present, future, features = inputs(batch, *sizes[:3])

        def repeat():
            optimizer.zero_grad()
            noise = torch.randn_like(future)
            steps = step_features(torch.randint(0, 1000, (batch,)), sizes[3])
            x = 0.8 * future + 0.6 * noise
            F.mse_loss(model(x, present, features, steps), future).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                for a, p in zip(average, model.parameters()):
                    a.mul_(0.999).add_(p, alpha=0.001)

        return repeat

    return prepare


def dit_sample(block, batch, sizes, steps):
    def prepare():
        model = Dit(block, *sizes).eval()
        present, future, features = inputs(batch, *sizes[:3])

        def repeat():
            x = torch.randn_like(future)
            with torch.no_grad():
                for k in range(steps):
                    t = step_features(torch.full((batch,), 1000 - 100 * k), sizes[3])
                    given = model(x, present, features, t)
                    none = model(x, present, torch.zeros_like(features), t)
                    clean = none + 2 * (given - none)
                    x = 0.9 * clean + 0.4 * (x - 0.8 * clean)

        return repeat

    return prepare


PAPER, DEMO = (16, 64, 64, 256, 4), (4, 16, 16, 64, 2)


def cases(block):
    return {
        "inception 299 B8": frozen(lambda: encoders_vit.Inception().eval(), 8, 3, 299, 299),
        "sd-vae encode 256": frozen(lambda: full_vae()[0], 1, 3, 256, 256),
        "sd-vae decode 256": frozen(lambda: full_vae()[1], 1, 4, 32, 32),
        "vit-s16 B8": frozen(lambda: encoders_vit.Vit(384, 12, 6, 1536, 16, 14).eval(), 8, 3, 224, 224),
        "clip-b32 B8": frozen(lambda: encoders_vit.Clip(768, 12, 12, 3072, 32, 7, 512).eval(), 8, 3, 224, 224),
        "vjepa2 layer 2048": frozen(vjepa2_layer, 1, 2048, 1024),
        "dit paper step B4": dit_step(block, 4, PAPER),
        "dit paper ddim B4": dit_sample(block, 4, PAPER, 2),
        "dit demo step B16": dit_step(block, 16, DEMO, 1e-3),
        "demo vae decode B16": frozen(demo_vae, 16, 4, 8, 8),
        "demo vae encode B16": frozen(demo_encoder, 16, 3, 64, 64),
        "demo vae step B16": demo_vae_step,
    }
