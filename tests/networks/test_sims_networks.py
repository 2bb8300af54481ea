"""SIMS and Neon on networks: identities, the two synthetic streams, budgets, loops, storage, classes."""

import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import madtheory as mad  # noqa: E402
from madtheory import regimes, storage, treatments  # noqa: E402
from madtheory.abilities import can  # noqa: E402
from madtheory.models.extrapolated import SIMS, Neon  # noqa: E402
from madtheory.models.selection import Tuned, checkpoints, select_guidance  # noqa: E402
from madtheory.networks import network as _network  # noqa: E402
from madtheory.networks.diffusion import Diffusion  # noqa: E402
from madtheory.networks.flow import Flow  # noqa: E402
from madtheory.networks.training import Training  # noqa: E402
from madtheory.networks.vae import VAE  # noqa: E402
from madtheory.networks.wgan_gp import WGANGP  # noqa: E402

QUICK = Training(images=4000, batch=100, learning_rate=0.03, warm_images=400, warm_learning_rate=0.01)
PLANE = mad.Gaussian([1.0, -1.0], [[2.0, 1.0], [1.0, 2.0]])
BOTH = pytest.mark.parametrize("scheme", [SIMS, Neon])


class _Affine(torch.nn.Module):
    def __init__(self, dim, classes):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.eye(dim) + 0.1 * torch.randn(dim, dim))
        self.shift = torch.nn.Parameter(torch.zeros(classes or 1, dim))

    def forward(self, z, labels):
        return z @ self.factor.T + self.shift[0 if labels is None else labels]


@dataclass(frozen=True, kw_only=True, eq=False)
class Line(_network.Network):
    """Points A z + b of normals z, by maximum likelihood: linear in its weights."""

    training: Training = field(default_factory=lambda: QUICK)
    device: str | None = "cpu"

    def _module(self, dim: int) -> Any:
        return _Affine(dim, self.classes)

    def _loss(self, module: Any, x: Any, labels: Any, generator: Any) -> Any:
        shift = module.shift[0 if labels is None else labels]
        z = torch.linalg.solve(module.factor, (x - shift).T)
        return z.square().sum(0).mean() / 2 + torch.linalg.slogdet(module.factor)[1]

    def _generate(self, terms: Any, dim: int, seeds: Any, labels: Any, bias: Any) -> Any:
        z = _network.noise(seeds, (dim,)) * (1.0 if bias is None else bias) ** 0.5
        return torch.stack([c * module(z, labels) for c, module in terms]).sum(0)


def rng(seed=0):
    return np.random.default_rng(seed)


def points(n=500, seed=1):
    return PLANE.sample(n, rng=rng(seed))


def same(one, two):
    """Equal weights, bit for bit."""
    return one.weights.keys() == two.weights.keys() and all(
        np.array_equal(value, two.weights[name]) for name, value in one.weights.items()
    )


@pytest.fixture(scope="module")
def base():
    return Line().fit(points(), rng=rng())


# Identities -----------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("settings", [{}, {"budget": 300, "learning_rate": 0.003}], ids=["fit", "budget"])
def test_0_is_the_base_and_minus_1_the_self_trained_model_bit_for_bit(base, scheme, settings):
    streams, whole = rng(5), scheme(Line(), 0.7, n_auxiliary=120, **settings).fit(points(), rng=rng(5))
    alone = Line().fit(points(), rng=streams)
    own = alone.sample(120, rng=streams)
    if settings:
        trained = alone.fine_tuned(own, images=300, learning_rate=0.003, rng=streams)
    else:
        trained = alone.fit(own, rng=streams)
    assert same(whole.base, alone)
    assert same(whole.auxiliary, trained)
    assert not same(whole.auxiliary, whole.base)
    for w, model in ((0, alone), (-1, trained)):
        made = whole.at(w)
        assert same(made.law, model)
        assert np.array_equal(made.sample(50, rng=rng(9)), model.sample(50, rng=rng(9)))
        assert np.array_equal(made.sample(50, rng=rng(9), bias=0.5), model.sample(50, rng=rng(9), bias=0.5))
    assert not np.array_equal(whole.sample(50, rng=rng(9)), alone.sample(50, rng=rng(9)))


