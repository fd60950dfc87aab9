"""Federated averaging: clients train on their own images, and their weights are averaged after each round.

The algorithm is that of McMahan et al. 2017, arXiv 1602.05629, with all clients in every round. A client trains by Adam and keeps its
moments from round to round. It is a simulation in one process: no image leaves a client, and no message is sent.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from core.config import TrainConfig
from core.data.images import LabelledImages
from core.data.split import Split
from core.models.base import Net
from core.runtime import seeding
from core.training.trainer import SupervisedTrainer


@torch.no_grad()
def weighted_average(states: Sequence[Mapping[str, Tensor]], weights: Sequence[float]) -> dict[str, Tensor]:
    """Return w = Σ_k (n_k / n) · w_k of the clients' states w_k by name, with weights n_k >= 0 and n = Σ_k n_k (Algorithm 1).

    The running means and variances of batch norm are averaged as weights are. Of whole numbers, such as its count of batches, the
    largest is taken. A client of weight 0 changes nothing. Raises ValueError where all weights are 0 or one is negative.
    """
    total = math.fsum(weights)
    if min(weights) < 0 or not total > 0:
        raise ValueError(f"weights must be >= 0 and one of them > 0, got {list(weights)}")
    taking_part = [(state, n / total) for state, n in zip(states, weights, strict=True) if n > 0]
    average: dict[str, Tensor] = {}
    for name, first in taking_part[0][0].items():
        values = [state[name] for state, _ in taking_part]
        if not first.is_floating_point():
            average[name] = torch.stack(values).amax(0)
            continue
        mean = torch.zeros_like(first)
        for value, (_, share) in zip(values, taking_part, strict=True):
            mean.add_(value, alpha=share)
        average[name] = mean
    return average


@dataclass
class FederatedTrainer:
    """State of federated averaging, which can be saved at any step and continued to the bit.

    A step is one minibatch of one client. In a round each client in turn starts from ``model`` and makes its local epochs; at the end
    of the round ``model`` becomes the average of the clients, weighted by their numbers of images. So it changes once a round.
    """

    model: Net  # of the server
    clients: list[SupervisedTrainer]  # those with images, in the order of their numbers
    weights: list[float]  # images of each of them
    config: TrainConfig  # ``epochs`` counts rounds
    local_epochs: int
    number: int = 0  # steps taken

    @classmethod
    def start(
        cls,
        model: Net,
        images: LabelledImages,
        client_of: Tensor,
        config: TrainConfig,
        *,
        local_epochs: int,
        seed: int,
        stage: str,
    ) -> FederatedTrainer:
        """Return the state before step 1. ``model`` is trained in place; ``client_of`` (N,) int64 is the client of each image.

        Clients without images take no part. Raises as ``SupervisedTrainer.start``.
        """
        local = replace(config, epochs=config.epochs * local_epochs)
        clients, weights = [], []
        for client in sorted(set(client_of.tolist())):
            rows = (client_of == client).nonzero().flatten()
            own = seeding.derive_seed(seed, "client", client)
            clients.append(
                SupervisedTrainer.start(copy.deepcopy(model), images.take(rows), local, seed=own, stage=stage)
            )
            weights.append(float(len(rows)))
        return cls(model.eval(), clients, weights, config, local_epochs)

    @property
    def epoch_steps(self) -> int:
        """Number of steps of one round."""
        return self.local_epochs * sum(c.epoch_steps for c in self.clients)

    @property
    def total(self) -> int:
        """Number of steps of the whole training."""
        return self.config.epochs * self.epoch_steps

    def step(self) -> float:
        """Train one client on one minibatch, average at the end of a round, and return the mean cross-entropy before the update.

        Raises DivergedError as ``SupervisedTrainer.step``.
        """
        left = self.number % self.epoch_steps  # steps of this round until those of the client
        for client in self.clients:
            own = self.local_epochs * client.epoch_steps
            if left < own:
                break
            left -= own
        if left == 0:
            client.model.load_state_dict(self.model.state_dict())
        loss = client.step()
        self.number += 1
        if self.number % self.epoch_steps == 0:
            states = [c.model.state_dict() for c in self.clients]
            self.model.load_state_dict(weighted_average(states, self.weights))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested plain values and tensors; ``load_state_dict`` continues from it."""
        return {
            "model": self.model.state_dict(),
            "clients": [c.state_dict() for c in self.clients],
            "number": self.number,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned."""
        self.model.load_state_dict(state["model"])
        for client, values in zip(self.clients, state["clients"], strict=True):
            client.load_state_dict(values)
        self.number = state["number"]


def start_trainer(
    model: Net, split: Split, config: TrainConfig, *, seed: int, stage: str, remaining: bool = False
) -> SupervisedTrainer | FederatedTrainer:
    """Return the training of ``model`` on D of ``split``, or on D_r where ``remaining``: federated where D has clients.

    ``model`` is trained in place. Raises as ``SupervisedTrainer.start``.
    """
    images, clients = split.remain if remaining else split.train, split.dataset.clients
    if clients is None:
        return SupervisedTrainer.start(model, images, config, seed=seed, stage=stage)
    of = clients.of[split.remain_rows.cpu()] if remaining else clients.of
    return FederatedTrainer.start(
        model, images, of, config, local_epochs=clients.local_epochs, seed=seed, stage=stage
    )


def step_count(split: Split, config: TrainConfig, *, remaining: bool = False) -> int:
    """Return the number of steps of ``start_trainer`` with the same values."""
    clients = split.dataset.clients
    if clients is None:
        count = len(split.remain_rows) if remaining else len(split.train)
        return config.epochs * math.ceil(count / config.batch_size)
    of = clients.of[split.remain_rows.cpu()] if remaining else clients.of
    batches: int = sum(math.ceil(n / config.batch_size) for n in of.bincount().tolist())
    return config.epochs * clients.local_epochs * batches


__all__ = ["FederatedTrainer", "start_trainer", "step_count", "weighted_average"]
