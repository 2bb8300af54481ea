"""Strategies that draw sizes, truths, regimes and loops for property-based tests; they need hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

import madtheory as mad
from madtheory.validation import check_choice, check_fields, check_flag, check_names, check_number, show

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

REGIMES = ("replace", "augment", "accumulate", "accumulate_subsample", "fresh", "custom")
"""Names of the regimes that `regimes` draws: every row of the table of closed forms."""


@dataclass(frozen=True)
class Growing:
    """A batch size that grows linearly with the generation; usable as any ``Size``."""

    first: int
    each: int

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(self, generation: int) -> int:
        """Return the size at a generation."""
        return self.first + self.each * (generation - 1)


@dataclass(frozen=True)
class Cycling:
    """A size that repeats a list of values periodically; usable as any ``Size``, or as weights."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.values, (tuple, list)) or not self.values:
            raise ValueError(f"values={show(self.values)} is not a list of values; pass at least one.")
        object.__setattr__(self, "values", tuple(self.values))

    def __call__(self, generation: int) -> Any:
        """Return the value at a generation."""
        return self.values[generation % len(self.values)]


@dataclass(frozen=True)
class Moving:
    """A Gaussian law that moves along the diagonal and grows, as the `real` of a loop.

    Attributes
    ----------
    first : Gaussian
        Law of generation 1.
    step : float
        Change of each coordinate of the mean in each generation.
    growth : float
        Factor of the covariance from one generation to the next, above 0.
    """

    first: mad.Gaussian
    step: float
    growth: float

    def __post_init__(self) -> None:
        if not isinstance(self.first, mad.Gaussian):
            raise TypeError(f"first={show(self.first)} is not a Gaussian; pass mad.Gaussian.standard(2).")
        check_number("step", self.step)
        check_number("growth", self.growth, 0, above=True)

    def __call__(self, generation: int) -> mad.Gaussian:
        """Return the law of a generation."""
        age = generation - 1
        mean = np.asarray(self.first.mean)
        return mad.Gaussian(mean + self.step * age, self.growth**age * self.first.covariance)


def sizes(min_value: int = 5, max_value: int = 40, *, growing: bool = False) -> SearchStrategy[Any]:
    """Draw sample sizes; with `growing`, also functions of the generation."""
    from hypothesis import strategies as st

    check_flag("growing", growing)
    constant = st.integers(min_value, max_value)
    return constant | st.builds(Growing, constant, st.integers(1, 10)) if growing else constant


def gaussians(min_dim: int = 1, max_dim: int = 8) -> SearchStrategy[mad.Gaussian]:
    """Draw reference Gaussians, with no coordinate centred, independent or of unit size."""
    from hypothesis import strategies as st

    def build(dim: int, seed: int) -> mad.Gaussian:
        rng = np.random.default_rng(seed)
        rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0]
        covariance = rotation * np.exp(rng.uniform(-1.5, 1.5, dim)) @ rotation.T
        return mad.Gaussian(rng.uniform(-3, 3, dim), (covariance + covariance.T) / 2)

    return st.builds(build, st.integers(min_dim, max_dim), st.integers(0, 2**16))


