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


class LstmAe(nn.Module):
    """The image as 28 rows of 28 pixels, through the last hidden state, and back."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.LSTM(28, 128, num_layers=2, batch_first=True)
        self.latent = nn.Linear(128, 128)
        self.decoder_input = nn.Linear(128, 128)
        self.decoder = nn.LSTM(128, 28, num_layers=2, batch_first=True)

    def forward(self, images):
        _, (hidden, _) = self.encoder(images.squeeze(1))
        latent = self.latent(hidden[-1])
        rows = self.decoder_input(latent).unsqueeze(1).expand(-1, 28, -1)
        reconstruction, _ = self.decoder(rows)
        return reconstruction.unsqueeze(1), latent


class CnnAe(nn.Module):
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(
                nn.Conv2d(1, 16, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, stride=2, padding=1),
                nn.ReLU(),
            )
            self.fc = nn.Linear(32 * 7 * 7, 64)

        def forward(self, images):
            return self.fc(self.encoder(images).flatten(1))

    class Decoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, 32 * 7 * 7)
            self.decoder = nn.Sequential(
                nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1),
                nn.ReLU(),
                nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1),
                nn.Sigmoid(),
            )

        def forward(self, latent):
            return self.decoder(self.fc(latent).view(-1, 32, 7, 7))

    def __init__(self):
        super().__init__()
        self.encoder = CnnAe.Encoder()
        self.decoder = CnnAe.Decoder()

    def forward(self, images):
        latent = self.encoder(images)
        return self.decoder(latent), latent


class VaeDecoder(nn.Module):
    """The decoder of all VAEs: 32 → 128×7×7 → 64×14×14 → 32×28×28 → 1×28×28; with `conditioned`, the first layer's features
    are multiplied by gains of their class."""

    def __init__(self, conditioned=False):
        super().__init__()
        self.fc = nn.Linear(LATENT, 128 * 7 * 7)
        self.class_gain = nn.Embedding(CLASSES, 128 * 7 * 7) if conditioned else None
        self.deconv1 = nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1)
        self.deconv2 = nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1)
        self.deconv3 = nn.ConvTranspose2d(32, 1, 3, stride=1, padding=1)

    def forward(self, z, labels=None):
        h = self.fc(z)
        if self.class_gain is not None:
            h = h * self.class_gain(labels)
        h = F.relu(h).view(-1, 128, 7, 7)
        h = F.relu(self.deconv1(h))
        h = F.relu(self.deconv2(h))
        return torch.sigmoid(self.deconv3(h))


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
    """1×28×28 → 32×14×14 → 64×7×7 → 128×7×7, flattened to 6272."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(64, 128, 3, stride=1, padding=1)

    def features(self, images):
        h = F.relu(self.conv1(images))
        h = F.relu(self.conv2(h))
        return F.relu(self.conv3(h)).flatten(1)


class CnnEncoder(Convolutions):
    """With `conditioned`, features are multiplied by gains of their class."""

    def __init__(self, conditioned=False):
        super().__init__()
        self.class_gain = nn.Embedding(CLASSES, 128 * 7 * 7) if conditioned else None
        self.fc_mu = nn.Linear(128 * 7 * 7, LATENT)
        self.fc_logvar = nn.Linear(128 * 7 * 7, LATENT)

    def forward(self, images, labels):
        h = self.features(images)
        if self.class_gain is not None:
            h = h * self.class_gain(labels)
        return self.fc_mu(h), self.fc_logvar(h)


class Vae(nn.Module):
    """z = μ + exp(½ logσ²)·ε, decoded; with `conditioned`, the class's embedding is added to z first."""

    def __init__(self, encoder, conditioned=False):
        super().__init__()
        self.encoder = encoder
        self.decoder = VaeDecoder(getattr(encoder, "class_gain", None) is not None)
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
