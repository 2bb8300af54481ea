"""Checks at the edge of the API: each error names argument, value, expectation and fix.

Every check returns the canonical value: an ``int``, a ``float``, a ``bool`` or a float array.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import operator
import os
import re
from collections.abc import Callable, Sequence
from mmap import mmap
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

LARGEST = 10**18
"""The largest size: larger ones leave the range of NumPy's integers."""

GREATEST = 1e150
"""The greatest number: the square of a greater one is infinite."""

LARGEST_ARRAY = 10**10
"""The most numbers that are drawn at once: 80 GB."""

LARGEST_SEED = 2**4096
"""The largest seed: one of many thousand digits cannot be written into the attributes of a run."""

INFINITE = {"choices", "correction", "curated_ratio", "half_width", "rate", "strength", "synthetic_ratio"}
"""Numbers that may be infinite."""

LONGEST = {"generations": 10**7, "generation": 10**7, "dim": 10**5, "symbols": 10**7}
"""Limits of integers to which time and memory are proportional."""


def show(value: Any) -> str:
    """Return `repr(value)`, cut to a length that fits a message, for every value."""
    try:
        text = repr(value)
    except Exception:  # an int of more than 4,300 digits, or a foreign object
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 200 else f"{text[:80]}...{text[-20:]}"


def check_size(name: str, value: Any, minimum: int = 1, maximum: int = LARGEST) -> int:
    """Return `value` as an int from `minimum` to `maximum`."""
    size = _index(value)
    if size is None or size < minimum:
        wanted = "a positive integer" if minimum == 1 else f"an integer of at least {minimum}"
        raise ValueError(
            f"{name}={show(value)} is not {wanted}; pass for example {name}={max(minimum, 100)}."
        )
    if size > maximum:
        raise ValueError(f"{name}={show(value)} is too large; pass at most {maximum:,}.")
    return size


def check_seed(value: Any, name: str = "rng", *, maximum: int | None = None, others: str = "") -> int:
    """Return a seed as an int: NumPy's integers and 0-d arrays are the ints that they equal."""
    seed = _index(value)
    if seed is None or seed < 0:
        raise ValueError(f"{name}={show(value)} is not a seed; pass an int >= 0{others}.")
    if seed > (LARGEST_SEED if maximum is None else maximum):
        most = "2**4096" if maximum is None else maximum
        raise ValueError(f"{name}={show(value)} is too large for a seed here; pass at most {most}.")
    return seed


def check_many(name: str, value: Any) -> Any:
    """Return a size of at least 0, or an integer array of such, one for each replicate."""
    if isinstance(value, np.ndarray) and value.ndim:
        if value.dtype.kind not in "iu" or (value < 0).any():
            raise ValueError(f"{name}={show(value)} are not sizes; pass integers >= 0, one per replicate.")
        return value
    return check_size(name, value, minimum=0)


def check_snapshot(value: Any, attribute: str = "model") -> None:
    """Refuse a value that is not a `Snapshot`."""
    if isinstance(value, type) or not hasattr(value, attribute):
        raise TypeError(
            f"snapshot={show(value)} is not a Snapshot; pass one that madtheory.iterate yields, or pass the "
            f"metric itself to madtheory.simulate."
        )


def check_parts(parts: Any, kind: type) -> None:
    """Refuse a value that is not a list of statistics of one kind."""
    if not isinstance(parts, list | tuple) or not parts or not all(isinstance(p, kind) for p in parts):
        raise TypeError(f"parts={show(parts)} is not a list of {kind.__name__}; pass at least one.")


def check_names(name: str, value: Any) -> list[str]:
    """Return names; a single text is one name."""
    if isinstance(value, str):
        return [value]
    known = isinstance(value, list | tuple | set | frozenset | dict) and all(
        isinstance(v, str) for v in value
    )
    if not known:
        raise TypeError(f"{name}={show(value)} is not a list of names; pass a list of str.")
    return list(value)


