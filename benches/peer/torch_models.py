"""The models in PyTorch, shared by the fixtures (tests/fixtures/generate.py) and the peer scripts here.

Attribute names give the `state_dict` keys, so they are part of the weights' format.
Every `loss_*` takes (model, images, labels, eps), with images (B, 1, 28, 28) in [0, 1], labels (B,) and
eps (B, 32) or None to draw it, and returns (loss to call backward on, reported numbers, outputs).
"""

import math
from typing import NamedTuple, Callable

import torch
import torch.nn.functional as F
from torch import nn

LATENT = 32
CLASSES = 5
CHANNELS = (32, 64, 128)
# Channels, height and width of a picture.
DRAWING = (1, 28, 28)


def grid(side, halvings):
    """A side after convolutions of stride 2 with a padding that keeps sides: halved, rounded up, each time."""
    for _ in range(halvings):
        side = -(-side // 2)
    return side


class LstmAe(nn.Module):
    """The image as 28 rows of 28 pixels, through the last hidden state, and back; of both ways, with the one that begins at
    the last row behind the other."""

    def __init__(self, latent=128, hidden=128, layers=2, bidirectional=False, image=DRAWING):
        super().__init__()
        channels, self.height, width = image
        self.bidirectional = bidirectional
        self.encoder = nn.LSTM(
            channels * width, hidden, num_layers=layers, batch_first=True, bidirectional=bidirectional
        )
        self.latent = nn.Linear((1 + bidirectional) * hidden, latent)
        self.decoder_input = nn.Linear(latent, hidden)
        self.decoder = nn.LSTM(hidden, channels * width, num_layers=layers, batch_first=True)

    def forward(self, images):
        batch, channels, height, width = images.shape
        # A row of pixels, each with its channels.
        rows = images.permute(0, 2, 3, 1).reshape(batch, height, width * channels)
        _, (hidden, _) = self.encoder(rows)
        latent = self.latent(torch.cat([hidden[-2], hidden[-1]], 1) if self.bidirectional else hidden[-1])
        rows = self.decoder_input(latent).unsqueeze(1).expand(-1, height, -1)
        reconstruction, _ = self.decoder(rows)
        return reconstruction.reshape(batch, height, width, channels).permute(0, 3, 1, 2), latent


class CnnAe(nn.Module):
    class Encoder(nn.Module):
        def __init__(self, latent, channels, image):
            super().__init__()
            pairs = list(zip((image[0], *channels), channels))
            self.encoder = nn.Sequential(
                *(layer for pair in pairs for layer in (nn.Conv2d(*pair, 3, stride=2, padding=1), nn.ReLU()))
            )
            self.fc = nn.Linear(channels[-1] * math.prod(grid(side, len(channels)) for side in image[1:]), latent)

        def forward(self, images):
            return self.fc(self.encoder(images).flatten(1))

    class Decoder(nn.Module):
        def __init__(self, latent, channels, image):
            super().__init__()
            self.image = image
            self.features = (channels[-1], *(grid(side, len(channels)) for side in image[1:]))
            self.fc = nn.Linear(latent, math.prod(self.features))
            pairs = list(zip(channels[::-1], (*channels[-2::-1], image[0])))
            deconv = lambda pair: nn.ConvTranspose2d(*pair, 3, stride=2, padding=1, output_padding=1)
            layers = [layer for pair in pairs for layer in (deconv(pair), nn.ReLU())]
            self.decoder = nn.Sequential(*layers[:-1], nn.Sigmoid())

        def forward(self, latent):
            _, height, width = self.image
            return self.decoder(self.fc(latent).view(-1, *self.features))[:, :, :height, :width]

    def __init__(self, latent=64, channels=(16, 32), image=DRAWING):
        super().__init__()
        self.encoder = CnnAe.Encoder(latent, channels, image)
        self.decoder = CnnAe.Decoder(latent, channels, image)

    def forward(self, images):
        latent = self.encoder(images)
        return self.decoder(latent), latent


class VaeDecoder(nn.Module):
    """The decoder of all VAEs: 32 → 128×7×7 → 64×14×14 → 32×28×28 → 1×28×28; with `conditioned`, the first layer's features
    are multiplied by gains of their class. Other channels and pictures accordingly: all but the last layer double the sides,
    and what is more than the picture has is cropped."""

    def __init__(self, conditioned=False, latent=LATENT, channels=CHANNELS, image=DRAWING):
        super().__init__()
        halvings = len(channels) - 1
        self.image, self.depth = image, len(channels)
        self.features = (channels[-1], *(grid(side, halvings) for side in image[1:]))
        hidden = math.prod(self.features)
        self.fc = nn.Linear(latent, hidden)
        self.class_gain = nn.Embedding(CLASSES, hidden) if conditioned else None
        for i, pair in enumerate(zip(channels[::-1], (*channels[-2::-1], image[0])), 1):
            last = i == self.depth
            self.add_module(f"deconv{i}", nn.ConvTranspose2d(*pair, 3 if last else 4, stride=1 if last else 2, padding=1))

    def logits(self, z, labels=None):
        h = self.fc(z)
        if self.class_gain is not None:
            h = h * self.class_gain(labels)
        h = F.relu(h).view(-1, *self.features)
        for i in range(1, self.depth):
            h = F.relu(getattr(self, f"deconv{i}")(h))
        _, height, width = self.image
        return getattr(self, f"deconv{self.depth}")(h)[:, :, :height, :width]

    def forward(self, z, labels=None):
        return torch.sigmoid(self.logits(z, labels))


class GruEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(28, 256, batch_first=True, bidirectional=True)
        self.fc_mu = nn.Linear(28 * 512, LATENT)
        self.fc_logvar = nn.Linear(28 * 512, LATENT)

    def forward(self, images, labels):
        rows, _ = self.gru(images.squeeze(1))
        h = rows.flatten(1)
        return self.fc_mu(h), self.fc_logvar(h)


class Convolutions(nn.Module):
    """1×28×28 → 32×14×14 → 64×7×7 → 128×7×7, flattened to 6272. Other channels and pictures accordingly: all but the last
    convolution halve the sides, rounded up."""

    def __init__(self, channels=CHANNELS, image=DRAWING):
        super().__init__()
        self.depth = len(channels)
        self.width = channels[-1] * math.prod(grid(side, self.depth - 1) for side in image[1:])
        for i, pair in enumerate(zip((image[0], *channels), channels), 1):
            self.add_module(f"conv{i}", nn.Conv2d(*pair, 3, stride=1 if i == self.depth else 2, padding=1))

    def features(self, images):
        h = images
        for i in range(1, self.depth + 1):
            h = F.relu(getattr(self, f"conv{i}")(h))
        return h.flatten(1)


class CnnEncoder(Convolutions):
    """With `conditioned`, features are multiplied by gains of their class."""

    def __init__(self, conditioned=False, latent=LATENT, channels=CHANNELS, image=DRAWING):
        super().__init__(channels, image)
        self.class_gain = nn.Embedding(CLASSES, self.width) if conditioned else None
        self.fc_mu = nn.Linear(self.width, latent)
        self.fc_logvar = nn.Linear(self.width, latent)

    def forward(self, images, labels):
        h = self.features(images)
        if self.class_gain is not None:
            h = h * self.class_gain(labels)
        return self.fc_mu(h), self.fc_logvar(h)


class Vae(nn.Module):
    """z = μ + exp(½ logσ²)·ε, decoded; with `conditioned`, the class's embedding is added to z first. `sizes` are those of the
    decoder: latent, channels, image."""

    def __init__(self, encoder, conditioned=False, **sizes):
        super().__init__()
        self.encoder = encoder
        self.decoder = VaeDecoder(getattr(encoder, "class_gain", None) is not None, **sizes)
        self.class_embedding = nn.Embedding(CLASSES, LATENT) if conditioned else None

    def forward(self, images, labels, eps=None):
        mu, logvar = self.encoder(images, labels)
        if eps is None:
            eps = torch.randn_like(mu)
        z = mu + torch.exp(0.5 * logvar) * eps
        decoded = z if self.class_embedding is None else z + self.class_embedding(labels)
        return self.decoder(decoded, labels), mu, logvar, z


class MlpClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(
            nn.Flatten(),
            nn.Linear(784, 256),
            nn.ReLU(),
            nn.Linear(256, 256),
            nn.ReLU(),
            nn.Linear(256, CLASSES),
        )

    def forward(self, images):
        return self.model(images)


class CnnClassifier(Convolutions):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(128 * 7 * 7, 128)
        self.fc2 = nn.Linear(128, CLASSES)

    def forward(self, images):
        return self.fc2(F.relu(self.fc1(self.features(images))))


def loss_autoencoder(model, images, labels, eps):
    reconstruction, latent = model(images)
    loss = F.mse_loss(reconstruction, images)
    return loss, {"loss": loss}, {"latent": latent, "reconstruction": reconstruction}


def loss_vae(model, images, labels, eps):
    """Backward goes through the sum over the batch; what is reported is per image."""
    reconstruction, mu, logvar, z = model(images, labels, eps)
    bce = F.binary_cross_entropy(reconstruction, images, reduction="sum")
    kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    loss, n = bce + kl, images.shape[0]
    outputs = {"mu": mu, "logvar": logvar, "z": z, "reconstruction": reconstruction}
    return loss, {"loss": loss / n, "bce": bce / n, "kl": kl / n}, outputs


def loss_classifier(model, images, labels, eps):
    logits = model(images)
    loss = F.cross_entropy(logits, labels)
    return loss, {"loss": loss}, {"logits": logits}


class Model(NamedTuple):
    build: Callable[[], nn.Module]
    loss: Callable
    # The tensor that backward is called on: the mean over the batch, or the sum.
    backward_of: str
    batch: int
    parameters: int
    image: tuple = DRAWING
    latent: int = LATENT


def sized_vae():
    sizes = {"latent": 16, "channels": (16, 32, 64), "image": (3, 32, 32)}
    return Vae(CnnEncoder(**sizes), **sizes)


MODELS = {
    "lstm-ae": Model(LstmAe, loss_autoencoder, "mean", 256, 270_208),
    "cnn-ae": Model(CnnAe, loss_autoencoder, "mean", 256, 211_905),
    "rnn-vae": Model(lambda: Vae(GruEncoder()), loss_vae, "sum", 128, 1_728_065),
    "cnn-vae": Model(lambda: Vae(CnnEncoder()), loss_vae, "sum", 128, 865_345),
    "cvae": Model(lambda: Vae(CnnEncoder(), True), loss_vae, "sum", 128, 865_505),
    "cvae-both": Model(lambda: Vae(CnnEncoder(True), True), loss_vae, "sum", 128, 928_225),
    "classifier": Model(MlpClassifier, loss_classifier, "mean", 128, 268_037),
    "classifier-cnn": Model(CnnClassifier, loss_classifier, "mean", 128, 896_261),
}

# At other sizes than the study's, for the fixtures alone.
SIZED = {
    "cnn-vae-sized": Model(sized_vae, loss_vae, "sum", 128, 265_763, (3, 32, 32), 16),
    "cnn-ae-odd": Model(
        lambda: CnnAe(latent=10, channels=(6, 9, 12), image=(3, 17, 22)), loss_autoencoder, "mean", 256, 5_563, (3, 17, 22)
    ),
    "lstm-ae-sized": Model(
        lambda: LstmAe(latent=20, hidden=24, layers=2, bidirectional=True, image=(1, 20, 16)),
        loss_autoencoder, "mean", 256, 28_620, (1, 20, 16),
    ),
}


def default_bounds(model):
    """The half-width of PyTorch's default initialisation of each parameter, in `state_dict` order (Embedding: 1)."""
    bounds = {}
    for prefix, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if isinstance(module, nn.RNNBase):
            bound = 1 / math.sqrt(module.hidden_size)
        elif isinstance(module, nn.Embedding):
            bound = 1.0
        elif own:
            # Linear (out, in), Conv2d (out, in, kh, kw), ConvTranspose2d (in, out, kh, kw): size(1) · receptive field.
            bound = 1 / math.sqrt(module.weight[0].numel())
        for name in own:
            bounds[f"{prefix}.{name}"] = bound
    return {name: bounds[name] for name in model.state_dict()}