@pytest.mark.parametrize("w", [-1.7, -0.5, 0.7, 3.0])
def test_on_a_linear_network_sims_is_neon(base, w):
    made = [scheme(base, w, budget=400).self_trained(100, rng=rng(3)) for scheme in (SIMS, Neon)]
    one, two = (model.sample(200, rng=rng(4)) for model in made)
    assert abs(one - two).max() < 3e-6 * abs(one).max()
    assert abs(one - base.sample(200, rng=rng(4))).max() > 1e-3


def test_on_a_network_with_a_kink_sims_is_neon_to_first_order():
    """The two differ by the square of the fine-tuning: a third of the budget, a ninth of the difference."""

    @dataclass(frozen=True, kw_only=True, eq=False)
    class Kinked(Line):
        def _generate(self, terms, dim, seeds, labels, bias):
            z = _network.noise(seeds, (dim,))
            return torch.stack([c * module(z, labels).sinh() for c, module in terms]).sum(0)

    kinked = Kinked(units=(0.0, 1.0)).fit(0.3 * points(), rng=rng())
    gaps = []
    for rate in (3e-3, 1e-3):
        made = [
            scheme(kinked, 1.0, budget=1000, learning_rate=rate).self_trained(100, rng=rng(3))
            for scheme in (SIMS, Neon)
        ]
        one, two = (model.sample(2000, rng=rng(4)) for model in made)
        gaps.append(np.median(abs(one - two).max(-1)))
    assert gaps[0] > 20 * 1e-6
    assert 5 < gaps[0] / gaps[1] < 16


@BOTH
def test_results_repeat_and_do_not_depend_on_the_batch(scheme):
    made = [
        scheme(Line(batch=batch), 0.7, budget=200, n_auxiliary=50).fit(points(), rng=rng(2))
        for batch in (4096, 4096, 7)
    ]
    first, again, small = (model.sample(40, rng=rng(3)) for model in made)
    assert np.array_equal(first, again)
    assert np.allclose(first, small, rtol=1e-4, atol=1e-4)
    copy = pickle.loads(pickle.dumps(made[0]))
    assert np.array_equal(copy.sample(40, rng=rng(3)), first)
    assert np.array_equal(copy.at(2.0).sample(40, rng=rng(3)), made[0].at(2.0).sample(40, rng=rng(3)))


@BOTH
def test_a_network_has_no_statistics(base, scheme):
    made = scheme(base, 0.5, budget=100)
    for name in ("sample_statistic", "expand"):
        assert not can(made, name)
        assert not can(made.self_trained(30, rng=rng()), name)
    loop = mad.Loop(real=PLANE, model=scheme(Line(), 0.5), regime=regimes.replace(n=50))
    assert mad.start(loop, rng=0).method == "samples"
    with pytest.raises(ValueError, match="not fitted"):
        scheme(Line(), 0.5).self_trained(30, rng=rng())


# In the loop ----------------------------------------------------------------------------------------


@pytest.fixture
def spied(monkeypatch):
    """What every network was trained on, and from which weights."""
    seen = []
    original = _network.Network._train

    def trained(self, data, images, learning_rate, rng):
        made = original(self, data, images, learning_rate, rng)
        seen.append((self, np.array(data), images, made))
        return made

    monkeypatch.setattr(_network.Network, "_train", trained)
    return seen