def check_point_weights(weights: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return weights of points, finite and not negative, that broadcast with places of that shape."""
    numbers = check_numbers("weights", weights)
    try:
        fit = np.broadcast_shapes(numbers.shape, shape)[-1] == shape[-1] and numbers.ndim > 0
    except ValueError:
        fit = False
    if not fit:
        raise ValueError(f"weights has shape {numbers.shape}; expected one weight per point, {shape}.")
    if (numbers < 0).any():
        raise ValueError(f"weights={show(weights)} holds negative numbers; pass weights >= 0.")
    return numbers


def check_generator(name: str, value: Any) -> np.random.Generator:
    """Return a generator of random numbers."""
    if not isinstance(value, np.random.Generator):
        raise TypeError(
            f"{name}={show(value)} is not a generator; pass for example {name}=np.random.default_rng(0)."
        )
    return value


def check_path(name: str, value: Any) -> Path:
    """Return a path, which need not exist."""
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name}={show(value)} is not a path; pass the name of a file or folder.")
    text = os.fspath(value)
    if isinstance(text, bytes) or not text or "\0" in text:
        raise ValueError(f"{name}={show(value)} cannot name a file or folder; pass a str or a pathlib.Path.")
    return Path(value)


def _index(value: Any) -> int | None:
    """Return an integer, or ``None`` for a value that is not one, as ``True``."""
    if isinstance(value, bool) or str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def check_number(
    name: str,
    value: Any,
    minimum: float = -np.inf,
    maximum: float = np.inf,
    *,
    above: bool = False,
    below: bool = False,
    infinite: bool = False,
) -> float:
    """Return a real number as a float in a range, finite unless `infinite`."""
    number = _real(value)
    inside = number > minimum if above else number >= minimum
    inside &= number < maximum if below else number <= maximum
    if not (inside and (infinite or np.isfinite(number))):
        bounds = [
            f"{relation} {bound:g}"
            for bound, relation in ((minimum, ">" if above else ">="), (maximum, "<" if below else "<="))
            if np.isfinite(bound)
        ]
        kind = "a number" if infinite else "a finite number"
        raise ValueError(f"{name}={show(value)} is not {kind}{' ' if bounds else ''}{' and '.join(bounds)}; "
                         f"pass one number, not a list, text or a missing value.")  # fmt: skip
    return number


def _real(value: Any) -> float:
    """Return a float, or NaN for a value that is not a single real number."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    if isinstance(value, (bool, str, bytes)) or kind in tuple("bcSUmMOV"):
        return float("nan")
    try:
        return float("nan") if np.ndim(value) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return float("nan")


def check_flag(name: str, value: Any) -> bool:
    """Return a bool; text, numbers and ``None`` are not."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={show(value)} is not a bool; pass {name}=True or {name}=False.")
    return bool(value)


def check_callable(name: str, value: Any) -> Callable[..., Any]:
    """Return `value` if it can be called."""
    if not callable(value) or isinstance(value, type):
        known = known_metrics("fake") if name == "metric" else ""
        raise TypeError(f"{name}={show(value)} cannot be called; pass a function{known}.")
    checked: Callable[..., Any] = value
    return checked


def check_bias(value: Any, name: str = "bias") -> float:
    """Return the sampling bias as a float: finite, 0 or more; 1 is unbiased."""
    bias = _real(value)
    if bias > GREATEST and np.isfinite(bias):
        raise ValueError(f"{name}={show(value)} is too large; pass at most {GREATEST:g}.")
    if not (np.isfinite(bias) and bias >= 0):
        raise ValueError(
            f"{name}={show(value)} is outside its range: it multiplies the covariance of the synthetic "
            f"samples, so pass a finite number >= 0 (1 is unbiased, below 1 is mode-seeking)."
        )
    return bias


def check_kernel_bias(bandwidth: Any, bias: Any) -> float:
    """Return the bias of samples of a kernel density, whose kernel it scales: 1 where there is none."""
    factor = 1.0 if bias is None else check_bias(bias)
    if not isinstance(bandwidth, str) and bandwidth == 0 and factor != 1:
        raise ValueError(
            f"bias={show(bias)} scales the kernel, and the bootstrap (bandwidth=0) has none; leave it out."
        )
    return factor


def check_ddof(value: Any, known_mean: bool, name: str = "ddof") -> int:
    """Return the divisor correction; ``None`` is unbiased: 1, or 0 when the mean is known."""
    if value is None:
        return 0 if known_mean else 1
    ddof = _index(value)
    if ddof not in (0, 1):
        raise ValueError(
            f"{name}={show(value)} is not 0 or 1; pass 0 for the maximum-likelihood divisor n, "
            f"1 for the divisor n - 1."
        )
    return ddof


def check_choice(name: str, value: Any, choices: Sequence[str]) -> Any:
    """Return `value` if it is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={show(value)} is unknown; choose one of {', '.join(map(repr, choices))}.")
    return value


def check_points(data: Any, name: str = "data") -> np.ndarray:
    """Return points of shape (*replicate, n, d) as floats, all finite and none masked."""
    with np.errstate(over="ignore"):
        points = check_array(data, name).astype(float, copy=False)
    if points.ndim < 2:
        raise ValueError(
            f"{name} has shape {points.shape}; expected (n, d) or (*replicate, n, d). "
            f"For one-dimensional points pass {name}[:, None]; of a list or series "
            f"np.asarray({name})[:, None]."
        )
    if points.shape[-2] < 1 or points.shape[-1] < 1:
        raise ValueError(f"{name} has shape {points.shape}: no points, or points with no coordinates.")
    if not np.isfinite(points).all():
        bad = int((~np.isfinite(points)).sum())
        raise ValueError(f"{name} holds {bad} values that are not finite; drop or impute them first.")
    return points


def check_sample(points: Any, n: int, name: str) -> Any:
    """Return a sample; an array needs shape (*replicate, n, d). The fit makes the other checks."""
    if isinstance(points, np.ndarray) and (points.ndim < 2 or points.shape[-2] != n):
        flat = " For one-dimensional points return points[:, None]." if points.shape == (n,) else ""
        raise ValueError(
            f"{name} has shape {points.shape}; expected ({n}, d), the requested number of points.{flat}"
        )
    return points


def check_array(value: Any, name: str = "data") -> np.ndarray:
    """Return an array of real numbers: arrays, frames, tensors and nested lists, nothing masked or missing.

    Truth values count as 0 and 1. A value that is not a real number (complex, text, dates, structures,
    missing values) is refused rather than cast, and so is a sparse matrix, which would be expanded in memory.
    """
    if type(value) is np.ndarray and value.dtype.kind in "fiu":
        return value
    try:
        array, problem = _read_array(value)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        array, problem = np.empty(0), f"cannot be read as an array ({str(error).splitlines()[0]})"
    if problem:
        raise ValueError(
            f"{name} is not an array of numbers: the {type(value).__name__} {problem}; pass real numbers, "
            f"shape (n, d)."
        )
    return array


def _read_array(value: Any) -> tuple[np.ndarray, str]:
    """Return an array, and the problem if it is not one of real numbers ("" if there is none)."""
    nothing = np.empty(0)
    if hasattr(value, "tocsr") or "sparse" in str(getattr(value, "layout", "")):
        return nothing, "is a sparse matrix: make it dense, for example by .toarray() or .to_dense()"
    if hasattr(value, "detach") and hasattr(value, "resolve_conj"):  # a tensor of torch
        value = value.detach().cpu()
        value = value.double() if value.is_floating_point() and value.element_size() < 4 else value
        value = value.numpy()
    if masked := _count_masked(value):
        return nothing, f"holds {masked} masked values: drop those rows, or fill them"
    if value is None or isinstance(value, (str, bytes, dict, set, frozenset)):
        return nothing, "does not hold numbers"
    array = np.asarray(value)
    kind = array.dtype.kind
    if kind == "O":  # Decimal, Fraction and large integers are numbers, texts and dates are not
        flat = [float(e) if isinstance(e, (bool, np.bool_)) else _real(e) for e in array.ravel()]
        bad = [entry for entry, number in zip(array.ravel(), flat, strict=True) if np.isnan(number)]
        odd = [entry for entry in bad if not _is_missing(entry)]
        if odd:
            return nothing, f"holds entries that are not real numbers, such as {show(odd[0])}"
        if bad:
            return nothing, f"has {len(bad)} missing values: drop those rows, or impute them"
        return np.reshape(flat, array.shape), ""
    if kind == "V" and array.dtype.names:
        return nothing, "has named fields: numpy.lib.recfunctions.structured_to_unstructured makes columns"
    if kind not in "biuf":
        return nothing, f"holds {array.dtype} values, which are not real numbers"
    return array, ""


def _is_missing(entry: Any) -> bool:
    """Return whether an entry is None, NaN, or a missing value of pandas."""
    return entry is None or type(entry).__name__ in ("NAType", "NaTType") or entry != entry


def _count_masked(value: Any) -> int:
    """Return the number of masked entries of a masked array, or of a nested list of such."""
    if isinstance(value, np.ma.MaskedArray):
        return int(np.ma.getmaskarray(value).sum())
    if isinstance(value, (list, tuple)):
        return sum(_count_masked(entry) for entry in value if not isinstance(entry, (int, float)))
    return 0


def freeze(array: np.ndarray) -> np.ndarray:
    """Return a read-only copy of an array; one that nobody can write to is returned unchanged.

    A description keeps its own arrays: one that its caller changes later must not change it.
    """
    holder: Any = array
    while isinstance(holder, np.ndarray) and not holder.flags.writeable:
        holder = holder.base
    if holder is None or isinstance(holder, (bytes, mmap)):
        return array
    own = np.array(array)
    own.flags.writeable = False
    return own


def seal(array: np.ndarray) -> np.ndarray:
    """Return a new array, which nobody else holds, as a read-only one, which `freeze` does not copy."""
    holder: Any = array
    while isinstance(holder, np.ndarray):
        holder.flags.writeable = False
        holder = holder.base
    return array


def check_shapes(**arrays: np.ndarray) -> None:
    """Refuse arrays that do not broadcast together."""
    try:
        np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(
            f"the shapes of {shapes} do not fit; pass numbers, or arrays of one shape."
        ) from None


def check_numbers(name: str, value: Any, *, infinite: bool = False, missing: bool = False) -> np.ndarray:
    """Return real numbers as a float array, finite unless `infinite`, NaN only if they may be `missing`.

    Truth values in an array are 0 and 1.
    """
    why = f"hold {'' if infinite else 'finite '}numbers only; remove other values"
    try:
        numbers = check_array(value, name)
        if numbers.dtype.kind == "b" and not numbers.ndim:
            raise ValueError(f"{name} is a truth value")
    except ValueError as error:
        raise ValueError(f"{name}={show(value)} must {why} ({error}).") from None
    with np.errstate(over="ignore"):
        numbers = numbers.astype(float, copy=False)
    allowed = np.isfinite(numbers) | (infinite & np.isinf(numbers)) | (missing & np.isnan(numbers))
    if not allowed.all():
        raise ValueError(f"{name}={show(value)} must {why}.")
    return numbers


def check_metrics(metrics: Any) -> tuple[Any, ...]:
    """Return functions with different names, which can be those of variables."""
    chosen = tuple(metrics) if np.iterable(metrics) and not isinstance(metrics, str) else (metrics,)
    for metric in chosen:
        if not callable(metric) or isinstance(metric, type):
            raise ValueError(
                f"metrics holds {show(metric)}, which is not a function; pass functions of a Snapshot, such "
                f"as madtheory.metrics.total_variance{known_metrics('snapshot')}."
            )
        if not _takes_one(metric):
            raise ValueError(
                f"metrics holds {show(metric)}, which cannot be called with a Snapshot alone; pass "
                f"functions of a Snapshot. Those of points, such as sliced_wasserstein, go through "
                f"metrics.on_samples(..., reference=real_points, n=1000)."
            )
        name = metric_name(metric)
        if name is None or not name.isidentifier():
            raise ValueError(
                f"metrics holds {show(metric)}, whose name {name!r} cannot be that of a variable; define it "
                f"by def, or set its __name__."
            )
        if name in _DIMENSIONS:
            raise ValueError(
                f"metrics holds a function named {name!r}, which is the name of a dimension of the result; "
                f"choose a name other than {', '.join(_DIMENSIONS)}."
            )
    names = [metric_name(metric) for metric in chosen]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"metrics={show(metrics)} must be functions of different names, at least one of them; the names "
            f"are {names}. Set the __name__ of those that share one."
        )
    return chosen


