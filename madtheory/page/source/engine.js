"use strict";
// Theory and simulation of self-consuming loops. No part of this file touches the document: node tests it.
const Engine = (() => {
  const REGIMES = ["replace", "augment", "accumulate", "fresh"];

  // ---- Exact first moments ------------------------------------------------------------------------------
  // The recursion of madtheory.theory.moments, in units of the true variance: expected squared distances
  // between means (node 0 is the true mean), and expected scatters of groups of points.

  class Means {
    constructor() { this.distance = [[0]]; }

    spread(nodes, share) {
      let sum = 0;
      nodes.forEach((a, i) => nodes.forEach((b, j) => { sum += share[i] * share[j] * this.distance[a][b]; }));
      return sum / 2;
    }

    add(nodes, share, noise = 0) {
      const within = this.spread(nodes, share);
      const row = this.distance.map((known) =>
        nodes.reduce((sum, node, i) => sum + share[i] * known[node], 0) - within + noise);
      this.distance.forEach((known, i) => known.push(row[i]));
      this.distance.push([...row, 0]);
      return row.length;
    }

    keep(nodes) {
      const alive = [...new Set([0, ...nodes])].sort((a, b) => a - b);
      this.distance = alive.map((a) => alive.map((b) => this.distance[a][b]));
      return new Map(alive.map((old, place) => [old, place]));
    }
  }

  function mergeExpected(means, first, second) {
    const n = first.n + second.n, nodes = [first.node, second.node], share = [first.n / n, second.n / n];
    const scatter = first.scatter + second.scatter + n * means.spread(nodes, share);
    return {node: means.add(nodes, share), n, scatter};
  }

  // Composition of the training set of a generation: groups and the weight of a point in each.
  function pooled({regime, realWeight}, fixed, fresh, batch, old, merge) {
    if (regime === "replace") return [[batch, 1]];
    if (regime === "fresh") return [[fresh(), realWeight], [batch, 1]];
    if (regime === "augment") return [[fixed, realWeight], [batch, 1]];
    return [[fixed, realWeight], [old === null ? batch : merge(old, batch), 1]];
  }

  /** Expected variance and squared error of the mean, relative to the true variance, by generation. */
  function moments(loop, generations) {
    const {regime, nReal, nSynthetic, bias, ddof} = loop;
    const share = loop.correction / (1 + loop.correction);
    const means = new Means(), variance = [], error = [];
    const real = () => ({node: means.add([0], [1], 1 / nReal), n: nReal, scatter: nReal - 1});
    const fit = (pool) => {
      const mass = pool.map(([group, weight]) => weight * group.n);
      const total = mass.reduce((a, b) => a + b, 0);
      const squares = pool.reduce((sum, [, weight], i) => sum + weight * mass[i], 0);
      const nodes = pool.map(([group]) => group.node), part = mass.map((m) => m / total);
      const scatter = pool.reduce((sum, [group, weight]) => sum + weight * group.scatter, 0)
        + total * means.spread(nodes, part);
      const node = means.add(nodes, part);
      variance.push(scatter / (total - ddof * squares / total));
      error.push(means.distance[0][node]);
      return {node, variance: variance[variance.length - 1]};
    };
    const fixed = real();
    let model = fit([[fixed, 1]]), old = null;
    for (let generation = 2; generation <= generations; generation += 1) {
      const nodes = [model.node, 0], parts = [1 - share, share];
      const covariance = (1 - share) * bias * model.variance + share + means.spread(nodes, parts);
      const batch = {
        node: means.add(nodes, parts, covariance / nSynthetic), n: nSynthetic,
        scatter: (nSynthetic - 1) * covariance,
      };
      const pool = pooled(loop, fixed, real, batch, old, (a, b) => mergeExpected(means, a, b));
      model = fit(pool);
      old = regime === "accumulate" ? pool[1][0] : null;
      const place = means.keep([fixed.node, model.node, ...(old === null ? [] : [old.node])]);
      for (const one of [fixed, model, ...(old === null ? [] : [old])]) one.node = place.get(one.node);
    }
    return {variance, error};
  }

  // ---- Gamma functions ----------------------------------------------------------------------------------

  const STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400];
  const FAR = 12;

  /** Log gamma of re + i im, on the branch that is real on the positive axis. */
  function logGamma(re, im = 0) {
    let sumRe = 0, sumIm = 0;
    for (; re < FAR && re * re + im * im < 4 * FAR * FAR; re += 1) {
      sumRe -= 0.5 * Math.log(re * re + im * im);
      sumIm -= Math.atan2(im, re);
    }
    const square = re * re + im * im, logRe = 0.5 * Math.log(square), logIm = Math.atan2(im, re);
    sumRe += (re - 0.5) * logRe - im * logIm - re + 0.5 * Math.log(2 * Math.PI);
    sumIm += (re - 0.5) * logIm + im * logRe - im;
    let powRe = re / square, powIm = -im / square; // 1/z, 1/z^3, ...
    const twoRe = powRe * powRe - powIm * powIm, twoIm = 2 * powRe * powIm;
    for (const c of STIRLING) {
      sumRe += c * powRe;
      sumIm += c * powIm;
      [powRe, powIm] = [powRe * twoRe - powIm * twoIm, powRe * twoIm + powIm * twoRe];
    }
    return [sumRe, sumIm];
  }

  function digamma(x) {
    let sum = 0;
    for (; x < FAR; x += 1) sum -= 1 / x;
    const u = 1 / (x * x);
    return sum + Math.log(x) - 0.5 / x - u * (1 / 12 - u * (1 / 120 - u * (1 / 252 - u * (1 / 240
      - u * (1 / 132 - u * (691 / 32760 - u / 12))))));
  }

  function trigamma(x) {
    let sum = 0;
    for (; x < FAR; x += 1) sum += 1 / (x * x);
    const u = 1 / (x * x);
    return sum + 1 / x + u / 2 + u / x * (1 / 6 - u * (1 / 30 - u * (1 / 42 - u * (1 / 30
      - u * (5 / 66 - u * (691 / 2730 - u * 7 / 6))))));
  }

  // ---- The exact law of the variance in regime replace, one dimension -----------------------------------
  // As madtheory.theory.gaussian.variance_law: a product of chi-squares, by a contour integral through the
  // saddle point of its Mellin transform.

  const NODES = 48;

  function normalQuantile(q) {
    // Bisection is enough: it only starts Newton's method.
    let low = -8, high = 8;
    for (let i = 0; i < 40; i += 1) {
      const z = (low + high) / 2, t = 1 / (1 + 0.2316419 * Math.abs(z));
      const tail = Math.exp(-z * z / 2) / Math.sqrt(2 * Math.PI) * t * (0.319381530 + t * (-0.356563782
        + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
      if ((z > 0 ? 1 - tail : tail) < q) low = z; else high = z;
    }
    return low;
  }

  class VarianceLaw {
    constructor({nReal, nSynthetic, bias}, generation) {
      const same = nReal === nSynthetic;
      this.shapes = [[(nReal - 1) / 2, same ? generation : 1], [(nSynthetic - 1) / 2, same ? 0 : generation - 1]]
        .filter(([, count]) => count > 0)
        .map(([half, count]) => ({half, count, log: logGamma(half)[0], slope: digamma(half)}));
      this.lowest = Math.min(...this.shapes.map(({half}) => half));
      this.mean = (generation - 1) * Math.log(bias)
        + this.shapes.reduce((sum, {half, count, slope}) => sum + count * (slope - Math.log(half)), 0);
      this.std = Math.sqrt(this.second(0));
    }

    second(s) {
      return this.shapes.reduce((sum, {half, count}) => sum + count * trigamma(half + s), 0);
    }

    third() {
      return this.shapes.reduce((sum, {half, count}) => {
        const step = 1e-3 * half; // a difference will do: it only starts Newton's method
        return sum + count * (trigamma(half + step) - trigamma(half - step)) / (2 * step);
      }, 0);
    }

    first(s) {
      return this.shapes.reduce((sum, {half, count, slope}) => sum + count * (digamma(half + s) - slope), 0);
    }

    cumulant(re, im) {
      let sumRe = 0, sumIm = 0;
      for (const {half, count, log, slope} of this.shapes) {
        const [a, b] = logGamma(half + re, im);
        sumRe += count * (a - log - re * slope);
        sumIm += count * (b - im * slope);
      }
      return [sumRe, sumIm];
    }

    saddle(x) {
      let t = Math.log(this.lowest);
      for (let i = 0; i < 200; i += 1) {
        const w = Math.exp(t), s = w - this.lowest;
        const step = Math.max((x - this.first(s)) / (w * this.second(s)), -2);
        t = Math.min(Math.max(t + step, Math.log(this.lowest) - 30), 300);
        if (Math.abs(step) < 1e-6) break;
      }
      return Math.exp(t);
    }

    /** Density and smaller tail of the log-variance at y, and whether that tail is the upper one. */
    at(y) {
      const x = y - this.mean, upper = x >= 0, clear = 1 + 1.4 / (this.std * this.lowest);
      const found = this.saddle(x);
      const w = upper ? Math.max(found, this.lowest * clear) : Math.min(found, this.lowest / clear);
      const s = w - this.lowest, exponent = this.cumulant(s, 0)[0] - s * x;
      const step = 12 / (w * Math.sqrt(this.second(s))) / NODES;
      let density = 0, tail = 0;
      for (let k = 0; k < NODES; k += 1) {
        const r = 0.5 * step * (k + 0.5); // root is 1 + i r
        const re = s - w * r * r, im = 2 * w * r;
        const [kRe, kIm] = this.cumulant(re, im);
        const size = Math.exp(kRe - re * x - exponent), angle = kIm - im * x;
        const a = size * (Math.cos(angle) - r * Math.sin(angle)), b = size * (Math.sin(angle) + r * Math.cos(angle));
        density += w * a;
        tail += w * (a * re + b * im) / (re * re + im * im);
      }
      const scale = step / Math.PI * Math.exp(exponent);
      return {density: scale * density, tail: Math.abs(scale * tail), upper};
    }

    /** Logarithm of the quantile q. */
    logQuantile(q) {
      const z = normalQuantile(q), left = q <= 0.5, goal = left ? q : 1 - q;
      const skewness = this.third() / this.std ** 3;
      let y = this.mean + this.std * (z + skewness * (z * z - 1) / 6);
      for (let i = 0; i < 60; i += 1) {
        const {density, tail, upper} = this.at(y);
        const ours = upper === left ? 1 - tail : tail; // the tail on the side of q
        const step = Math.log(goal / ours) * ours / density * (left ? 1 : -1);
        y += Math.min(step, 2 * this.std);
        if (Math.abs(step) <= 1e-9 * this.std) break; // Newton: the error left is its square
      }
      return y;
    }
  }

  // ---- Random numbers -----------------------------------------------------------------------------------

  /** A stream of random numbers (sfc32, seeded with one integer). */
  class Random {
    constructor(seed) {
      this.state = new Int32Array([seed, seed >>> 16 ^ 0x9e3779b9, 0x243f6a88, 1]);
      this.spare = null;
      for (let i = 0; i < 20; i += 1) this.uniform();
    }

    bits() {
      const s = this.state, t = (s[0] + s[1] | 0) + s[3] | 0;
      s[3] = s[3] + 1 | 0;
      s[0] = s[1] ^ s[1] >>> 9;
      s[1] = s[2] + (s[2] << 3) | 0;
      s[2] = (s[2] << 21 | s[2] >>> 11) + t | 0;
      return t >>> 0;
    }

    uniform() { return (this.bits() + 0.5) / 4294967296; }

    normal() {
      if (this.spare !== null) {
        const kept = this.spare;
        this.spare = null;
        return kept;
      }
      let u, v, square;
      do {
        u = 2 * this.uniform() - 1;
        v = 2 * this.uniform() - 1;
        square = u * u + v * v;
      } while (square >= 1);
      const scale = Math.sqrt(-2 * Math.log(square) / square);
      this.spare = v * scale;
      return u * scale;
    }

    /** Marsaglia and Tsang (2000). */
    gamma(shape) {
      if (shape < 1) return this.gamma(shape + 1) * this.uniform() ** (1 / shape);
      const d = shape - 1 / 3, c = 1 / Math.sqrt(9 * d);
      for (;;) {
        const x = this.normal(), v = (1 + c * x) ** 3;
        if (v > 0 && Math.log(this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
      }
    }

    /** Inversion; a sum of two where the first probability would be too small. */
    binomial(n, p) {
      if (n === 0 || p <= 0) return 0;
      if (p >= 1) return n;
      if (p > 0.5) return n - this.binomial(n, 1 - p);
      if (n * p > 100) {
        const half = n >> 1;
        return this.binomial(half, p) + this.binomial(n - half, p);
      }
      const odds = p / (1 - p);
      let left = this.uniform(), chance = (1 - p) ** n, k = 0;
      while (left > chance && k < n) {
        left -= chance;
        k += 1;
        chance *= odds * (n - k + 1) / k;
      }
      return k;
    }
  }

  // ---- Gaussians by sufficient statistics ---------------------------------------------------------------
  // A group of points is its number, mean and scatter; matrices are flat, by rows.

  /** Lower Cholesky factor of factor * matrix; columns of directions without variance are 0. */
  function cholesky(matrix, d, factor = 1) {
    const out = new Float64Array(d * d);
    for (let j = 0; j < d; j += 1) {
      let pivot = factor * matrix[j * d + j];
      const whole = pivot;
      for (let k = 0; k < j; k += 1) pivot -= out[j * d + k] ** 2;
      if (!(pivot > 1e-14 * whole)) continue;
      const root = Math.sqrt(pivot);
      out[j * d + j] = root;
      for (let i = j + 1; i < d; i += 1) {
        let sum = factor * matrix[i * d + j];
        for (let k = 0; k < j; k += 1) sum -= out[i * d + k] * out[j * d + k];
        out[i * d + j] = sum / root;
      }
    }
    return out;
  }

  /** Number, mean and scatter of n points of a Gaussian with this Cholesky factor. */
  function drawGaussian(random, n, mean, root, d) {
    const centre = new Float64Array(d), scatter = new Float64Array(d * d);
    if (n === 0) return {n, mean: centre, scatter};
    const noise = new Float64Array(d);
    for (let i = 0; i < d; i += 1) noise[i] = random.normal() / Math.sqrt(n);
    for (let i = 0; i < d; i += 1) {
      let sum = mean[i];
      for (let k = 0; k <= i; k += 1) sum += root[i * d + k] * noise[k];
      centre[i] = sum;
    }
    // A Wishart matrix: Bartlett's triangle, or a sum of squares where the points are few.
    const degrees = n - 1, columns = Math.min(degrees, d), standard = new Float64Array(d * columns);
    for (let i = 0; i < d; i += 1) {
      for (let k = 0; k < columns; k += 1) {
        if (degrees < d) standard[i * columns + k] = random.normal();
        else if (k < i) standard[i * columns + k] = random.normal();
        else if (k === i) standard[i * columns + k] = Math.sqrt(2 * random.gamma((degrees - i) / 2));
      }
    }
    const spread = new Float64Array(d * columns);
    for (let i = 0; i < d; i += 1) {
      for (let j = 0; j <= i; j += 1) {
        const r = root[i * d + j];
        for (let k = 0; k < columns; k += 1) spread[i * columns + k] += r * standard[j * columns + k];
      }
    }
    for (let i = 0; i < d; i += 1) {
      for (let j = 0; j <= i; j += 1) {
        let sum = 0;
        for (let k = 0; k < columns; k += 1) sum += spread[i * columns + k] * spread[j * columns + k];
        scatter[i * d + j] = scatter[j * d + i] = sum;
      }
    }
    return {n, mean: centre, scatter};
  }

  /** Weighted mean, scatter and sums of weights of groups of points. */
  function pool(groups, d) {
    let total = 0, squares = 0, n = 0;
    const mean = new Float64Array(d), scatter = new Float64Array(d * d);
    for (const [group, weight] of groups) {
      n += group.n;
      total += weight * group.n;
      squares += weight * weight * group.n;
      for (let i = 0; i < d; i += 1) mean[i] += weight * group.n * group.mean[i];
    }
    for (let i = 0; i < d; i += 1) mean[i] /= total;
    for (const [group, weight] of groups) {
      for (let i = 0; i < d; i += 1) {
        const away = weight * group.n * (group.mean[i] - mean[i]);
        for (let j = 0; j < d; j += 1) {
          scatter[i * d + j] += weight * group.scatter[i * d + j] + away * (group.mean[j] - mean[j]);
        }
      }
    }
    return {n, mean, scatter, total, squares};
  }

  /** One run of a Gaussian: variance and squared mean error in units of the truth, and its models. */
  function gaussianRun(loop, generations, random, keep) {
    const {spectrum, nReal, nSynthetic, bias, regime} = loop, d = spectrum.length;
    const share = loop.correction / (1 + loop.correction), trace = spectrum.reduce((a, b) => a + b, 0);
    const truth = new Float64Array(d * d), origin = new Float64Array(d);
    spectrum.forEach((value, i) => { truth[i * d + i] = Math.sqrt(value); });
    const run = {variance: new Float64Array(generations), error: new Float64Array(generations), models: []};
    const real = () => drawGaussian(random, nReal, origin, truth, d);
    const fit = (groups, t) => {
      const {mean, scatter, total, squares} = pool(groups, d), divisor = total - squares / total;
      const covariance = scatter.map((x) => x / divisor);
      for (let i = 0; i < d; i += 1) {
        run.variance[t] += covariance[i * d + i] / trace;
        run.error[t] += mean[i] ** 2 / trace;
      }
      if (keep) run.models.push({mean, covariance});
      return {mean, covariance};
    };
    const merge = (a, b) => pool([[a, 1], [b, 1]], d);
    const fixed = real();
    let model = fit([[fixed, 1]], 0), old = null;
    for (let t = 1; t < generations; t += 1) {
      const corrected = random.binomial(nSynthetic, share), root = cholesky(model.covariance, d, bias);
      let batch = drawGaussian(random, nSynthetic - corrected, model.mean, root, d);
      if (corrected) batch = merge(batch, drawGaussian(random, corrected, origin, truth, d));
      const groups = pooled(loop, fixed, real, batch, old, merge);
      model = fit(groups, t);
      old = regime === "accumulate" ? groups[1][0] : null;
    }
    return run;
  }

  // ---- Tokens -------------------------------------------------------------------------------------------

  function drawCounts(random, n, probabilities) {
    let left = n, rest = 1;
    return probabilities.map((p) => {
      const k = random.binomial(left, Math.min(p / rest, 1));
      left -= k;
      rest = Math.max(rest - p, 1e-300);
      return k;
    });
  }

  /** One run of tokens: heterozygosity and squared error in units of the true heterozygosity. */
  function tokenRun(loop, generations, random, keep) {
    const {probabilities, nReal, nSynthetic, regime} = loop;
    const share = loop.correction / (1 + loop.correction);
    const scale = probabilities.reduce((sum, p) => sum + p * (1 - p), 0);
    const run = {variance: new Float64Array(generations), error: new Float64Array(generations), models: []};
    const real = () => drawCounts(random, nReal, probabilities);
    const fit = (groups, t) => {
      const counts = probabilities.map((_, i) => groups.reduce((sum, [group, w]) => sum + w * group[i], 0));
      const total = counts.reduce((a, b) => a + b, 0), law = counts.map((c) => c / total);
      law.forEach((p, i) => {
        run.variance[t] += p * (1 - p) / scale;
        run.error[t] += (p - probabilities[i]) ** 2 / scale;
      });
      if (keep) run.models.push({law});
      return law;
    };
    const merge = (a, b) => a.map((k, i) => k + b[i]);
    const fixed = real();
    let law = fit([[fixed, 1]], 0), old = null;
    for (let t = 1; t < generations; t += 1) {
      const mixed = law.map((p, i) => (1 - share) * p + share * probabilities[i]);
      const groups = pooled(loop, fixed, real, drawCounts(random, nSynthetic, mixed), old, merge);
      law = fit(groups, t);
      old = regime === "accumulate" ? groups[1][0] : null;
    }
    return run;
  }

  /** Independent runs of a loop from one stream of random numbers; the first `kept` hold their models. */
  function simulate(loop, generations, {runs, seed, kept = 0}) {
    const random = new Random(seed), one = loop.probabilities ? tokenRun : gaussianRun;
    return Array.from({length: runs}, (_, i) => one(loop, generations, random, i < kept));
  }

  /** What is known of a loop: exact means, and where there is one, quantiles of the exact law. */
  function theory(loop, generations, quantiles = [0.05, 0.5, 0.95]) {
    const found = {...moments(loop, generations), law: null};
    const chain = loop.regime === "replace" && loop.correction === 0;
    if (chain && loop.spectrum && loop.spectrum.length === 1) {
      found.law = quantiles.map(() => new Float64Array(generations));
      for (let t = 0; t < generations; t += 1) {
        const law = new VarianceLaw(loop, t + 1);
        quantiles.forEach((q, i) => { found.law[i][t] = Math.exp(law.logQuantile(q)); });
      }
    }
    return found;
  }

  return {REGIMES, Random, VarianceLaw, cholesky, moments, simulate, theory};
})();
if (typeof module !== "undefined") module.exports = Engine;
