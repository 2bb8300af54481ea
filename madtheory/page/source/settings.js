// What the reader has chosen: its meaning as a loop, as a link, and as Python. No document here either.
const Settings = (() => {
  const GENERATIONS = 50;
  const CHOICES = {
    generator: {
      line: "Gaussian, one dimension", plane: "Gaussian, two dimensions",
      tokens: "Tokens (twenty words)", digits: "Handwritten digits",
    },
    regime: {
      replace: "Replace: the last batch only",
      augment: "Augment: first real data, last batch",
      accumulate: "Accumulate: first real data, all batches",
      fresh: "Fresh: new real data, last batch",
    },
    treatment: {
      none: "None",
      weights: "Weights: real points count 4 times",
      correct: "Correction: a third of a batch is real",
    },
  };
  const DEFAULTS = {
    generator: "line", regime: "replace", treatment: "none", real: 20, synthetic: 20, bias: 1, seed: 1,
  };
  const RUNS = {line: 100, plane: 60, tokens: 40, digits: 12};
  const WEIGHT = 4, CORRECTION = 0.5;
  const LEAST_OF_DIGITS = 16; // a covariance of twelve components needs more points than that

  const nearest = (values, value) =>
    values.reduce((best, one) => (Math.abs(one - value) < Math.abs(best - value) ? one : best));

  /** Settings that the page can show, from any object of strings or numbers: unknown values fall back. */
  function clean(given, baked) {
    const out = {...DEFAULTS};
    for (const name of Object.keys(CHOICES)) {
      if (Object.hasOwn(CHOICES[name], given[name])) out[name] = given[name];
    }
    const number = (name) => {
      const value = Number.parseFloat(given[name]);
      return Number.isFinite(value) ? value : DEFAULTS[name];
    };
    const sizes = baked.sizes.filter((n) => out.generator !== "digits" || n >= LEAST_OF_DIGITS);
    out.real = nearest(sizes, number("real"));
    out.synthetic = nearest(sizes, number("synthetic"));
    out.bias = out.generator === "tokens" ? 1 : nearest(baked.biases, number("bias"));
    out.seed = Math.min(Math.max(Math.round(number("seed")), 0), 2 ** 31 - 1);
    if (out.treatment === "weights" && out.regime === "replace") out.treatment = "none";
    return out;
  }

  const toHash = (settings) => `#${new URLSearchParams(settings)}`;

  const fromHash = (hash, baked) => clean(Object.fromEntries(new URLSearchParams(hash.replace(/^#/, ""))), baked);

  /** The loop as the engine takes it. */
  function toLoop(settings, baked) {
    const {generator} = settings;
    const kind = generator === "tokens"
      ? {probabilities: baked.tokens.probabilities, ddof: 0}
      : {spectrum: {line: [1], plane: [1, 1], digits: baked.digits.spectrum}[generator], ddof: 1};
    return {
      ...kind, regime: settings.regime, nReal: settings.real, nSynthetic: settings.synthetic, bias: settings.bias,
      realWeight: settings.treatment === "weights" ? WEIGHT : 1,
      correction: settings.treatment === "correct" ? CORRECTION : 0,
    };
  }

  /** Six lines of Python that run the same loop. */
  function toPython(settings, baked) {
    const {generator, regime, real, synthetic, bias, treatment, seed} = settings;
    const imports = ["import numpy as np", "import madtheory as mad"];
    const truth = {
      line: "mad.Gaussian.standard(1)",
      plane: "mad.Gaussian.standard(2)",
      tokens: `mad.Categorical(1 / np.arange(1, ${baked.tokens.words.length + 1}))`,
      digits: `mad.Gaussian(np.zeros(${baked.digits.spectrum.length}), np.diag([${baked.digits.spectrum.join(", ")}]))`,
    }[generator];
    const sizes = ["augment", "fresh"].includes(regime)
      ? `n_real=${real}, n_synthetic=${synthetic}` : `n=${synthetic}, n_initial=${real}`;
    const weights = treatment === "weights" ? `, weights=(${WEIGHT}, 1)` : "";
    const extra = (generator === "tokens" || bias === 1 ? "" : `, bias=${bias}`)
      + (treatment === "correct" ? `, treatments=[mad.treatments.correct(${CORRECTION})]` : "");
    const name = generator === "tokens" ? "heterozygosity" : "total_variance";
    const model = generator === "tokens" ? "mad.Categorical()" : "mad.Gaussian()";
    return [
      ...imports,
      `real = ${truth}`,
      `loop = mad.Loop(real=real, model=${model}, regime=mad.regimes.${regime}(${sizes}${weights})${extra})`,
      `simulated = mad.simulate(loop, ${GENERATIONS}, replicates=${RUNS[generator]}, rng=${seed})`,
      `print(mad.compare(simulated, mad.predict(loop, ${GENERATIONS})).loc["${name}", ["theory", "simulation", "z"]])`,
    ].join("\n");
  }

  /** Worth of the synthetic data in the regime "fresh": effective over real points, or null. */
  function worth(settings, baked, real = settings.real, synthetic = settings.synthetic) {
    const dim = {line: "1", plane: "2", digits: "12"}[settings.generator];
    if (dim === undefined) return null;
    const row = baked.sizes.indexOf(real), column = baked.sizes.indexOf(synthetic);
    const value = baked.ratios[dim][baked.biases.indexOf(settings.bias)][row * baked.sizes.length + column];
    return value < 0 ? null : value / 1000;
  }

  return {CHOICES, GENERATIONS, LEAST_OF_DIGITS, RUNS, clean, fromHash, toHash, toLoop, toPython, worth};
})();
if (typeof module !== "undefined") module.exports = Settings;