def known_metrics(parameter: str) -> str:
    """List the functions of `madtheory.metrics` with that parameter, for the end of a message."""
    module = importlib.import_module("madtheory.metrics")  # only when needed: it imports this module
    functions = [getattr(module, name) for name in module.__all__]
    named = [
        f.__name__
        for f in functions
        if inspect.isfunction(f) and parameter in inspect.signature(f).parameters
    ]
    return f". The functions of madtheory.metrics for this: {', '.join(sorted(named))}"


def _takes_one(metric: Any) -> bool:
    """Return whether a function accepts one positional argument; assumed if its signature is unknown."""
    try:
        inspect.signature(metric).bind(None)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


_DIMENSIONS = ("generation", "replicate", "quantile", "model")


def metric_name(metric: Any) -> Any:
    """Return the name of a metric, which names its variable; for a partial, by default its function's."""
    name = getattr(metric, "__name__", None)
    while name is None and hasattr(metric, "func"):
        metric = metric.func
        name = getattr(metric, "__name__", None)
    return name if isinstance(name, str) else None


def check_quantiles(quantiles: Any) -> tuple[float, ...] | None:
    """Return levels from 0 to 1, or ``None``."""
    if quantiles is None:
        return None
    levels = check_numbers("quantiles", quantiles)
    if levels.ndim != 1 or not levels.size or not ((levels >= 0) & (levels <= 1)).all():
        raise ValueError(
            f"quantiles={show(quantiles)} are not numbers from 0 to 1; pass for example (0.05, 0.5, 0.95)."
        )
    return tuple(levels.tolist())


