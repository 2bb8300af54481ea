"""Diffusions that are trained: parameterisations, guidance, seeds, and a law in the plane."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from madtheory import metrics, sources  # noqa: E402
from madtheory.networks import DDIM, DDPM, EDM, Diffusion, FlowMatching, GaussianDenoiser, Heun, Training  # noqa: E402
from madtheory.networks.diffusion.model import PARAMETERISATIONS  # noqa: E402
from madtheory.testing import check_generative_model  # noqa: E402

BRIEF = Training(images=3000, batch=100)
PLAIN = Diffusion(training=BRIEF)
MODES = np.array([[-2.0, 0.0], [2.0, 0.5], [0.0, 2.0]])


def rng(seed=0):
    return np.random.default_rng(seed)


def labelled(n, seed=0):
    """Three modes and their number."""
    classes = np.arange(n) % 3
    return np.column_stack([MODES[classes] + 0.3 * rng(seed).standard_normal((n, 2)), classes])


@pytest.fixture(scope="module")
def conditional():
    model = Diffusion(
        hidden=(32, 32), classes=3, training=Training(images=120_000, batch=200, learning_rate=1e-2)
    )
    return model.fit(labelled(600), rng=rng(1))


# Parameterisations and processes --------------------------------------------------------------------------

NOISE, DATA, OUTPUT = torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
SIGMA = torch.logspace(-2, 2, 50, dtype=torch.float64)[:, None]
IDEAL = {
    "epsilon": NOISE,
    "x0": DATA,
    "score": -NOISE * (1 + SIGMA**2).sqrt() / SIGMA,
    "velocity": NOISE - DATA,
    "edm": (SIGMA * DATA - NOISE) / (1 + SIGMA**2).sqrt(),
    "v_prediction": (NOISE - SIGMA * DATA) / (1 + SIGMA**2).sqrt(),
}
SCALE = {name: torch.ones(1) for name in IDEAL} | {"score": SIGMA / (1 + SIGMA**2).sqrt()}


@pytest.mark.parametrize("name", PARAMETERISATIONS)
def test_parameterisations_are_the_published_losses(name):
    """The ideal output gives x0; any other costs its squared distance to the ideal one."""
    skip, out, scale, weight = PARAMETERISATIONS[name]
    x = DATA + SIGMA * NOISE
    torch.testing.assert_close(skip(SIGMA) * x + out(SIGMA) * IDEAL[name], DATA, rtol=1e-7, atol=1e-7)
    clean = skip(SIGMA) * x + out(SIGMA) * OUTPUT
    paper = (SCALE[name] * (OUTPUT - IDEAL[name])).square()
    torch.testing.assert_close(weight(SIGMA) * (clean - DATA).square(), paper, rtol=1e-6, atol=1e-9)
    if name != "velocity":
        torch.testing.assert_close(scale(SIGMA) ** 2 * (1 + SIGMA**2), torch.ones_like(SIGMA))
    else:
        t = SIGMA / (1 + SIGMA)
        torch.testing.assert_close(scale(SIGMA) * x, (1 - t) * DATA + t * NOISE)


@pytest.mark.parametrize("steps", [500, 1000])
def test_chains_end_at_the_same_noise(steps):
    process = DDPM(steps=steps)
    assert process.sigmas[-1] == pytest.approx(157.4, rel=0.04)
    betas = np.linspace(1e-4, 0.02, 1000)
    kept = np.cumprod(1 - betas)
    if steps == 1000:
        np.testing.assert_allclose(1 / (1 + process.sigmas**2), kept, rtol=1e-9)
    assert len(process.levels(steps)) == steps + 1
    np.testing.assert_array_equal(process.levels(steps)[:-1], process.sigmas[::-1])


def test_processes_train_at_the_levels_they_promise():
    generator = torch.Generator().manual_seed(0)
    logs = EDM(p_mean=0.5, p_std=0.7).draw(40_000, generator).log().double()
    assert abs(float(logs.mean()) - 0.5) < 5 * 0.7 / 200
    assert abs(float(logs.var()) / 0.49 - 1) < 5 * np.sqrt(2) / 200
    t = FlowMatching().draw(40_000, generator).double()
    assert abs(float((t / (1 + t)).mean()) - 0.5) < 5 / np.sqrt(12) / 200
    process = DDPM(steps=10, schedule="cosine")
    drawn = process.draw(40_000, generator).numpy().ravel()
    counts = (drawn[:, None] == process.sigmas.astype(np.float32)).sum(0)
    assert counts.sum() == 40_000
    assert (np.abs(counts - 4000) < 5 * np.sqrt(40_000 * 0.09)).all()


# Training -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameterisation", "process"),
    [
        ("edm", EDM()),
        ("epsilon", DDPM()),
        ("x0", EDM()),
        ("score", EDM(p_mean=0.0, p_std=0.8)),
        ("velocity", FlowMatching()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_parameterisation_learns_the_same_denoiser(parameterisation, process):
    """Without hidden layers, on Gaussian data, against the closed form; uncorrelated data have another."""
    mean, root = np.array([1.0, -2.0]), np.array([[1.0, 0.0], [0.8, 0.3]])
    data = mean + rng(0).standard_normal((4000, 2)) @ root.T
    budget = Training(images=300_000, batch=250, learning_rate=2e-2)
    model = Diffusion(hidden=(), parameterisation=parameterisation, process=process, training=budget)
    model = model.fit(data, rng=rng(1))
    shift, scale = model.weights["_shift"], model.weights["_scale"]
    centre, covariance = (data.mean(0) - shift) / scale, np.cov(data.T) / scale**2
    truth, other = (
        GaussianDenoiser(centre, covariance),
        GaussianDenoiser(centre, np.diag(np.diag(covariance))),
    )
    for sigma in (0.65, 2.2):  # times the scale, some .85: .55 and 1.9 in the data's own units
        x = (data[:500] - shift) / scale + sigma * rng(2).standard_normal((500, 2))
        with torch.inference_mode():
            learned = model._restore(2)(torch.from_numpy(x).float(), sigma).numpy()
        size = np.square(truth(x, sigma)).mean()
        assert np.square(learned - truth(x, sigma)).mean() < 0.03 * size
        assert np.square(learned - other(x, sigma)).mean() > 0.04 * size


def test_two_moons_are_learned():
    """Sliced Wasserstein distance to the truth, 0.03 for two samples of it; a fitted Gaussian is far away."""
    law = sources.two_moons()
    model = Diffusion(hidden=(64, 64, 64), training=Training(images=150_000, batch=250, learning_rate=4e-3))
    model = model.fit(law.sample(4000, rng=rng(0)), rng=rng(1))
    truth = law.sample(3000, rng=rng(2))
    fake = model.sample(3000, rng=rng(3))
    assert metrics.sliced_wasserstein(real=truth, fake=fake) < 0.06
    gaussian = rng(4).multivariate_normal(law.mean, law.covariance, 3000)
    assert metrics.sliced_wasserstein(real=truth, fake=gaussian) > 0.12


def test_classes_and_guidance(conditional):
    """Guidance moves the classes apart and narrows them; counts stay equal."""
    spread, distance = [], []
    for bias in (None, 0.5):
        points = conditional.sample(900, rng=rng(2), bias=bias)
        assert np.bincount(points[:, 2].astype(int)).tolist() == [300] * 3
        groups = [points[points[:, 2] == c, :2] for c in range(3)]
        spread.append(np.mean([g.var(0).sum() for g in groups]))
        distance.append(np.mean([np.linalg.norm(g.mean(0) - MODES[c]) for c, g in enumerate(groups)]))
    assert distance[0] < 0.15
    assert spread[0] == pytest.approx(0.18, rel=0.35)
    assert spread[1] < 0.85 * spread[0]
    same = conditional.sample(50, rng=rng(2), bias=1.0)
    np.testing.assert_array_equal(same, conditional.sample(50, rng=rng(2)))


@pytest.mark.parametrize("sampler", [Heun(4), DDIM(20, eta=1.0)], ids=repr)
def test_a_sample_is_a_function_of_its_seed(conditional, sampler):
    from dataclasses import replace

    whole = replace(conditional, sampler=sampler)
    seeds, labels = np.arange(20, dtype=np.uint64), np.arange(20) % 3
    x = whole.generate(seeds, labels)
    parts = replace(whole, batch=7).generate(seeds, labels)
    np.testing.assert_allclose(parts, x, rtol=1e-4, atol=1e-5)
    order = rng(0).permutation(20)
    np.testing.assert_allclose(whole.generate(seeds[order], labels[order]), x[order], rtol=1e-4, atol=1e-5)
    assert not np.allclose(whole.generate(seeds + np.uint64(1), labels), x, atol=0.01)


def test_guided_by_nothing_is_the_base_bit_for_bit(conditional):
    auxiliary = conditional.fine_tuned(labelled(200, 5), images=2000, rng=rng(6))
    seeds, labels = np.arange(30, dtype=np.uint64), np.arange(30) % 3
    own, other = (m.generate(seeds, labels, bias=0.5) for m in (conditional, auxiliary))
    np.testing.assert_array_equal(conditional.guided(auxiliary, 0.0).generate(seeds, labels, bias=0.5), own)
    np.testing.assert_array_equal(
        conditional.guided(auxiliary, -1.0).generate(seeds, labels, bias=0.5), other
    )
    assert not np.allclose(own, other, atol=1e-3)
    assert not np.allclose(
        conditional.guided(auxiliary, 1.0).generate(seeds, labels, bias=0.5), own, atol=1e-3
    )


def test_sims_is_neon_on_linear_networks():
    """D is affine in the weights if there are no hidden layers; with hidden ones it is not."""
    data, seeds = labelled(500)[:, :2], np.arange(50, dtype=np.uint64)
    gaps = []
    for hidden in ((), (16,)):
        base = Diffusion(hidden=hidden, training=Training(images=20_000, batch=100)).fit(data, rng=rng(1))
        auxiliary = base.fine_tuned(data[:50], images=5000, rng=rng(2))
        sims, neon = base.guided(auxiliary, 1.5), base.extrapolated(auxiliary, 1.5)
        gaps.append(np.abs(sims.generate(seeds) - neon.generate(seeds)).max())
    assert gaps[0] < 1e-4
    assert gaps[1] > 1e-3


def test_is_a_generative_model():
    points = sources.two_moons()
    check_generative_model(Diffusion(hidden=(8,), training=BRIEF, sampler=Heun(3)), real=points)
    check_generative_model(
        Diffusion(hidden=(8,), training=BRIEF, sampler=DDIM(3, eta=1.0), classes=3), real=labelled(300)
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: Diffusion(parameterisation="noise"), "parameterisation='noise'"),
        (lambda model: Diffusion(dropout=1.0), "dropout=1.0"),
        (lambda model: Diffusion(process=DDPM(steps=30), sampler=DDIM(50)), "steps=50"),
        (lambda model: model.sample(3, rng=rng(), bias=0.0), "bias=0.0"),
        (lambda model: PLAIN.fit(MODES, rng=rng()).sample(3, rng=rng(), bias=0.5), "bias=0.5"),
        (
            lambda model: Diffusion(training=BRIEF, classes=3, dropout=0.0).fit(labelled(30), rng=rng())
            .sample(3, rng=rng(), bias=0.5),
            "bias=0.5",
        ),
    ],
)  # fmt: skip
def test_errors_name_argument_and_value(conditional, call, message):
    with pytest.raises(ValueError, match=message):
        call(conditional)
