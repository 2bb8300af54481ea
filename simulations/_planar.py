"""Diffusions of two laws in the plane, whose training can be continued."""

from __future__ import annotations

from typing import Any


def planar_diffusion(law: str, *, first: int, later: int) -> Any:
    """Return a DDPM for eight Gaussians, or flow matching for two moons, by steps of first and later fits."""
    from madtheory.networks import DDPM, Diffusion, FlowMatching, Training

    training = Training(
        images=256 * first, batch=256, learning_rate=6e-3, warm_images=256 * later, warm_learning_rate=1e-3
    )
    if law == "two moons":
        return Diffusion(
            parameterisation="velocity", process=FlowMatching(), hidden=(64, 64, 64),
            training=training, device="cpu",
        )  # fmt: skip
    return Diffusion(
        parameterisation="epsilon", process=DDPM(steps=100), hidden=(128, 128, 128),
        training=training, device="cpu",
    )  # fmt: skip