def check_record(record: Any, generations: int) -> frozenset[int]:
    """Return the generations to record, from ``"all"``, ``"last"`` or a list."""
    if isinstance(record, str):
        check_choice("record", record, ("all", "last"))
        return frozenset(range(1, generations + 1) if record == "all" else (generations,))
    kept = frozenset(check_size("record", t) for t in (record if np.iterable(record) else [record]))
    if not kept or max(kept) > generations:
        raise ValueError(f"record={show(record)} must list generations from 1 to {generations}.")
    return kept


def check_sizes(name: str, sizes: Any, minimum: int = 1) -> Any:
    """Return a size that may change: an int, a function, or the tuple of a sequence."""
    if callable(sizes) and not isinstance(sizes, type):
        return sizes
    if isinstance(sizes, str) or not np.iterable(sizes):
        return check_size(name, sizes, minimum)
    listed = tuple(sizes.tolist() if isinstance(sizes, np.ndarray) else sizes)
    if not listed:
        raise ValueError(f"{name}=() is empty; its first entry is generation 1.")
    for i, size in enumerate(listed[1:], start=1):
        check_size(f"{name}[{i}]", size, minimum)
    return listed


class NotEnoughMemory(MemoryError, ValueError):
    """A computation that does not fit into the available memory."""


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse a computation that needs more bytes than are available, before it starts."""
    if needed < 2**28:
        return
    available = available_memory()
    if needed > available:
        raise NotEnoughMemory(
            f"{what} needs about {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB of memory are "
            f"available; {remedy}."
        )


def available_memory() -> float:
    """Return the bytes of memory that a process can still use; infinite where this is unknown."""
    found = [np.inf]
    with contextlib.suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [1024.0 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")]
    if len(found) == 1:
        with contextlib.suppress(AttributeError, OSError, ValueError):
            found.append(float(os.sysconf("SC_PHYS_PAGES")) * os.sysconf("SC_PAGE_SIZE"))
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")  # the limit of a container; "max" is none
        limit = int((group / "memory.max").read_text())
        found.append(float(limit - int((group / "memory.current").read_text())))
    return max(min(found), 0.0)


def check_retain_real(retain_real: Any, real_data: str) -> Any:
    """Return which fresh real batches stay in the pool: "last", "all", or a number above 1."""
    if isinstance(retain_real, str):
        check_choice("retain_real", retain_real, ("last", "all"))
    elif check_size("retain_real", retain_real) == 1:
        retain_real = "last"
    if retain_real != "last" and real_data != "fresh":
        raise ValueError(
            f"retain_real={retain_real!r} keeps real batches of earlier generations, but "
            f"real_data={real_data!r} draws none after generation 1; pass real_data='fresh', or leave it out."
        )
    return retain_real


_WEIGHTS = ("weight of a real point", "weight of a synthetic point", "weight of a carried point")


def check_weights(weights: Any, count: int = 2, name: str = "weights") -> tuple[float, ...]:
    """Return the weights of a real and of a synthetic point, and with a `count` of 3 of a carried one."""
    numbers = check_numbers(name, weights)
    if numbers.shape != (count,) or not (numbers > 0).all():
        raise ValueError(
            f"{name}={show(weights)} are not {('two', 'three')[count - 2]} positive numbers; pass "
            f"({', '.join(_WEIGHTS[:count])})."
        )
    return tuple(numbers.tolist())


def check_weights_by_generation(weights: Any, count: int) -> Any:
    """Return weights that may change: a tuple of numbers, a tuple of such tuples, or a function."""
    if callable(weights) and not isinstance(weights, type):
        return weights
    listed = weights.tolist() if isinstance(weights, np.ndarray) else weights
    if not isinstance(listed, list | tuple) or not any(isinstance(w, list | tuple) for w in listed):
        return check_weights(weights, count)
    later = [check_weights(w, count, f"weights[{i}]") for i, w in enumerate(listed[1:], start=1)]
    return (listed[0] if listed[0] is None else tuple(listed[0]), *later)


def weights_at(weights: Any, generation: int, count: int) -> tuple[float, ...]:
    """Return the weights of constants, a sequence (first entry: generation 1) or a function."""
    if callable(weights):
        return check_weights(weights(generation), count, f"weights({generation})")
    if isinstance(weights[0], float):
        return tuple(weights)
    if generation > len(weights):
        raise ValueError(
            f"weights lists {len(weights)} generations and generation {generation} is needed; pass a "
            f"longer sequence, or a function of the generation."
        )
    return tuple(weights[generation - 1])


def size_at(name: str, size: Any, generation: int, minimum: int = 1) -> int:
    """Return the size of a constant, a sequence (first entry: generation 1) or a function."""
    if isinstance(size, np.ndarray):
        size = size.tolist()
    if callable(size) and not isinstance(size, type):
        return check_size(f"{name}({generation})", size(generation), minimum)
    if isinstance(size, Sequence) and not isinstance(size, str):
        if generation > len(size):
            raise ValueError(
                f"{name} lists {len(size)} generations and generation {generation} is needed; "
                f"pass a longer sequence, or a function of the generation."
            )
        return check_size(f"{name}[{generation - 1}]", size[generation - 1], minimum)
    return check_size(name, size, minimum)


def check_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Check the kind of every argument against its annotation before `function` runs.

    ``int``, ``Count``, ``float``, ``bool``, generators, ``ArrayLike``, ``Sequence[float]``, ``Sizes``,
    ``Literal`` and callables, each with ``| None`` or not. Arrays are passed unchanged. `function` checks
    other ranges of a value.
    """
    parameters = inspect.signature(function).parameters.values()
    checks = {p.name: _check_of(p) for p in parameters if p.kind is not p.VAR_KEYWORD}
    names = tuple(checks)
    if function.__name__ == "sample" and "n" in checks:
        checks["n"] = _points_to_draw

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        positional = [checks[name](value) for name, value in zip(names, args, strict=False)]
        keywords = {k: checks[k](v) if k in checks else v for k, v in kwargs.items()}
        return function(*positional, *args[len(positional) :], **keywords)  # type: ignore[arg-type]

    return call


