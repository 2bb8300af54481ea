import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import integrate, special

from madtheory.theory.gaussian.replacement import PRODUCTS, ZONAL, replace, second_moments, third_moments
from madtheory.theory.gaussian.variance_laws import variance_law
from madtheory.theory.labels import KINDS

LOOPS = {
    "biased": {"n": [12, 9, 10], "bias": 0.9, "ddof": 0, "spectrum": [3.0, 1.0, 0.5, 0.25]},
    "initial": {"n": 9, "n_initial": 20, "bias": 1.1, "dim": 2},
    "known mean": {"n": 8, "known_mean": True, "spectrum": [2.0, 1.0]},
    "singular": {"n": [3, 4, 3], "bias": 0.8, "spectrum": [2.0, 1.0, 1.0, 0.5]},
    "line": {"n": 7, "bias": 1.2, "spectrum": [2.0]},
}


def raw_loop(
    replicates, seed, *, n, n_initial=None, bias=1.0, ddof=1, known_mean=False, dim=1, spectrum=None
):
    """Three generations of the replace loop on raw points: mean and covariance of the last."""
    rng = np.random.default_rng(seed)
    spectrum = np.ones(dim) if spectrum is None else np.asarray(spectrum)
    dim, mean, factor = len(spectrum), np.zeros((replicates, len(spectrum))), np.diag(np.sqrt(spectrum))
    for g in range(3):
        size = n[g] if isinstance(n, list) else (n_initial or n) if g == 0 else n
        noise = rng.standard_normal((replicates, size, dim))
        points = mean[:, None] + (1.0 if g == 0 else bias) ** 0.5 * noise @ np.swapaxes(factor, -1, -2)
        mean = 0 * mean if known_mean else points.mean(1)
        centred = points - mean[:, None]
        covariance = np.swapaxes(centred, 1, 2) @ centred / (size - ddof)
        values, vectors = np.linalg.eigh(covariance)
        factor = vectors * np.sqrt(np.maximum(values, 0))[:, None]
    return mean, covariance


def raw_quantities(mean, covariance, spectrum):
    truth, dim = np.asarray(spectrum), len(spectrum)
    square, trace = covariance @ covariance, np.trace(covariance, axis1=1, axis2=2)
    norm = np.trace(square, axis1=1, axis2=2)
    root = np.sqrt(truth)
    overlap = np.sqrt(np.maximum(np.linalg.eigvalsh(root[:, None] * covariance * root), 0)).sum(1)
    out = {
        "total_variance": trace,
        "mean_error": (mean**2).sum(1),
        "squared_norm": norm,
        "squared_trace": trace**2,
        "cubed_trace": trace**3,
        "trace_times_squared_norm": trace * norm,
        "trace_of_cube": np.trace(square @ covariance, axis1=1, axis2=2),
    }
    distance = out["mean_error"] + trace + truth.sum() - 2 * overlap
    if np.linalg.matrix_rank(covariance[0]) == dim:
        volume, inverse = np.linalg.slogdet(covariance)[1], np.linalg.inv(covariance)
        ratio = volume - np.log(truth).sum()
        inside = (np.diagonal(covariance, axis1=1, axis2=2) + mean**2) / truth
        outside = np.einsum("rii,i->r", inverse, truth) + np.einsum("ri,rij,rj->r", mean, inverse, mean)
        out |= {
            "log_volume": volume,
            "kl_divergence": (inside.sum(1) - dim - ratio) / 2,
            "reverse_kl_divergence": (outside - dim + ratio) / 2,
        }
    return out, distance


def theory(**loop):
    parts = [f(**{"generations": 3, **loop}) for f in (replace, second_moments, third_moments)]
    return {key: value for part in parts for key, value in part.items()}


def z_scores(sample, theory):
    return {
        key: float((values.mean() - theory[key][2]) / (values.std() / np.sqrt(len(values))))
        for key, values in sample.items()
        if key in theory and values.std() > 0
    }