def regimes(
    names: Sequence[str] = REGIMES, *, min_size: int = 5, max_size: int = 40
) -> SearchStrategy[mad.regimes.Regime]:
    """Draw regimes of these names, over all their keywords; ``"custom"`` covers the whole design space.

    Its axes are memory, weights, growing and changing sizes, budgets, batches that stay whole or in part,
    parts of the first real data, new real data alongside them, and points that are carried over.
    """
    from hypothesis import strategies as st

    for name in check_names("names", names):
        check_choice("names", name, REGIMES)
    n, batch = sizes(min_size, max_size), sizes(min_size, max_size, growing=True)
    initial, flag, memory = st.none() | n, st.booleans(), st.integers(1, 3)
    weight = st.sampled_from((0.5, 1.0, 2.0))
    weights = st.none() | st.tuples(weight, weight)
    mixing: dict[str, Any] = {"n_synthetic": batch, "memory": memory, "weights": weights}

    def custom(
        real: Any, n_initial: int, n_real: int, cut: int | None, spare: tuple[int, int],
        kinds: tuple[str, ...], weights: list[tuple[float, ...]], **keywords: Any,
    ) -> mad.regimes.Regime:  # fmt: skip
        def vary(kind: str, size: int, other: int = 0) -> Any:
            return {"none": 0, "constant": size, "changing": Cycling((size, other))}[kind]

        of_real, of_fresh, of_carried, of_budget = kinds
        part = max(n_initial // 3, 1)
        # Parts of the first set are listed: a function would leave no statistics.
        listed = tuple(map(Cycling((part, n_initial)), range(40)))
        keywords["n_real"] = {
            "none": 0,
            "fixed": {"none": n_initial, "constant": part, "changing": listed}[of_real],
            "fresh": Cycling((n_real, 0)) if of_real == "changing" else n_real,
        }[real]
        keywords["n_fresh"] = vary(of_fresh, spare[0]) if real == "fixed" else 0
        if real == "none" or (real == "fixed" and of_fresh == "none"):
            keywords["retain_real"] = "last"
        # No pool is smaller than the batch of generation 2.
        least = keywords["n_synthetic"](2)
        if cut is not None:
            weights, least = [], min(cut, least)
            keywords["budget"] = Cycling((least, min_size)) if of_budget == "changing" else least
            least = min_size
        keywords["n_carried"] = vary(of_carried, min(spare[1], least, n_initial))
        if weights:
            given = [(*pair, 2.0) if of_carried != "none" else pair for pair in weights]
            keywords["weights"] = Cycling(tuple(given)) if len(given) > 1 else given[0]
        return mad.regimes.Regime(n_initial=n_initial, real_data=real, **keywords)

    pair = st.tuples(weight, weight)
    kind = st.sampled_from(("none", "constant", "changing"))
    table: dict[str, SearchStrategy[mad.regimes.Regime]] = {
        "replace": st.builds(mad.regimes.replace, n=batch, n_initial=initial),
        "augment": st.builds(mad.regimes.augment, n_real=n, **mixing),
        "accumulate": st.builds(mad.regimes.accumulate, n=batch, n_initial=initial, weights=weights),
        "accumulate_subsample": st.builds(mad.regimes.accumulate_subsample, n=n, replacement=flag),
        "fresh": st.builds(mad.regimes.fresh, n_real=n, n_initial=initial, **mixing),
        "custom": st.builds(
            custom, st.sampled_from(("none", "fixed", "fresh")), n, n, st.none() | n, st.tuples(n, n),
            st.tuples(kind, kind, kind, kind), st.lists(pair, max_size=2), memory=memory,
            # these values of retain keep the name from being one of the others
            n_synthetic=st.builds(Growing, n, st.integers(0, 10)), retain=st.sampled_from((2, "logarithmic")),
            replacement=flag,
            retain_real=st.sampled_from(("last", "all", 2)),
        ),
    }  # fmt: skip
    return st.sampled_from(tuple(names)).flatmap(table.__getitem__)


def loops(
    names: Sequence[str] = REGIMES,
    *,
    min_size: int = 5,
    max_size: int = 40,
    min_dim: int = 1,
    max_dim: int = 8,
    moving: bool = False,
) -> SearchStrategy[mad.Loop]:
    """Draw Gaussian loops: truth, ddof, known mean or not, regime and bias; n <= d (singular) included.

    With `moving`, the truth of a third of them is a function of the generation (`Moving`).
    """
    from hypothesis import strategies as st

    check_flag("moving", moving)

    def build(
        real: mad.Gaussian, regime: mad.regimes.Regime, bias: float | None, ddof: int, known: bool,
        motion: tuple[float, float] | None,
    ) -> mad.Loop:  # fmt: skip
        model = mad.Gaussian(ddof=ddof, known_mean=real.mean if known else None)
        law = real if motion is None else Moving(real, 0.0 if known else motion[0], motion[1])
        return mad.Loop(real=law, model=model, regime=regime, bias=bias)

    numbers = st.floats(0.3, 1.0) | st.floats(1.0, 1.2)
    bias = st.none() | numbers.map(lambda value: round(value, 3))
    regime = regimes(names, min_size=min_size, max_size=max_size)
    motions = st.none() | st.none() | st.tuples(st.sampled_from((0.0, 0.5)), st.sampled_from((0.8, 1.5)))
    motion = motions if moving else st.none()
    ddof, known = st.sampled_from((0, 1)), st.booleans()
    return st.builds(build, gaussians(min_dim, max_dim), regime, bias, ddof, known, motion)


def ecosystems(draws: Sequence[str] = ("random", "fixed", "shared")) -> SearchStrategy[mad.Ecosystem]:
    """Draw ecosystems of two or three Gaussian loops, whose real laws, regimes and biases differ.

    With random draws the regimes are those of `loops`; with others the shares of a batch are quarters.
    """
    from hypothesis import strategies as st

    for name in check_names("draws", draws):
        check_choice("draws", name, ("random", "fixed", "shared"))

    def regime_of(name: str, n: int) -> mad.regimes.Regime:
        """Return a regime whose batches are four times n points."""
        if name in ("replace", "accumulate"):
            return getattr(mad.regimes, name)(n=4 * n)
        return getattr(mad.regimes, name)(n_real=n + 2, n_synthetic=4 * n)

    whole = st.builds(
        regime_of, st.sampled_from(("replace", "augment", "accumulate", "fresh")), st.integers(2, 6)
    )

    def build(
        kind: str, several: list[mad.Loop], regimes: list[mad.regimes.Regime], rows: list[tuple[int, ...]]
    ) -> mad.Ecosystem:
        if kind != "random":
            several = [replace(loop, regime=one) for loop, one in zip(several, regimes, strict=False)]
        many = len(several)
        shares = [[*(min(row[k], 4 // (many - 1)) for k in range(many - 1))] for row in rows[:many]]
        exchange = np.array([[*row, 4 - sum(row)] for row in shares]) / 4
        return mad.Ecosystem(loops=several, exchange=exchange, draws=kind)  # type: ignore[arg-type]

    def of_dim(dim: int) -> SearchStrategy[mad.Ecosystem]:
        several = st.lists(loops(min_dim=dim, max_dim=dim), min_size=2, max_size=3)
        rows = st.lists(st.tuples(*[st.integers(0, 4)] * 2), min_size=3, max_size=3)
        listed = st.lists(whole, min_size=3, max_size=3)
        return st.builds(build, st.sampled_from(tuple(draws)), several, listed, rows)

    return st.integers(1, 3).flatmap(of_dim)


DESIGNS = ("fixed", "once", "new")
"""Inputs of the loops that `label_loops` draws: given rows, rows drawn once, and new ones each time."""


FAMILIES = (
    "bernoulli", "binomial", "exponential", "gamma", "geometric", "laplace", "negative_binomial", "normal",
    "pareto", "poisson",
)  # fmt: skip
"""Names of the laws that `family_loops` draws."""


def family_loops(
    families: Sequence[str] = FAMILIES,
    names: Sequence[str] = REGIMES,
    *,
    min_size: int = 8,
    max_size: int = 40,
    corrected: bool = False,
) -> SearchStrategy[mad.Loop]:
    """Draw loops of exponential families and power laws: parameters, known ones included, and regime.

    With `corrected`, synthetic points of a third of them are corrected (`madtheory.treatments.correct`).
    """
    from hypothesis import strategies as st

    for family in check_names("families", families):
        check_choice("families", family, FAMILIES)
    check_flag("corrected", corrected)
    mean, known = st.floats(1.0, 5.0), st.floats(1.5, 4.0)

    def build(
        family: str, regime: mad.regimes.Regime, mean: float, known: float, strength: float
    ) -> mad.Loop:
        treatments = (mad.treatments.correct(strength),) if strength else ()
        if family == "pareto":
            real, model = mad.Pareto(mean, minimum=known), mad.Pareto(minimum=known)
            return mad.Loop(real=real, model=model, regime=regime, treatments=treatments)
        keyword = {
            "binomial": "trials", "gamma": "shape", "laplace": "centre", "negative_binomial": "successes",
            "normal": "variance",
        }.get(family)  # fmt: skip
        settings: Any = {} if keyword is None else {keyword: known}
        if family == "binomial":
            settings = {"trials": 6}
        kind: Any = family
        centre = (mean - 0.5) / 6 if family == "bernoulli" else mean
        return mad.Loop(
            real=mad.ExponentialFamily(kind, centre, **settings),
            model=mad.ExponentialFamily(kind, **settings), regime=regime, treatments=treatments,
        )  # fmt: skip

    strength = st.sampled_from((0.0, 0.0, 0.7)) if corrected else st.just(0.0)
    regime = regimes(names, min_size=min_size, max_size=max_size)
    return st.builds(build, st.sampled_from(tuple(families)), regime, mean, known, strength)


def text_loops(
    names: Sequence[str] = REGIMES, *, min_size: int = 5, max_size: int = 30
) -> SearchStrategy[mad.Loop]:
    """Draw loops of documents: a random chain as truth, a model of order 0, 1 or 2, and regime.

    Documents have 1 to 4 symbols out of 2 or 3. Where a regime picks whole documents, or carries them over,
    the order is 1 or 2, as the closed forms need.
    """
    from hypothesis import strategies as st

    def build(symbols: int, length: int, order: int, seed: int, regime: mad.regimes.Regime) -> mad.Loop:
        # No symbol is rare: means of rare events need more replicates than a test can draw.
        laws = 0.8 * np.random.default_rng(seed).dirichlet(np.ones(symbols), symbols + 1) + 0.2 / symbols
        real = mad.Markov.chain(laws[0], laws[1:], length=length)
        picked = regime.budget is not None or regime.n_carried != 0
        model = mad.Markov(order=max(order, int(picked)), vocabulary=symbols)
        if model.order == 0:  # the closed form is that of independent symbols
            real = mad.Markov(order=0, vocabulary=symbols).fit(real.ngrams)
        return mad.Loop(real=real, model=model, regime=regime)

    regime = regimes(names, min_size=min_size, max_size=max_size)
    seed = st.integers(0, 2**16)
    return st.builds(build, st.integers(2, 3), st.integers(1, 4), st.integers(0, 2), seed, regime)


def label_loops(designs: Sequence[str] = DESIGNS) -> SearchStrategy[mad.Loop]:
    """Draw loops of linear regression that have a closed form, over all of its regimes.

    Fixed rows have every regime without memory, budget and carried points, sizes of whole copies, a ridge or
    none, noise that is known or fitted, and fewer rows than inputs where the noise is known. Rows drawn once
    have neither new real points nor a ridge; new inputs have `replace`, `accumulate` and `fresh`. Random
    inputs are so many, or so few, that the errors have fourth moments.
    """
    from hypothesis import strategies as st

    for design in check_names("designs", designs):
        check_choice("designs", design, DESIGNS)
    weight = st.sampled_from((0.5, 1.0, 2.0))
    weights = st.none() | st.tuples(weight, weight) | st.just(Cycling(((1.0, 2.0), (3.0, 1.0))))
    copies = st.integers(1, 3)
    names = {
        "fixed": ("replace", "augment", "accumulate", "fresh", "custom"),
        "once": ("replace", "augment", "accumulate"),
        "new": ("replace", "fresh", "accumulate"),
        "few new": ("replace", "fresh"),
    }

    @st.composite
    def build(draw: Any) -> mad.Loop:
        design, few = draw(st.sampled_from(tuple(designs))), draw(st.booleans())
        dim, rng = draw(st.integers(2, 6)), np.random.default_rng(draw(st.integers(0, 2**16)))
        few &= design != "once"
        if design == "fixed":
            rows = draw(st.integers(1, dim - 1)) if few else draw(st.integers(dim + 1, dim + 12))
            inputs: Any = rng.standard_normal((rows, dim)) + 0.5
        else:
            dim, rows = (4 * dim + 20, dim) if few else (dim - 1, dim + draw(st.integers(10, 20)))
            scale = np.full(dim, 0.7) if few else np.exp(rng.uniform(-1, 1, dim))
            inputs = mad.Gaussian(np.zeros(dim), np.diag(scale))
        once, noise = design == "once", draw(st.sampled_from((0.5, 1.0)))
        model = mad.LinearRegression(
            noise=noise if few or draw(st.booleans()) else None, ddof=draw(st.sampled_from((0, 1))),
            ridge=draw(st.sampled_from((0.0, 0.1, 1.0))) if design == "fixed" else 0.0,
            design=None if once else inputs,
        )  # fmt: skip
        counts = (1 if once else draw(copies), draw(copies), 1 if once else draw(copies))
        regime = _regime_of_labels(
            draw(st.sampled_from(names["few new" if few and design == "new" else design])),
            [rows * count for count in counts], draw(st.sampled_from(("last", "all", 2))),
            None if design == "new" else draw(weights), draw(st.booleans()),
        )  # fmt: skip
        real = mad.LinearRegression(rng.standard_normal(dim), noise=noise, design=inputs)
        return mad.Loop(real=real, model=model, regime=regime, bias=draw(st.sampled_from((None, 0.7, 1.2))))

    return build()


def _regime_of_labels(
    name: str, sizes: Sequence[int], kept: Any, weights: Any, both: bool
) -> mad.regimes.Regime:
    """Return the regime of a name; one without a name keeps some batches, of growing size."""
    n_initial, n_real, n = sizes
    pair = weights if isinstance(weights, tuple) else None
    match name:
        case "replace":
            return mad.regimes.replace(n=n, n_initial=n_initial)
        case "accumulate":
            return mad.regimes.accumulate(n=n, n_initial=n_initial, weights=pair)
        case "augment":
            return mad.regimes.augment(n_real=n_initial, n_synthetic=n, weights=pair)
        case "fresh":
            return mad.regimes.fresh(n_real=n_real, n_synthetic=n, n_initial=n_initial, weights=pair)
    kind: dict[str, Any] = {"n_real": n_real, "real_data": "fresh"}
    if both:
        kind = {"n_real": n_initial, "n_fresh": Cycling((n_real, 0)), "real_data": "fixed"}
    return mad.regimes.Regime(
        n_initial=n_initial, n_synthetic=Growing(n, n) if kept == 2 else n, retain=kept, retain_real=kept,
        weights=weights, **kind,
    )  # fmt: skip
