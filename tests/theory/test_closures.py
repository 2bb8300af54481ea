import numpy as np
import pytest
from hypothesis import given, strategies as st
from raw_loops import simulate, z_score

from madtheory.theory.gaussian.second_moment_maps import (
    fixed_second_moments,
    fresh_second_moments,
    second_moment_map,
)

LAW = {"fresh": fresh_second_moments, "fixed": fixed_second_moments}
RAW = [
    ("fresh", {"n_real": 5, "n_synthetic": 7, "n_initial": 6, "bias": 0.8}, [1.0]),
    ("fresh", {"n_real": 4, "n_synthetic": 6, "n_initial": 7, "bias": 1.1, "ddof": 0}, [1.0, 1.0, 1.0]),
    ("fresh", {"n_real": 5, "n_synthetic": 6, "bias": 0.9}, [3.0, 0.5]),
    ("fresh", {"n_real": 5, "n_synthetic": 4, "bias": 0.9, "known_mean": True}, [1.0, 2.0]),
    ("fixed", {"n_real": 6, "n_synthetic": 4, "bias": 0.9}, [1.0]),
    ("fixed", {"n_real": 6, "n_synthetic": 8, "ddof": 0}, [1.0, 2.0, 0.5]),
    ("fixed", {"n_real": 4, "n_synthetic": 5, "bias": 1.1, "known_mean": True}, [1.0, 1.0]),
]


def observed(mean, covariance):
    error, total = (mean**2).sum(axis=1), np.trace(covariance, axis1=1, axis2=2)
    return {
        "mean_error": error,
        "total_variance": total,
        "mean_error_squared": error**2,
        "mean_in_covariance": np.einsum("ri,rij,rj->r", mean, covariance, mean),
        "mean_error_total_variance": error * total,
        "squared_norm": (covariance**2).sum(axis=(1, 2)),
        "squared_trace": total**2,
    }


@pytest.mark.parametrize(("real_data", "design", "spectrum"), RAW)
def test_every_moment_on_raw_points_and_none_with_another_bias(real_data, design, spectrum):
    # 40,000 loops: sees an error of 5 % in the bias with probability above 0.99
    known = design.get("known_mean", False)
    raw = {"n_initial": design["n_real"], "ddof": 1 - known} | design
    law = {"spectrum": spectrum, "dim": len(spectrum), "generations": 3}
    theory = LAW[real_data](**design, **law)
    wrong = LAW[real_data](**design | {"bias": design.get("bias", 1.0) * 1.05}, **law)
    rng = np.random.default_rng(7)
    loops = simulate(rng, 40_000, real_data=real_data, spectrum=spectrum, generations=3, law="normal", **raw)
    rejected = 0.0
    for g, model in enumerate(loops):
        for name, sample in observed(*model).items():
            if np.ptp(sample) > 0:
                assert abs(z_score(sample, theory[name][g])) < 5, (name, g)
                rejected = max(rejected, abs(z_score(sample, wrong[name][g])))
            else:
                assert theory[name][g] == 0
    assert rejected > 5


DESIGN = {
    "n_real": st.integers(2, 40),
    "n_synthetic": st.integers(1, 60),
    "bias": st.floats(0, 1.3),
    "ddof": st.sampled_from([0, 1]),
    "dim": st.integers(1, 5),
}


@given(**DESIGN)
def test_first_moments_obey_the_printed_recursion(n_real, n_synthetic, bias, ddof, dim):
    out = fresh_second_moments(
        n_real=n_real, n_synthetic=n_synthetic, bias=bias, ddof=ddof, dim=dim, generations=5
    )
    m, v, total = 1 / n_real, (n_real - 1) / (n_real - ddof), n_real + n_synthetic
    w = n_synthetic / total
    for g in range(5):
        assert out["mean_error"][g] == pytest.approx(dim * m, rel=1e-12)
        assert out["total_variance"][g] == pytest.approx(dim * v, rel=1e-12)
        gained = n_real - n_real / total + bias * (n_synthetic - w) * v + n_real * w * m
        m, v = n_real / total**2 + w**2 * (m + bias / n_synthetic * v), gained / (total - ddof)