def check_fields(instance: Any) -> None:
    """Check the kind of every field of a frozen dataclass as `check_arguments` does; keep canonical ones."""
    kind: Any = type(instance)
    for name, check in _checks_of_fields(kind).items():
        object.__setattr__(instance, name, check(getattr(instance, name)))


@functools.cache
def _checks_of_fields(kind: Callable[..., Any]) -> dict[str, Callable[[Any], Any]]:
    parameters = inspect.signature(kind).parameters
    return {name: _check_of(parameter) for name, parameter in parameters.items()}


def _check_of(parameter: inspect.Parameter) -> Callable[[Any], Any]:
    """Return the check of one argument: a function of its value that returns the canonical one."""
    name, annotation = parameter.name, str(parameter.annotation)
    choices = re.findall(r"Literal\[(.*?)\]", annotation)
    kinds = re.sub(r"Literal\[.*?\]", "Literal", annotation).split(" | ")
    known = all(
        kind in _KINDS or kind in ("None", "Literal") or kind.startswith("Callable[") for kind in kinds
    )
    if name.endswith("ddof") or not known or (name == "rng" and "int" in kinds):  # for the function
        return _unchanged

    def check(value: Any) -> Any:
        if value is None and "None" in kinds:
            return None
        if name.endswith("bias"):
            return check_bias(value, name)
        if choices and (isinstance(value, str) or set(kinds) <= {"Literal", "None"}):
            return check_choice(name, value, [choice.strip(" '\"") for choice in choices[0].split(",")])
        for kind in kinds:
            if kind in _KINDS:
                return _KINDS[kind](name, value)
            if kind.startswith("Callable["):
                return check_callable(name, value)
        return value

    return check