@pytest.mark.parametrize("name", LOOPS)
def test_raw_loops(name):
    """Means of every variable; power: a bias 4 % wrong is rejected in every loop."""
    loop = LOOPS[name]
    spectrum = loop.get("spectrum", np.ones(loop.get("dim", 1)))
    raw = {"ddof": 0 if loop.get("known_mean") else 1, **loop}
    sample, distance = raw_quantities(*raw_loop(60_000, 7, **raw), spectrum)
    exact = theory(**loop)
    scores = z_scores(sample, exact)
    assert len(scores) >= 6
    assert max(map(abs, scores.values())) < 5, scores
    for key in ("total_variance", "mean_error"):
        assert exact[f"{key}_std"][2] == pytest.approx(sample[key].std(), rel=0.05)
    if len(spectrum) == 1:
        error = distance.std() / np.sqrt(len(distance))
        assert abs(distance.mean() - exact["wasserstein2_squared"][2]) < 5 * error
    else:
        low, high = exact["wasserstein2_squared_lower"][2], exact["wasserstein2_squared_upper"][2]
        assert low < distance.mean() < high
        assert high < 2 * low
    wrong = {
        "n": loop["n"],
        **{k: v for k, v in loop.items() if k != "n"},
        "bias": loop.get("bias", 1.0) * 1.04,
    }
    assert abs(z_scores(sample, theory(**wrong))["total_variance"]) > 5
    if "log_volume" in scores:
        assert abs(z_scores(sample, theory(**wrong))["log_volume"]) > 5


def test_standard_deviations_of_raw_loops():
    """Spread of trace and mean error; a spread 3 % wrong is rejected (the mean's error is 0.4 %)."""
    loop, replicates = {"n": 40, "bias": 0.9, "spectrum": [2.0, 1.0, 1.0]}, 60_000
    sample, _ = raw_quantities(*raw_loop(replicates, 5, **loop), loop["spectrum"])
    exact = theory(**loop)
    for key in ("total_variance", "mean_error"):
        squares = (sample[key] - exact[key][2]) ** 2
        z = (squares.mean() - np.array([1, 1.06]) * exact[f"{key}_std"][2] ** 2) / (
            squares.std() / replicates**0.5
        )
        assert abs(z[0]) < 5
        assert abs(z[1]) > 5


def test_real_fit_need_not_be_gaussian_for_first_moments():
    rng = np.random.default_rng(2)
    real = rng.exponential(size=(200_000, 6))
    mean, variance = real.mean(1), real.var(1, ddof=1)
    points = mean[:, None] + np.sqrt(0.7 * variance)[:, None] * rng.standard_normal((200_000, 6))
    exact = replace(n=6, bias=0.7, generations=2)
    for values, key in ((points.var(1, ddof=1), "total_variance"), ((points.mean(1) - 1) ** 2, "mean_error")):
        z = (values.mean() - exact[key][1] * np.array([1, 1.05])) / (values.std() / np.sqrt(200_000))
        assert abs(z[0]) < 5
        assert abs(z[1]) > 5


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    n=st.integers(2, 50),
    n_initial=st.integers(2, 50),
    bias=st.floats(0, 1.5),
    ddof=st.sampled_from([0, 1]),
    known_mean=st.booleans(),
)
def test_one_dimension_agrees_with_the_law(n, n_initial, bias, ddof, known_mean):
    loop = {"n": n, "n_initial": n_initial, "bias": bias, "ddof": ddof, "known_mean": known_mean}
    path = replace(**loop, generations=6)
    q = second_moments(**loop, generations=6)["squared_trace"]
    np.testing.assert_allclose(q, path["total_variance"] ** 2 + path["total_variance_std"] ** 2, rtol=1e-9)
    if bias > 0.01:
        law = variance_law(generation=6, **loop)
        assert path["total_variance"][5] == pytest.approx(law.mean(), rel=1e-10)
        assert path["total_variance_std"][5] == pytest.approx(law.std(), rel=1e-9)
        assert path["log_volume"][5] == pytest.approx(law.log_mean(), rel=1e-10, abs=1e-12)
        overlap = law.mean() + 1 - 2 * law.moment(0.5) + path["mean_error"][5]
        assert path["wasserstein2_squared"][5] == pytest.approx(overlap, rel=1e-9)
        third = third_moments(**loop, generations=6)
        for value in third.values():  # all the same in one dimension
            assert value[5] == pytest.approx(law.moment(3), rel=1e-9)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(
    n=st.integers(2, 30),
    bias=st.floats(0.1, 1.2),
    ddof=st.sampled_from([0, 1]),
    spectrum=st.lists(st.floats(0.1, 10), min_size=2, max_size=5),
)
def test_inequalities(n, bias, ddof, spectrum):
    loop = {"n": n, "bias": bias, "ddof": ddof, "spectrum": spectrum, "generations": 12}
    path, second, dim = replace(**loop), second_moments(**loop), len(spectrum)
    slack = 1 + 1e-9
    assert np.all(second["squared_norm"] <= second["squared_trace"] * slack)
    assert np.all(second["squared_trace"] <= dim * second["squared_norm"] * slack)
    assert np.all(second["squared_trace"] >= path["total_variance"] ** 2 / slack)
    assert np.all(path["kl_divergence"] >= 0)
    assert np.all(path.get("reverse_kl_divergence", np.zeros(1)) >= 0)
    assert ("reverse_kl_divergence" in path) == (n - 1 > dim + 1)
    assert np.isfinite(path["log_volume"][0]) == (n > dim)
    low, high = path["wasserstein2_squared_lower"], path["wasserstein2_squared_upper"]
    assert np.all(low <= high * slack)
    assert np.all(low >= path["mean_error"] / slack)
    # the scale of the truth is only a unit, and its directions have no order
    again = second_moments(**{**loop, "spectrum": [2 * x for x in spectrum[::-1]]})
    np.testing.assert_allclose(again["squared_norm"], 4 * second["squared_norm"])
    turned = replace(**{**loop, "spectrum": [2 * x for x in spectrum[::-1]]})
    np.testing.assert_allclose(turned["wasserstein2_squared_upper"], 2 * high, rtol=1e-7)
    np.testing.assert_allclose(turned["kl_divergence"], path["kl_divergence"], rtol=1e-9)