@given(**DESIGN)
def test_inequalities_of_second_moments(n_real, n_synthetic, bias, ddof, dim):
    for law in LAW.values():
        out = law(n_real=n_real, n_synthetic=n_synthetic, bias=bias, ddof=ddof, dim=dim, generations=4)
        p, q, slack = out["squared_norm"], out["squared_trace"], 1 + 1e-9
        assert (p <= q * slack).all()
        assert (q <= dim * p * slack).all()
        assert (out["total_variance"] ** 2 <= q * slack).all()
        assert (out["mean_error"] ** 2 <= out["mean_error_squared"] * slack).all()
        assert (out["mean_in_covariance"] <= out["mean_error_total_variance"] * slack).all()


@given(n=st.integers(2, 50), dim=st.integers(1, 6), ddof=st.sampled_from([0, 1]))
def test_generation_one_is_the_wishart_law(n, dim, ddof):
    nu = n - 1
    for law in LAW.values():
        out = law(n_real=n, n_synthetic=3, ddof=ddof, dim=dim, generations=1)
        assert out["squared_norm"][0] == pytest.approx(nu * dim * (nu + dim + 1) / (n - ddof) ** 2)
        assert out["squared_trace"][0] == pytest.approx(nu * dim * (nu * dim + 2) / (n - ddof) ** 2)
        assert out["mean_error_squared"][0] == pytest.approx(dim * (dim + 2) / n**2)


def test_spectrum_of_equal_eigenvalues_only_scales():
    design = {"n_real": 5, "n_synthetic": 8, "bias": 0.9, "dim": 3, "generations": 4}
    for law in LAW.values():
        plain, scaled = law(**design), law(**design, spectrum=[2.0, 2.0, 2.0])
        for name, value in plain.items():
            power = 1 if name in ("mean_error", "total_variance") else 2
            np.testing.assert_allclose(scaled[name], value * 2**power, rtol=1e-12)


def test_sizes_may_vary_and_the_first_is_not_used():
    design = {"n_real": 5, "bias": 0.9, "generations": 3}
    listed = fresh_second_moments(n_synthetic=[99, 4, 9], **design)
    called = fresh_second_moments(n_synthetic=lambda g: {2: 4, 3: 9}[g], **design)
    constant = fresh_second_moments(n_synthetic=4, **design)
    np.testing.assert_array_equal(listed["squared_norm"], called["squared_norm"])
    assert listed["squared_norm"][1] == constant["squared_norm"][1]
    assert listed["squared_norm"][2] != constant["squared_norm"][2]
    assert listed["squared_norm"].kind == "exact mean"


@pytest.mark.parametrize("real_data", ["fresh", "fixed"])
def test_the_map_iterates_the_trajectory(real_data):
    design = {"n_real": 5, "n_synthetic": 8, "bias": 0.9, "dim": 2, "known_mean": True}
    matrix, offset, radius = second_moment_map(**design, real_data=real_data)
    long = LAW[real_data](**design, generations=200)
    state = np.linalg.solve(np.eye(len(offset)) - matrix, offset)
    assert radius < 1
    assert long["squared_norm"][-1] == pytest.approx(state[5], rel=1e-10)
    assert long["squared_trace"][-1] == pytest.approx(state[6], rel=1e-10)


@pytest.mark.parametrize(
    "bad",
    [{"bias": -1}, {"n_real": 0}, {"n_initial": 1}, {"ddof": 2}, {"spectrum": [1, -1]}, {"generations": 0}],
)
def test_bad_arguments_raise(bad):
    with pytest.raises(ValueError, match=next(iter(bad)).replace("n_initial", "initial")):
        fresh_second_moments(**{"n_real": 5, "n_synthetic": 5, "generations": 2} | bad)