def _unchanged(value: Any) -> Any:
    return value


def _integer(name: str, value: Any) -> int:
    return check_size(name, value, 1 if _index(value) is None else -LARGEST, LONGEST.get(name, LARGEST))


def _points_to_draw(value: Any) -> int:
    n = _integer("n", value)
    check_memory(8.0 * n, f"a sample of n={n} points", "draw fewer at once")
    return n


def _part(what: str, attribute: str) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Any:
        if isinstance(value, type) or not hasattr(value, attribute):
            raise TypeError(f"{name}={show(value)} is not {what}; pass one that madtheory makes.")
        return value

    return check


def _finite(name: str, value: Any) -> float:
    number = check_number(name, value, infinite=name in INFINITE)
    if GREATEST < abs(number) < np.inf:
        raise ValueError(f"{name}={show(value)} is too large; pass at most {GREATEST:g}.")
    exact = isinstance(value, float) or (isinstance(value, int) and abs(value) <= LARGEST)
    return value if exact else number


def _finite_array(name: str, value: Any) -> Any:
    numbers = check_numbers(name, value, infinite=True)  # which the function refuses
    if ((np.abs(numbers) > GREATEST) & np.isfinite(numbers)).any():
        raise ValueError(f"{name}={show(value)} is too large; pass numbers of at most {GREATEST:g}.")
    return value


