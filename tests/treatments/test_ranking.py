"""The treatments `keep_best`, `keep_new`, `keep_spread`, and the metrics of memorisation."""

import numpy as np
import pytest

import madtheory as mad
from madtheory import metrics, regimes
from madtheory.treatments import correct, keep_best, keep_new, keep_spread


def height(points):
    return points[..., 0]


def loop(*treatments, **changes):
    keywords = {"real": mad.Gaussian.standard(2), "model": mad.Gaussian(), "regime": regimes.replace(n=40)}
    return mad.Loop(**(keywords | changes), treatments=treatments)


def sample(treatment, n=40, replicates=(), seed=0):
    one = loop(treatment)
    snapshot = mad.start(one, rng=0, replicates=replicates[0] if replicates else None, method="samples")
    source = treatment.treated(snapshot.model, snapshot)
    return source.sample(n, rng=np.random.default_rng(seed)), snapshot


@pytest.mark.parametrize("replicates", [(), (3,)])
def test_best_are_the_highest_of_the_candidates_in_the_order_drawn(replicates):
    kept, snapshot = sample(keep_best(height, share=0.25), 10, replicates)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([snapshot.model.sample(10, rng=rng), snapshot.model.sample(30, rng=rng)], -2)
    assert kept.shape == (*replicates, 10, 2)
    for at in np.ndindex(replicates):
        order = np.sort(np.argsort(-drawn[at][:, 0])[:10])
        np.testing.assert_array_equal(kept[at], drawn[at][order])


def test_new_points_are_far_from_the_training_set():
    kept, snapshot = sample(keep_new(share=0.2), 10, (3,))
    plain = snapshot.model.sample(10, rng=np.random.default_rng(5))
    for at in range(3):
        real = snapshot.training_set[at]
        assert metrics.novelty(real=real, fake=kept[at]) > 1.5 * metrics.novelty(real=real, fake=plain[at])


def test_spread_is_the_greedy_subset():
    kept, snapshot = sample(keep_spread(share=0.5), 6)
    rng = np.random.default_rng(0)
    drawn = np.concatenate([snapshot.model.sample(6, rng=rng), snapshot.model.sample(6, rng=rng)], -2)
    chosen = [0]
    for _ in range(5):
        gaps = [min(np.linalg.norm(point - drawn[j]) for j in chosen) for point in drawn]
        chosen.append(int(np.argmax(gaps)))
    np.testing.assert_array_equal(kept, drawn[np.sort(chosen)])


def test_spread_of_repeated_points_keeps_as_many():
    source = mad.Loop(real=[[0.0], [0.0], [1.0]], model=mad.Gaussian(), regime=regimes.replace(n=9)).real
    kept = keep_spread(share=0.5).treated(source, None).sample(8, rng=np.random.default_rng(0))
    assert kept.shape == (8, 1)
    assert set(np.unique(kept)) == {0.0, 1.0}


def test_spread_slows_the_loss_of_variance():
    near = keep_best(lambda x: -np.square(x).sum(-1), share=0.5)
    keywords = {"replicates": 60, "metrics": [metrics.total_variance], "method": "samples"}
    made = [
        mad.simulate(loop(*treatments), 8, rng=1, progress=False, **keywords).total_variance[:, -1]
        for treatments in ((), (keep_spread(share=0.5),), (near,))
    ]
    plain, spread, near = map(np.median, made)
    assert spread > 1.3 * plain > 1.3 * near


@pytest.mark.parametrize("treatment", [keep_best(height, share=1), keep_new(share=1), keep_spread(share=1)])
def test_a_share_of_1_is_no_treatment_bit_for_bit(treatment):
    for method in ("statistics", "samples"):
        made = [
            mad.simulate(loop(*treatments), 3, replicates=4, rng=2, method=method, progress=False)
            for treatments in ((), (treatment,))
        ]
        assert made[0].equals(made[1])


def test_after_another_treatment_and_without_statistics():
    made = mad.simulate(loop(correct(1.0), keep_new(share=0.5)), 3, replicates=2, rng=2, progress=False)
    assert np.isfinite(made["total_variance"]).all()
    with pytest.raises(Exception, match="keep_new ranks individual points"):
        mad.simulate(loop(keep_new(share=0.5)), 3, replicates=2, method="statistics", progress=False)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: keep_best(height, share=0), "share"),
        (lambda: keep_best(height, share=1.5), "share"),
        (lambda: keep_best(3, share=0.5), "score"),
        (lambda: sample(keep_best(lambda x: x, share=0.5)), "one finite number for each point"),
        (lambda: sample(keep_best(lambda x: np.full(x.shape[:-1], np.nan), share=0.5)), "finite"),
    ],
)
def test_errors_name_the_argument(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()


# Metrics


def test_entropy_of_gaussians():
    rng = np.random.default_rng(0)
    points = rng.standard_normal((4_000, 3))
    exact = 1.5 * np.log(2 * np.pi * np.e)
    # Standard deviation of the estimate: the variance of log chi-square-like distances over n, below 1.7.
    for k in (1, 4):
        assert metrics.neighbour_entropy(fake=points, k=k) == pytest.approx(
            exact, abs=5 * 1.7 / np.sqrt(4_000)
        )
    half = metrics.neighbour_entropy(fake=points / 2)
    assert half == pytest.approx(metrics.neighbour_entropy(fake=points) - 3 * np.log(2), abs=1e-10)
    assert abs(half - exact) > 1


def test_entropy_of_one_neighbour_is_the_mean_log_distance():
    """Both are one statistic of a set, so that their correlation over sets of one size is built in."""
    rng = np.random.default_rng(0)
    gaps = []
    for scale in (0.1, 1.0, 7.0):
        points = scale * rng.standard_normal((200, 2))
        distances = np.linalg.norm(points[:, None] - points, axis=-1) + np.diag(np.full(200, np.inf))
        gaps.append(metrics.neighbour_entropy(fake=points) - 2 * np.log(distances.min(1)).mean())
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-12)


def test_a_narrow_kernel_copies_its_training_set():
    rng = np.random.default_rng(0)
    real = rng.standard_normal((50, 2))
    wide, narrow = (
        metrics.novelty(real=real, fake=mad.KernelDensity(h).fit(real).sample(400, rng=rng))
        for h in (0.5, 1e-9)
    )
    assert narrow < 1e-8
    assert wide > 0.1


def test_novelty_is_a_metric_of_loops():
    real = np.random.default_rng(0).standard_normal((30, 2))
    chosen = metrics.on_samples(metrics.novelty, metrics.neighbour_entropy, reference=real, n=40)
    made = mad.simulate(loop(), 2, metrics=chosen, replicates=2, rng=0, progress=False)
    assert (made["novelty"] > 0).all()
    assert np.isfinite(made["neighbour_entropy"]).all()
