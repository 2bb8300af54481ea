"""Curated loops (Ferbach et al. 2024, arXiv 2407.09499): on a few symbols, and on a mixture of Gaussians.

Both run twice: the exact law of infinitely many points, by `theory.curation`, and loops of samples, whose
generator is a histogram. `symbols` chooses among K; `mixture` has the eight modes and the reward
-10 max(0, |x - (2, 0)| - r_min) of the papers' figure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

import madtheory as mad
from madtheory import regimes
from madtheory.theory import curation
from madtheory.treatments import curate
from simulations._lattice import Lattice

CHOICES = (2, 4, 8, np.inf)
STEPS = 11
LEVELS = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
SHARES = np.array([0.35, 0.3, 0.2, 0.1, 0.05])
RATIOS = (0.1, 0.3, 1.0, 3.0, np.inf)
PAIRS = 2  # choices of the mixture: 10,000 points generated, 5,000 kept
CURVE = tuple(np.linspace(0.05, 0.98, 16).tolist())
N_SYMBOLS = 2_000
N_POINTS = 5_000
PLATEAUS = (3.0, 1.0)  # r_min
STEEPNESS = 10.0
STD = 0.02
SPACING = 0.01
LOOPS = {"curated only": np.inf, "with real data": 1.0}


def symbols(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate two symbols under K choices, and five with real data; `n_jobs` is not used (seconds).

    Returns
    -------
    Dataset
        ``share`` (choices, generation) of the better of two symbols; ``gain`` (ratio, generation) of the
        expected exponential of the reward; each with error and prediction. ``gain_bound`` and
        ``published_gain_bound`` (ratio); ``divergence`` from the real data, ``log_ratio`` of the densities
        (pair, curve), and their bound.
    """
    replicates, generations = (40 if quick else 400), STEPS
    seeds = iter(np.random.SeedSequence(rng).spawn(len(CHOICES) + len(RATIOS)))
    two, levels = np.array([0.0, 1.0]), LEVELS - LEVELS[-1]
    parts = []
    for choices in CHOICES:
        one = simulate_update(
            law=np.array([0.5, 0.5]), places=two[:, None], spacing=1.0, reward=two, choices=choices,
            ratio=np.inf, n=N_SYMBOLS, generations=generations, replicates=replicates, seed=next(seeds),
            measures={"share": two},
        )  # fmt: skip
        parts.append(one)
    data = xr.concat(parts, "choices", join="exact").assign_coords(choices=list(CHOICES))
    parts = []
    for ratio in RATIOS:
        one = simulate_update(
            law=SHARES, places=2 * LEVELS[:, None], spacing=1.0, reward=levels, choices=4, ratio=ratio,
            n=N_SYMBOLS, generations=generations, replicates=replicates, seed=next(seeds),
            measures={"gain": np.exp(levels) - SHARES @ np.exp(levels)},
        )  # fmt: skip
        for name, published in (("gain_bound", False), ("published_gain_bound", True)):
            value = curation.mixing_reward_bound(
                reference=SHARES, reward=levels, choices=4, curated_ratio=ratio, published=published
            )
            one[name] = ((), float(value), value.attrs)
        parts.append(one)
    data = data.merge(xr.concat(parts, "ratio", join="exact").assign_coords(ratio=list(RATIOS)))
    far = np.array([[_divergence(k, c / (k - 1)) for c in CURVE] for k in (2, 4)])
    bound = curation.kl_bound(curated_ratio=np.array(CURVE), choices=2)
    data = data.assign_coords(pair=[2, 4], curve=list(CURVE)).assign(
        divergence=(("pair", "curve"), far[..., 0]),
        log_ratio=(("pair", "curve"), far[..., 1]),
        divergence_bound=("curve", np.asarray(bound), bound.attrs),
    )
    data.attrs.update({"replicates": replicates, "n": N_SYMBOLS, "seed": rng, "quick": int(quick)})
    return data