def test_total_variance_is_conserved_with_the_likelihood_divisor():
    path = replace(n=[7, 3, 50, 2, 11], ddof=0, generations=5, spectrum=[3.0, 1.0])
    np.testing.assert_allclose(path["total_variance"] + path["mean_error"], 4.0, rtol=1e-14)
    unbiased = replace(n=7, generations=50, dim=3)
    np.testing.assert_allclose(unbiased["total_variance"], 3, rtol=1e-13)
    np.testing.assert_allclose(unbiased["mean_error"], 3 * np.arange(1, 51) / 7, rtol=1e-13)


def test_paper_moments():
    # Alemohammad et al. 2024, Eq. 1-2: E tr S_g = bias^(g-1) d, E|mu_g|^2 = d (1 + bias + ...) / n
    path, bias = replace(n=40, bias=0.8, dim=5, generations=30), 0.8 ** np.arange(30)
    np.testing.assert_allclose(path["total_variance"], 5 * bias, rtol=1e-12)
    np.testing.assert_allclose(path["mean_error"], 5 / 40 * np.cumsum(bias), rtol=1e-12)


def test_wasserstein_limits():
    likelihood = replace(n=20, ddof=0, generations=3000)["wasserstein2_squared"]
    assert likelihood[-1] == pytest.approx(2, rel=1e-10)
    unbiased = replace(n=20, generations=3000)["wasserstein2_squared"]
    assert unbiased[-1] == pytest.approx(2 + 3000 / 20, rel=1e-10)  # Shumailov et al. 2024: divergence
    early = replace(n=10**7, generations=5)["wasserstein2_squared"]
    np.testing.assert_allclose(early, 1.5 * np.arange(1, 6) / 1e7, rtol=1e-6)
    # large dimension and size: both bounds meet d (d + 5) / 4 n
    wide = replace(n=10**6, dim=10, generations=1)
    for side in ("lower", "upper"):
        assert wide[f"wasserstein2_squared_{side}"][0] == pytest.approx(10 * 15 / 4e6, rel=1e-4)


def test_plane_fidelity_is_inside_the_bounds():
    for n in (2, 3, 5, 20):
        nu = n - 1
        overlap = np.sqrt(2 / nu) * special.poch(nu, 0.5) * special.hyp2f1(-0.5, nu - 1, nu, -1)
        exact = 2 * (1 / n + 2) - 2 * overlap
        path = replace(n=n, dim=2, generations=1)
        assert path["wasserstein2_squared_lower"][0] <= exact <= path["wasserstein2_squared_upper"][0]
        if n > 2:
            assert path["wasserstein2_squared_upper"][0] < 1.6 * path["wasserstein2_squared_lower"][0]