@BOTH
@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_the_two_synthetic_streams_are_apart(spied, scheme, warm):
    """S comes from the base, unbiased; the next generation trains on samples of the law, biased."""
    model = scheme(Line(), 1.5, n_auxiliary=70, budget=300)
    loop = mad.Loop(real=PLANE, model=model, regime=regimes.replace(n=90), bias=0.7, warm_start=warm)
    first = mad.start(loop, rng=4)
    second = mad.step(loop, first)
    assert [(len(data), images) for _, data, images, _ in spied] == [
        (90, 4000), (70, 300), (90, 400 if warm else 4000), (70, 300),
    ]  # fmt: skip
    for snapshot, (base, auxiliary) in ((first, spied[:2]), (second, spied[2:])):
        assert snapshot.model.base is base[3]
        assert snapshot.model.auxiliary is auxiliary[3]
        assert auxiliary[0] is base[3]
        # The stream of fit: the base's training takes two seeds, then S is drawn.
        stream = snapshot.streams(snapshot.generation, "fit")
        stream.integers(2**63, size=2)
        assert np.array_equal(auxiliary[1], base[3].sample(70, rng=stream))
        assert np.array_equal(base[1], snapshot.training_set)
    stream = first.streams(2, "synthetic")
    assert np.array_equal(spied[2][1], first.model.law.sample(90, rng=stream, bias=0.7))
    assert not np.array_equal(
        spied[2][1], first.model.base.sample(90, rng=first.streams(2, "synthetic"), bias=0.7)
    )
    assert spied[2][0] is (first.model.base if warm else loop.model.base)


def distance(sampled):
    """Squared distance of mean and covariance to the truth's."""
    return float(
        np.square(sampled.mean(0) - PLANE.mean).sum() + np.square(np.cov(sampled.T) - PLANE.covariance).sum()
    )


def sampled_distance(snapshot):
    """The same of 50 samples of a generation."""
    return np.asarray(distance(snapshot.model.sample(50, rng=rng(snapshot.generation))))


@pytest.mark.parametrize(
    "model",
    [
        SIMS(Line(), 0.5, n_auxiliary=40, budget=200),
        Neon(Line(), 0.5, n_auxiliary=40, budget=200, learning_rate=0.002),
        Tuned(SIMS(Line(), 0.0, n_auxiliary=40, budget=200), metric=distance, grid=(0.0, 0.5), n=30),
    ],
    ids=["sims", "neon", "tuned"],
)
def test_simulated_and_resumed_after_a_kill(tmp_path, monkeypatch, model):
    loop = mad.Loop(real=PLANE, model=model, regime=regimes.augment(n_real=60, n_synthetic=60))
    options = {"rng": 3, "replicates": 2, "metrics": [sampled_distance], "progress": False}
    unbroken = mad.simulate(loop, 4, **options)

    class Killed(BaseException):
        pass

    def die(*arguments):
        original(*arguments)
        raise Killed

    original = storage._write_checkpoint
    monkeypatch.setattr(storage, "_write_checkpoint", die)
    with pytest.raises(Killed):
        storage.resume(tmp_path / "run.nc", loop, 4, every_seconds=0, **options)
    monkeypatch.undo()
    resumed = storage.resume(tmp_path / "run.nc", loop, 4, **options)
    assert resumed["sampled_distance"].equals(unbroken["sampled_distance"])
    assert np.unique(unbroken["sampled_distance"]).size == 8


# Budgets, selection, classes ------------------------------------------------------------------------


@BOTH
def test_checkpoints_are_one_run(base, spied, scheme):
    template = scheme(base, 0.5, n_auxiliary=60, budget=1, learning_rate=0.002)
    saved = checkpoints(template, budgets=[200, 500, 900], rng=rng(6))
    assert [images for _, _, images, _ in spied] == [200, 300, 400]
    assert all(np.array_equal(data, spied[0][1]) for _, data, _, _ in spied)
    assert [one.auxiliary for one in saved] == [made for *_, made in spied]
    assert [start for start, *_ in spied] == [base, saved[0].auxiliary, saved[1].auxiliary]
    alone = scheme(base, 0.5, budget=200, learning_rate=0.002).self_trained(60, rng=rng(6))
    assert same(saved[0].auxiliary, alone.auxiliary)


def test_guidance_selected_on_samples_of_a_biased_sampler(base):
    """The auxiliary learns the sampler's bias 0.6 and shrinks; the metric asks for w > 0, and -1 is worst."""
    made = SIMS(base, 0.0, auxiliary_bias=0.6, budget=8000).self_trained(2000, rng=rng(1))
    found = select_guidance(made, metric=distance, grid=[-1, 0, 0.5, 1, 1.5, 2], n=2000, rng=rng(2), bias=0.6)
    assert 0.5 <= found.guidance <= 1.5
    assert found.values[0] == found.values.max()
    assert found.value < 0.2 * found.values[1]