def _divergence(choices: int, ratio: float) -> tuple[float, float]:
    """Return the KL to the real data and the largest log density ratio after 60 generations."""
    largest = ratio_of = 0.0
    for rare in (0.001, 0.03, 0.3):
        p, reward = np.array([1 - rare, rare]), np.array([0.0, 20.0])
        path = curation.iterate_update(p, reward=reward, choices=choices, generations=60, curated_ratio=ratio)
        logs = np.log(np.asarray(path[-1]) / p)
        largest, ratio_of = max(largest, float(path[-1] @ logs)), max(ratio_of, float(logs.max()))
    return largest, ratio_of


def mixture(*, quick: bool = False, rng: int = 0, n_jobs: int = -1) -> xr.Dataset:
    """Simulate eight modes under both rewards, with and without real data; `n_jobs` is not used.

    Returns
    -------
    Dataset
        ``reward_mean``, ``reward_variance`` and ``mode_mass`` (r_min, loop, generation, [mode]) of sampled
        loops, each with error and prediction; ``exp_mean`` and ``gain_bound`` of the exact loop;
        ``reward_map`` (r_min, y, x), ``initial_map`` (y, x) and ``final_map`` (r_min, loop, y, x), in which
        modes are blurred to a standard deviation of 0.12 so that they are seen.
    """
    replicates, generations = (30, 12) if quick else (60, 31)
    law, places, mode = eight_modes()
    seeds = iter(np.random.SeedSequence(rng).spawn(len(PLATEAUS) * len(LOOPS)))
    axis = np.linspace(-2.9, 2.9, 117)
    field = np.stack(np.meshgrid(axis, axis), -1)
    rows = []
    for r_min in PLATEAUS:
        reward = plateau_reward(r_min)(places)
        across = []
        for ratio in LOOPS.values():
            measures = {"reward_mean": reward} | {f"mode_{k}": (mode == k) * 1.0 for k in range(8)}
            one = simulate_update(
                law=law, places=places, spacing=SPACING, reward=reward, choices=PAIRS, ratio=ratio,
                n=N_POINTS, generations=generations, replicates=replicates, seed=next(seeds),
                measures=measures, variance_of="reward_mean", reward_of=plateau_reward(r_min),
            )  # fmt: skip
            for suffix in ("", "_error"):
                names = [f"mode_{k}{suffix}" for k in range(8)]
                one[f"mode_mass{suffix}"] = xr.concat([one[name] for name in names], "mode")
                one = one.drop_vars(names)
            names = [f"predicted_mode_{k}" for k in range(8)]
            one["predicted_mode_mass"] = xr.concat([one[name] for name in names], "mode")
            one = one.drop_vars(names)
            exact = one.attrs.pop("path")
            moments = curation.reward_moments(p=exact, reward=reward, top=0.0)
            one["exp_mean"] = ("generation", np.asarray(moments["exp_mean"]), moments["exp_mean"].attrs)
            bound = curation.reward_gain_bound(p=exact, reward=reward, choices=PAIRS)
            one["gain_bound"] = ("generation", np.asarray(bound), bound.attrs)
            one["final_map"] = (("y", "x"), _blur(exact[-1], places, axis))
            across.append(one)
        both = xr.concat(across, "loop", join="exact")
        end = curation.limit(p=law, reward=reward)
        both["limit_mode_mass"] = ("mode", np.bincount(mode, end, 8))
        both["limit_map"] = (("y", "x"), _blur(np.asarray(end), places, axis))
        both["reward_map"] = (("y", "x"), plateau_reward(r_min)(field))
        rows.append(both)
    data = xr.concat(rows, "r_min", join="exact")
    coords = {"r_min": list(PLATEAUS), "loop": list(LOOPS), "mode": np.arange(8), "x": axis, "y": axis}
    data = data.assign_coords(coords).assign(initial_map=(("y", "x"), _blur(law, places, axis)))
    data.attrs.update({"replicates": replicates, "n": N_POINTS, "seed": rng, "quick": int(quick)})
    return data