def test_zonal_tables_against_the_identity():
    """At the identity of dimension d a zonal polynomial is a product over its boxes: every d up to 6."""
    for order, table in ZONAL.items():
        for parts, coefficients in table.items():
            for dim in range(1, 7):
                value = sum(
                    c * float(dim) ** len(p) for c, p in zip(coefficients, PRODUCTS[order], strict=True)
                )
                boxes = [dim - i + 2 * j for i, part in enumerate(parts) for j in range(part)]
                assert value == np.prod(boxes)


def test_singular_and_degenerate_loops():
    flat = replace(n=5, dim=10, generations=4)
    assert np.all(flat["log_volume"] == -np.inf)
    assert np.all(flat["kl_divergence"] == np.inf)
    assert "reverse_kl_divergence" not in flat
    np.testing.assert_allclose(flat["total_variance"], 10)
    assert flat["wasserstein2_squared_upper"][0] < 10 * (1 + 1 + 1 / 5)
    later = replace(n=[20, 3, 20], dim=5, generations=3)["log_volume"]
    assert np.isfinite(later[0])
    assert np.all(later[1:] == -np.inf)
    point = replace(n=1, ddof=0, dim=2, generations=3)
    np.testing.assert_array_equal(point["total_variance"], 0)
    np.testing.assert_array_equal(point["total_variance_std"], 0)
    np.testing.assert_array_equal(point["mean_error"], 2)
    frozen = replace(n=10, bias=0.0, generations=3)
    np.testing.assert_allclose(frozen["wasserstein2_squared"][1:], 1.1)
    assert frozen["reverse_kl_divergence"][1] == np.inf


@pytest.mark.parametrize("bias", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("dim", [1, 3])
def test_long_loops_neither_warn_nor_turn_into_nan(bias, dim):
    for path in (
        f(n=20, bias=bias, dim=dim, generations=20_000) for f in (replace, second_moments, third_moments)
    ):
        for key, value in path.items():
            assert not np.isnan(value).any(), key
            assert value.kind in KINDS
            assert value.kind == ("bound" if key.endswith(("lower", "upper")) else "exact mean")


def test_prefix_and_size_functions():
    whole = replace(n=lambda g: 10 * g, generations=8, dim=2)
    part = replace(n=[10, 20, 30, 40], generations=4, dim=2)
    for key, value in part.items():
        np.testing.assert_array_equal(value, whole[key][:4])
    same = replace(n=20, n_initial=10, generations=2, dim=2)
    np.testing.assert_allclose(same["mean_error"], whole["mean_error"][:2])


def test_kl_in_one_dimension_by_quadrature():
    """E KL of the first fit, with its mean, against integration over the chi-square law."""
    n, law = 9, variance_law(generation=1, n=9)
    forward = integrate.quad(lambda x: (x + 1 / n - 1 - np.log(x)) / 2 * law.pdf(x), 0, np.inf)[0]
    backward = integrate.quad(lambda x: ((1 + 1 / n) / x - 1 + np.log(x)) / 2 * law.pdf(x), 0, np.inf)[0]
    path = replace(n=n, generations=1)
    assert path["kl_divergence"][0] == pytest.approx(forward, rel=1e-8)
    assert path["reverse_kl_divergence"][0] == pytest.approx(backward, rel=1e-8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1}, "generation 1 has n=1"),
        ({"n": [5, 1, 5]}, "generation 2 has n=1"),
        ({"n": 0}, "n=0"),
        ({"generations": 0}, "generations=0"),
        ({"bias": np.nan}, "bias=nan"),
        ({"dim": 0}, "dim=0"),
        ({"spectrum": [1.0, -1.0]}, "spectrum"),
        ({"spectrum": [1.0, 1.0], "dim": 3}, "2 eigenvalues but dim=3"),
    ],
)
def test_errors_name_the_argument(arguments, message):
    with pytest.raises(ValueError, match=message):
        replace(**{"n": 10, "generations": 3, **arguments})