@BOTH
def test_classes_pass_through(spied, scheme):
    """Points are (n, 3), the class last, of equal counts; both networks of a sample have its class."""
    x = np.column_stack([points(300), np.arange(300) % 3])
    x[:, 0] += 10 * x[:, -1]
    conditional = Line(classes=3, training=replace(QUICK, images=20_000))
    made = scheme(conditional, 0.5, n_auxiliary=60, budget=300).fit(x, rng=rng(1))
    assert [sorted(np.bincount(data[:, -1].astype(int))) for _, data, *_ in spied] == [[100] * 3, [20] * 3]
    drawn = made.sample(31, rng=rng(2))
    assert drawn.shape == (31, 3)
    assert sorted(np.bincount(drawn[:, -1].astype(int))) == [10, 10, 11]
    means = [drawn[drawn[:, -1] == k, 0].mean() for k in range(3)]
    assert abs(np.diff(means) - 10).max() < 4  # standard error 0.8, beside the fit's
    loop = mad.Loop(real=x, model=made, regime=regimes.augment(n_real=60, n_synthetic=30))
    assert mad.step(loop, mad.start(loop, rng=0)).training_set.shape == (90, 3)


def right_half(sampled):
    return sampled[:, 0] > 1.0


def test_an_unbalanced_synthetic_set_steers_the_samples(base):
    """Distribution control: the auxiliary sees the right half only, so that the guided samples move left.

    A share's standard error is 0.011; without the treatment the share stays that of the base.
    """
    shares, before = {}, right_half(base.sample(2000, rng=rng(2))).mean()
    for name, given in (("right", treatments.verify(right_half)), ("none", ())):
        model = SIMS(base, 2.0, budget=2000, treatments=given).self_trained(1000, rng=rng(1))
        shares[name] = right_half(model.sample(2000, rng=rng(2))).mean()
    assert shares["right"] < before - 5 * 0.011
    assert abs(shares["none"] - before) < 3 * 0.011


# The package's own networks -------------------------------------------------------------------------


SMALL = {"training": Training(images=640, batch=64), "device": "cpu"}
OURS = pytest.mark.parametrize("make", [Flow, VAE, WGANGP, Diffusion])


@OURS
@BOTH
@pytest.mark.parametrize("classes", [None, 2])
def test_identities_of_our_networks(make, scheme, classes):
    data = points(200) if classes is None else np.column_stack([points(200), np.arange(200) % classes])
    network = make(hidden=(8,), classes=classes, **SMALL)
    made = scheme(network, 0.5, n_auxiliary=50, budget=640).fit(data, rng=rng(1))
    drawn = made.sample(30, rng=rng(2))
    assert drawn.shape == (30, data.shape[1])
    assert np.isfinite(drawn).all()
    if classes is not None:
        assert np.bincount(drawn[:, -1].astype(int)).tolist() == [15, 15]
        assert np.array_equal(drawn[:, -1], made.base.sample(30, rng=rng(2))[:, -1])
        assert not np.array_equal(drawn, made.sample(30, rng=rng(2), bias=0.5))
    zero, minus = (made.at(w).sample(30, rng=rng(2)) for w in (0, -1))
    assert np.array_equal(zero, made.base.sample(30, rng=rng(2)))
    assert np.array_equal(minus, made.auxiliary.sample(30, rng=rng(2)))
    assert not np.array_equal(zero, minus)
    assert not np.array_equal(zero, drawn)


@OURS
def test_on_our_linear_networks_sims_is_neon(make):
    network = make(hidden=(), **SMALL).fit(points(200), rng=rng(1))
    one, two = (
        scheme(network, 1.5, budget=640).self_trained(50, rng=rng(3)).sample(100, rng=rng(4))
        for scheme in (SIMS, Neon)
    )
    assert abs(one - two).max() < 1e-4 * abs(one).max()
    assert abs(one - network.sample(100, rng=rng(4))).max() > 1e-3