def _sizes(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim and (value.ndim > 1 or value.dtype.kind not in "iu"):
        raise ValueError(f"{name}={show(value)} is not a list of integers; pass one for each generation.")
    return value if _index(value) is None else _integer(name, value)  # the rest is for the function


def _names(name: str, value: Any) -> Any:
    """Return names; refuse a single text, which is a collection of letters."""
    if isinstance(value, str):
        raise TypeError(f"{name}={show(value)} is not a list of names; pass a list of str.")
    check_names(name, value)
    return value


def _sequence(name: str, value: Any) -> Any:
    numbers = check_numbers(name, value)
    if numbers.ndim != 1:
        raise ValueError(f"{name}={show(value)} is not a list of numbers; pass for example (1.0, 2.0).")
    return value


_KINDS: dict[str, Callable[[str, Any], Any]] = {
    "int": _integer,
    "Count": check_size,
    "float": _finite,
    "bool": check_flag,
    "ArrayLike": _finite_array,
    "Generator": check_generator,
    "np.random.Generator": check_generator,
    "Loop": _part("a Loop", "regime"),
    "Regime": _part("a Regime", "retain"),
    "Snapshot": _part("a Snapshot", "training_set"),
    "Sizes": _sizes,
    "Size": _sizes,
    "Collection[str]": _names,
    "Sequence[float]": _sequence,
    "tuple[float, float]": _sequence,
}


def check_seeds(value: Any, n: int | None = None, name: str = "seeds") -> np.ndarray:
    """Return the seeds of samples as uint64, shape (n,): whole numbers from 0 to 2^64 - 1, without a mask."""
    seeds = np.asarray(value)
    expected = "one per image" if n is not None else "one per sample"
    if seeds.ndim != 1 or (n is not None and len(seeds) != n):
        shape = "(n,)" if n is None else f"({n},)"
        raise ValueError(f"{name} has shape {seeds.shape}; expected {expected}, {shape}.")
    whole = seeds.dtype.kind in "iu" or not seeds.size
    if np.ma.is_masked(value) or not whole or (seeds.size and seeds.min() < 0):
        raise ValueError(
            f"{name}={show(value)} are not whole numbers from 0 to 2^64 - 1; draw them by "
            f"rng.integers(2**64, size=n, dtype='uint64')."
        )
    return seeds.astype(np.uint64)


def check_widths(name: str, value: Any) -> tuple[int, ...]:
    """Return the widths of layers, of which there may be none."""
    if isinstance(value, (str, bytes)) or not np.iterable(value):
        raise ValueError(f"{name}={show(value)} is not a list of widths; pass for example {name}=(128,).")
    return tuple(check_size(name, width, maximum=10**6) for width in value)