def simulate_update(
    *,
    law: np.ndarray,
    places: np.ndarray,
    spacing: float,
    reward: np.ndarray,
    choices: float,
    ratio: float,
    n: int,
    generations: int,
    replicates: int,
    seed: np.random.SeedSequence,
    measures: dict[str, np.ndarray],
    variance_of: str | None = None,
    reward_of: Callable[[np.ndarray], np.ndarray] | None = None,
) -> xr.Dataset:
    """Return expectations of functions of the place, in loops of `n` points and in the exact loop.

    Real data are drawn afresh in each generation, so that both have the same law to start from.
    """
    real = Lattice(places, law, spacing)
    regime = regimes.replace(n=n)
    if ratio < np.inf:
        n_synthetic = round(n * ratio / (1 + ratio))
        regime = regimes.fresh(n_real=n - n_synthetic, n_synthetic=n_synthetic, n_initial=n)

    def of_points(points: np.ndarray) -> np.ndarray:
        return np.interp(points[..., 0], places[:, 0], reward)

    treatment = curate(reward_of or of_points, choices=choices, reward_max=float(reward.max()))
    loop = mad.Loop(real=real, model=Lattice(places, None, spacing), regime=regime, treatments=(treatment,))
    metrics = [_expectation(name, values) for name, values in measures.items()]
    if variance_of is not None:
        metrics.append(_variance("reward_variance", measures[variance_of]))
    made = mad.simulate(loop, generations, replicates=replicates, metrics=metrics, rng=seed, progress=False)
    path = curation.iterate_update(
        law, reward=reward, choices=choices, generations=generations, curated_ratio=ratio
    )
    exact = {name: path @ values for name, values in measures.items()}
    if variance_of is not None:
        values = measures[variance_of]
        exact["reward_variance"] = path @ values**2 - (path @ values) ** 2
    variables = {}
    for name, expected in exact.items():
        variables[name] = ("generation", made[name].mean("replicate").values)
        error = made[name].std("replicate", ddof=1).values / np.sqrt(replicates)
        variables[f"{name}_error"] = ("generation", error)
        variables[f"predicted_{name}"] = ("generation", np.asarray(expected), path.attrs)
    out = xr.Dataset(variables, {"generation": made["generation"].values})
    if variance_of is not None:
        out.attrs["path"] = np.asarray(path)
    return out


def eight_modes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return probabilities, places and modes of the cells: radius 2, standard deviation 0.02."""
    angle = np.arange(8) * np.pi / 4
    centres = 2 * np.stack([np.cos(angle), np.sin(angle)], -1)
    steps = np.arange(-11, 12)
    offsets = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    cells = (np.rint(centres / SPACING)[:, None] + offsets) * SPACING
    weight = np.exp(-0.5 * ((cells - centres[:, None]) ** 2).sum(-1) / STD**2)
    law = weight / weight.sum(1, keepdims=True) / 8
    return law.ravel(), cells.reshape(-1, 2), np.repeat(np.arange(8), len(offsets))


def plateau_reward(r_min: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return the reward that is zero within `r_min` of the first mode, with a steep slope outside."""

    def reward(points: np.ndarray) -> np.ndarray:
        distance = np.hypot(points[..., 0] - 2.0, points[..., 1])
        # Rounded, so that cells which mirror each other share a level.
        return np.round(-STEEPNESS * np.maximum(0.0, distance - r_min), 12)

    return reward


def _expectation(name: str, values: np.ndarray) -> Callable[[mad.Snapshot], np.ndarray]:
    def metric(snapshot: mad.Snapshot) -> np.ndarray:
        return np.asarray(snapshot.model.p @ values)

    metric.__name__ = name
    return metric


def _variance(name: str, values: np.ndarray) -> Callable[[mad.Snapshot], np.ndarray]:
    def metric(snapshot: mad.Snapshot) -> np.ndarray:
        p = snapshot.model.p
        return np.asarray(p @ values**2 - (p @ values) ** 2)

    metric.__name__ = name
    return metric


def _blur(law: np.ndarray, places: np.ndarray, axis: np.ndarray, width: float = 0.12) -> np.ndarray:
    """Return the density after adding normal noise, shape (y, x)."""
    x, y = (
        np.exp(-0.5 * ((axis[:, None] - places[:, i]) / width) ** 2) / (width * np.sqrt(2 * np.pi))
        for i in (0, 1)
    )
    return (y * law) @ x.T
