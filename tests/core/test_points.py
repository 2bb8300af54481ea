"""What counts as points: real numbers in whatever reads as an array. The rest is refused, everywhere."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr

import madtheory as mad
from madtheory import data, metrics, regimes, sources, treatments
from madtheory.validation import check_array, check_points, freeze

pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")

X = np.random.default_rng(0).normal(size=(30, 2))
MASKED = np.ma.array(X, mask=[[False, False]] * 29 + [[True, True]])

READ = {
    "lists": X.tolist(),
    "tuples": tuple(map(tuple, X.tolist())),
    "frame": pd.DataFrame(X, columns=["a", "b"]),
    "nullable frame": pd.DataFrame(X).astype("Float64"),
    "frame of two types": pd.DataFrame({"a": X[:, 0], "b": pd.array(X[:, 1], dtype="Float64")}),
    "sparse frame": pd.DataFrame(X).astype(pd.SparseDtype(float)),
    "labelled": xr.DataArray(X, dims=["point", "axis"]),
    "objects": X.astype(object),
    "decimals": [[Decimal(repr(v)) for v in row] for row in X.tolist()],
    "fractions": [[Fraction(v) for v in row] for row in X.tolist()],
    "nothing masked": np.ma.array(X),
    "columns first": np.asfortranarray(X),
    "a long double": X.astype(np.longdouble),
}

REFUSED = {
    "masked": MASKED,
    "masked in a list": [MASKED[i] for i in range(30)],
    "one masked number": [[1.0, np.ma.masked], [2.0, 3.0]],
    "masked integers": np.ma.masked_equal(np.array([[1, 2], [-9999, 3]]), -9999),
    "complex": X + 0j,
    "text": X.astype(str),
    "text that reads as numbers": [["1", "2"], ["3", "4"]],
    "bytes": X.astype(bytes),
    "dates": np.array([["2020-01-01", "2020-01-02"]] * 3, dtype="M8[D]"),
    "durations": np.array([[1, 2]] * 3, dtype="m8[s]"),
    "python dates": [[datetime.date(2020, 1, 1), 2.0]] * 3,
    "frame with text": pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}),
    "frame with dates": pd.DataFrame({"a": [1.0, 2.0], "b": pd.to_datetime(["2020", "2021"])}),
    "frame of dates": pd.DataFrame({"b": pd.to_datetime(["2020", "2021"])}),
    "frame of categories": pd.DataFrame({"b": pd.Categorical(["u", "v"])}),
    "NA": pd.DataFrame({"a": pd.array([1, None, 3], dtype="Int64"), "b": [1.0, 2.0, 3.0]}),
    "None": [[1.0, None], [2.0, 3.0]],
    "NaN": np.where(np.arange(60).reshape(30, 2) == 7, np.nan, X),
    "inf": np.where(np.arange(60).reshape(30, 2) == 7, np.inf, X),
    "a huge integer": [[10**400, 1], [2, 3]],
    "ragged": [[1.0, 2.0], [3.0]],
    "structured": np.array([(1.0, 2.0)] * 3, dtype=[("a", float), ("b", float)]),
    "sparse": sparse.csr_matrix(X),
    "sparse array": sparse.coo_array(X),
    "a dictionary": {"a": [1.0, 2.0]},
    "a data set": xr.Dataset({"a": ("point", [1.0, 2.0])}),
    "a generator": (row for row in X.tolist()),
    "one-dimensional": X[:, 0],
    "a series": pd.Series(X[:, 0]),
    "no points": np.empty((0, 2)),
    "None itself": None,
    "a path": "points.csv",
}


@pytest.mark.parametrize("kind", READ)
def test_what_reads_as_points_is_the_same_points(kind):
    read = check_points(READ[kind], "real")
    assert read.dtype == float
    assert type(read) is np.ndarray
    np.testing.assert_array_equal(read, X)
    np.testing.assert_array_equal(data.Empirical(READ[kind]).points, X)
    assert metrics.frechet_distance(real=READ[kind], fake=X) < 1e-12


ENTRANCES = {
    "Empirical": data.Empirical,
    "Gaussian.fit": lambda x: mad.Gaussian().fit(x),
    "KernelDensity.fit": lambda x: mad.KernelDensity(0.1).fit(x),
    "Mixture.fit": lambda x: mad.Mixture(1).fit(x, rng=np.random.default_rng(0)),
    "Moments.of": data.Moments.of,
    "real of a metric": lambda x: metrics.sliced_wasserstein(real=x, fake=X),
    "fake of a metric": lambda x: metrics.frechet_distance(real=X, fake=x),
    "reference": lambda x: metrics.on_samples(metrics.frechet_distance, reference=x, n=5),
    "nearest": treatments.nearest,
    "correct": lambda x: treatments.correct(1.0, toward=x),
}


# toward=None is the loop's own real data, and an iterator is used up by the first call.
PAIRS = [
    (kind, entrance)
    for kind in REFUSED
    for entrance in ENTRANCES
    if kind != "a generator" and (kind, entrance) != ("None itself", "correct")
]


@pytest.mark.parametrize(("kind", "entrance"), PAIRS)
def test_what_are_not_real_numbers_is_refused_wherever_points_enter(kind, entrance):
    with pytest.raises(ValueError, match=r"pass|drop|expected|no points"):
        ENTRANCES[entrance](REFUSED[kind])
    # Negative control: the same entrance takes the points themselves.
    ENTRANCES[entrance](X)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("masked", "2 masked values"),
        ("masked in a list", "2 masked values"),
        ("complex", "complex128"),
        ("text that reads as numbers", "not real numbers"),
        ("frame of dates", "datetime64"),
        ("NA", "1 missing values"),
        ("structured", "structured_to_unstructured"),
        ("sparse", "toarray"),
        ("one-dimensional", r"real\[:, None\]"),
        ("a series", r"np\.asarray\(real\)\[:, None\]"),
        ("ragged", "inhomogeneous"),
    ],
)
def test_the_message_names_the_argument_and_the_way_out(kind, words):
    with pytest.raises(ValueError, match=f"real.*{words}"):
        check_points(REFUSED[kind], "real")


def test_truth_values_are_zero_and_one():
    np.testing.assert_array_equal(check_points([[True, False]]), [[1.0, 0.0]])
    mixed = pd.DataFrame({"a": [True, False], "b": [0.5, 2.0]})
    np.testing.assert_array_equal(check_points(mixed), [[1.0, 0.5], [0.0, 2.0]])


def test_masks_are_not_dropped_where_points_are_pooled():
    with pytest.raises(ValueError, match="masked values"):
        data.join([X, MASKED])
    np.testing.assert_array_equal(data.join([X, np.ma.array(X)]), np.concatenate([X, X]))


@pytest.mark.parametrize("regime", [regimes.replace(n=20), regimes.augment(n_real=20, n_synthetic=20)])
def test_a_model_whose_samples_are_masked_is_refused_in_the_loop(regime):
    class Masking:
        def fit(self, data, *, rng):
            return self

        def sample(self, n, *, rng):
            return np.ma.masked_less(rng.normal(size=(n, 2)), 0)

    def measure(snapshot):
        return 0.0

    with pytest.raises(ValueError, match=r"Masking\.sample\(n\).*masked values"):
        mad.simulate(
            mad.Loop(real=X, model=Masking(), regime=regime), 2, replicates=1, rng=0, metrics=[measure]
        )


def test_tensors_are_data_with_and_without_gradient():
    torch = pytest.importorskip("torch")
    for tensor in (torch.tensor(X), torch.tensor(X, requires_grad=True)):
        np.testing.assert_array_equal(check_points(tensor), X)
    half = torch.tensor([[0.5, 1.0]], dtype=torch.bfloat16)
    np.testing.assert_array_equal(check_points(half), [[0.5, 1.0]])
    with pytest.raises(ValueError, match="complex"):
        check_points(torch.tensor(X + 1j))
    with pytest.raises(ValueError, match="sparse"):
        check_points(torch.tensor(X).to_sparse())


SPOILED = {
    "Empirical": (X, data.Empirical, lambda made: made.points),
    "real of a loop": (
        X,
        lambda x: mad.Loop(real=x, model=mad.Gaussian(), regime=regimes.replace(n=9)),
        lambda loop: loop.real.points,
    ),
    "a frame as real": (
        pd.DataFrame(X),
        lambda x: mad.Loop(real=x, model=mad.Gaussian(), regime=regimes.replace(n=9)),
        lambda loop: loop.real.points,
    ),
    "mean": (np.ones(2), lambda m: mad.Gaussian(m, np.eye(2)), lambda made: made.mean),
    "covariance": (np.eye(2), lambda c: mad.Gaussian(np.ones(2), c), lambda made: made.covariance),
    "known_mean": (np.ones(2), lambda m: mad.Gaussian(known_mean=m), lambda made: made.known_mean),
    "means": (X, lambda m: mad.Mixture(means=m, covariances=1.0), lambda made: made.means),
    "weights": (
        np.array([0.25, 0.75]),
        lambda w: mad.Mixture(means=X[:2], covariances=1.0, weights=w),
        lambda made: made.weights,
    ),
    "probabilities": (np.array([0.25, 0.75]), mad.Categorical, lambda made: made.probabilities),
    "counts": (np.array([[2, 3]]), data.Counts, lambda made: made.counts),
    "counts of a fit": (
        np.tile(np.arange(1, 60), (2, 1)),
        lambda c: mad.Categorical().fit(data.Counts(c)),
        lambda made: made.sample_statistic(
            3540 // 2, rng=np.random.default_rng(0)
        ).counts.sum(-1) + 0 * made.parents.sum() + made.parents.sum(),
    ),
    "kernel density": (X, lambda x: mad.KernelDensity(0.1).fit(x), lambda made: made.points),
    "moments": (
        np.ones(2),
        lambda m: mad.Gaussian().fit(data.Moments(3.0, 3.0, m, np.eye(2))),
        lambda made: made.mean,
    ),
    "centres": (X, treatments.nearest, lambda made: made(X + 1e-9)),
    "toward": (X, lambda x: treatments.correct(1.0, toward=x), lambda made: made.toward.points),
    "radii": (
        np.array([1.0, 2.0]),
        sources.rings,
        lambda made: made.sample(5, rng=np.random.default_rng(0)),
    ),
    "reference": (
        X,
        lambda x: mad.metrics.on_samples(metrics.frechet_distance, reference=x, n=5)[0],
        lambda made: made.sampled.real,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SPOILED)
def test_what_a_description_keeps_is_its_own(name):
    given, make, look = SPOILED[name]
    array = given.copy()
    made = make(array)
    before = np.array(look(made))
    array *= 100
    np.testing.assert_array_equal(look(made), before)


def test_kept_arrays_cannot_be_written_to():
    source = data.Empirical(X)
    with pytest.raises(ValueError, match="read-only"):
        source.points[0] = 0
    assert source.expand(3).points is source.points, "what nobody can write to is not copied again"


def test_a_read_only_view_of_a_writable_array_is_copied():
    array = X.copy()
    view = array.view()
    view.flags.writeable = False
    kept = freeze(view)
    array[:] = 0
    np.testing.assert_array_equal(kept, X)
    assert freeze(kept) is kept
    assert not np.shares_memory(np.broadcast_to(kept, (3, 30, 2)), array)
    wide = np.broadcast_to(kept, (3, 30, 2))
    assert freeze(wide) is wide, "views of what is kept cost no memory"


def test_images_are_copied():
    pytest.importorskip("torch")
    from madtheory.images import Images

    pixels = np.zeros((3, 4, 4, 1), np.uint8)
    images = Images.of(pixels, labels := np.arange(3), seeds := np.arange(3, dtype=np.uint64))
    pixels += 1
    labels += 1
    seeds += np.uint64(1)
    assert not np.asarray(images).any()
    assert images.labels.tolist() == images.seeds.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="masked"):
        Images.of(np.ma.masked_equal(pixels, 1))


def test_check_array_keeps_the_type_of_numbers():
    """Negative control: reading is not casting; the very array comes back."""
    single = X.astype(np.float32)
    assert check_array(single) is single
