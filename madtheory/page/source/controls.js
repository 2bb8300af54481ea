// The page itself: controls, the state behind them, and what is drawn when.
(() => {
  const at = (id) => document.getElementById(id);
  const baked = JSON.parse(at("baked").textContent);
  const {CHOICES, GENERATIONS, LEAST_OF_DIGITS, RUNS} = Settings;
  const KEPT = 20; // runs whose models are kept, to be drawn
  const still = window.matchMedia("(prefers-reduced-motion: reduce)");
  let settings, computed, generation = 1, revealed = false, guess = "", timer = null, place = null, scaleChosen = false;

  // ---- Words --------------------------------------------------------------------------------------------

  const isTokens = () => settings.generator === "tokens";
  const quantities = () => (isTokens()
    ? {variance: "diversity (heterozygosity), relative to the truth", error: "error of the probabilities (squared)"}
    : {variance: "variance, relative to the truth", error: "error of the mean (squared)"});
  const round = (value) => (value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(3))));
  const fate = (value) => (value < 0.5 ? "falls" : value > 2 ? "grows" : "stays");
  const FATES = {falls: "has fallen below half", stays: "has stayed near the truth", grows: "has more than doubled"};

  function quantile(values, q) {
    const sorted = Array.from(values).sort((a, b) => a - b), place = q * (sorted.length - 1), low = Math.floor(place);
    return sorted[low] + (place - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  }

  const column = (key, t) => computed.runs.map((run) => run[key][t]);
  const average = (values) => values.reduce((a, b) => a + b, 0) / values.length;

  // ---- State --------------------------------------------------------------------------------------------

  function compute() {
    const loop = Settings.toLoop(settings, baked);
    computed = {
      loop,
      runs: Engine.simulate(loop, GENERATIONS, {runs: RUNS[settings.generator], seed: settings.seed, kept: KEPT}),
      theory: Engine.theory(loop, GENERATIONS),
    };
    for (const key of ["variance", "error"]) {
      computed[key] = Array.from({length: GENERATIONS}, (_, t) => average(column(key, t)));
    }
  }

  /** Take new settings; what was shown is covered until the reader has guessed, if they want to be asked. */
  function take(given, {keepShown = false} = {}) {
    const before = settings;
    settings = Settings.clean(given, baked);
    stop();
    compute();
    if (!keepShown && at("ask").checked) {
      revealed = false;
      generation = 1;
    } else if (!at("ask").checked) {
      reveal("", GENERATIONS);
    }
    if (before) window.history.replaceState(null, "", Settings.toHash(settings));
    showSettings();
    draw();
  }

  function reveal(answer, until) {
    if (!revealed) {
      revealed = true;
      generation = until;
    }
    guess = answer;
  }

  // ---- Drawing ------------------------------------------------------------------------------------------

  function showSettings() {
    for (const name of Object.keys(CHOICES)) at(name).value = settings[name];
    // Collapse shows on a logarithmic scale, unless words are lost altogether.
    if (!scaleChosen) at("scale").value = settings.regime === "replace" && !isTokens() ? "log" : "linear";
    at("treatment").querySelector("[value=weights]").disabled = settings.regime === "replace";
    for (const name of ["real", "synthetic"]) {
      at(name).value = baked.sizes.indexOf(settings[name]);
      at(name).setAttribute("aria-valuetext", `${settings[name]} points`);
      at(`${name}-shown`).textContent = settings[name];
    }
    at("bias").value = baked.biases.indexOf(settings.bias);
    at("bias").disabled = isTokens();
    at("bias").setAttribute("aria-valuetext", String(settings.bias));
    at("bias-shown").textContent = settings.bias;
    at("note").textContent = {
      tokens: "Tokens have no bias: every word is drawn with its probability.",
      digits: `A Gaussian of ${baked.digits.spectrum.length} principal components, from ${LEAST_OF_DIGITS} points upwards.`,
    }[settings.generator] || (settings.regime === "replace" && settings.treatment === "none"
      ? "Real points are used in generation 1 only. Weights need real points alongside synthetic ones." : "");
    at("asked").textContent = `${GENERATIONS} generations from now, the ${isTokens() ? "diversity" : "variance"} of a typical run, against that of the real data:`;
    at("question").hidden = revealed;
    at("revealed").hidden = at("save").disabled = !revealed;
    at("link").value = String(window.location.href).split("#")[0] + Settings.toHash(settings);
    at("code").textContent = Settings.toPython(settings, baked);
    const names = quantities();
    for (const option of at("quantity").options) option.textContent = names[option.value].split(",")[0];
    at("runs-title").textContent = `${RUNS[settings.generator]} runs`;
  }

  function draw() {
    if (!revealed) return;
    const key = at("quantity").value, {theory, runs} = computed, law = key === "variance" ? theory.law : null, t = generation - 1;
    at("generation").value = generation;
    at("generation-shown").textContent = `generation ${generation}`;
    at("first").disabled = at("back").disabled = generation === 1;
    at("forward").disabled = generation === GENERATIONS;
    Pictures.runs(at("runs"), {
      lines: runs.map((run) => run[key]), mean: computed[key], theory: theory[key], law, generation,
      log: at("scale").value === "log", name: quantities()[key].split(" (")[0].split(",")[0],
    });
    at("legend").replaceChildren(...[
      ["runs", "runs"], ["mean", "their mean"], ["theory", "exact mean (theory)"], ...(law ? [["law", "exact law: median, and band of 90 %"]] : []),
    ].map(([name, text]) => {
      const item = document.createElement("span"), mark = document.createElement("i");
      mark.className = name;
      item.append(mark, text);
      return item;
    }));
    const middle = quantile(column(key, t), 0.5);
    const sentence = `Generation ${generation}: ${quantities()[key].split(" (")[0].split(",")[0]} ${round(computed[key][t])} on average, exact mean ${round(theory[key][t])}; `
      + `half of the runs are below ${round(middle)}${law ? `, by the exact law below ${round(law[1][t])}` : ""}.`;
    if (timer === null) at("reading").textContent = sentence; // read out once, not at every step of a play
    at("runs").setAttribute("aria-label", `Line chart. ${sentence}`);
    drawModel(t);
    drawMap();
    showVerdict();
    if (at("table-holder").open) fillTable();
  }

  function drawModel(t) {
    const models = computed.runs.slice(0, KEPT).map((run) => run.models[t]), canvas = at("model");
    const titles = {line: "The model's density", plane: "The model, at two standard deviations", tokens: "Words in the first run", digits: "Digits in the first run"};
    at("model-title").textContent = `${titles[settings.generator]}, generation ${generation}`;
    let note = "Dashed: the truth. Bold: the first run; faint: others.";
    if (settings.generator === "line") Pictures.densities(canvas, models);
    else if (settings.generator === "plane") Pictures.ellipses(canvas, models);
    else if (isTokens()) {
      Pictures.bars(canvas, models, baked.tokens);
      const lost = models[0].law.filter((p) => p === 0).length;
      note = `Dark marks: the truth. ${lost} of ${models[0].law.length} words are lost in this run.`;
    } else {
      Pictures.digits(canvas, models, baked.digits, baked.digits.spectrum);
      note = "The same ten points, moved as the model's mean and covariance are.";
    }
    at("model-note").textContent = note;
    canvas.setAttribute("aria-label", `${at("model-title").textContent}. ${note}`);
  }

  function drawMap() {
    const worth = baked.sizes.map((real) => baked.sizes.map((synthetic) => Settings.worth(settings, baked, real, synthetic)));
    place = Pictures.map(at("map"), {...settings, sizes: baked.sizes, worth, known: !isTokens()});
    const ours = Settings.worth(settings, baked);
    let text = "No worth in real points is known for tokens.";
    if (!isTokens()) {
      const where = settings.regime === "fresh" && settings.treatment === "none" ? "" : " The map is of the regime Fresh without treatment.";
      text = ours === null ? `With ${settings.real} real and ${settings.synthetic} synthetic points the loop is worse than any fit.`
        : `${settings.real} real and ${settings.synthetic} synthetic points are worth ${round(ours * settings.real)} real ones.`;
      text += ` Blue: worth more than the real points alone; orange: less; grey: worse than two points.${where}`;
    }
    at("map-note").textContent = text;
    at("map").setAttribute("aria-label", `Map over numbers of real and synthetic points; arrow keys move the point. ${text}`);
  }

  function showVerdict() {
    const {law} = computed.theory, what = isTokens() ? "diversity" : "variance";
    if (generation < GENERATIONS) {
      at("verdict").textContent = "Step or play to the last generation to see.";
      return;
    }
    const middle = law ? law[1][GENERATIONS - 1] : quantile(column("variance", GENERATIONS - 1), 0.5);
    const truth = `After ${GENERATIONS} generations the ${what} of a typical run ${FATES[fate(middle)]}: ${round(middle)} of the real data's.`;
    const mean = computed.theory.variance[GENERATIONS - 1];
    const rare = middle < 0.5 * mean ? ` The exact mean is ${round(mean)}: rare runs carry it.` : "";
    at("verdict").textContent = `${guess === "" ? "" : guess === fate(middle) ? "As you expected. " : "Not as you expected. "}${truth}${rare}`;
  }

  function fillTable() {
    const key = at("quantity").value, {theory} = computed, law = key === "variance" ? theory.law : null;
    const header = ["generation", "exact mean", "mean of the runs", "5 %", "median", "95 %", ...(law ? ["law 5 %", "law median", "law 95 %"] : [])];
    const row = (cells, tag) => {
      const line = document.createElement("tr");
      for (const cell of cells) {
        const box = document.createElement(tag);
        box.textContent = cell;
        if (tag === "th") box.scope = "col";
        line.append(box);
      }
      return line;
    };
    at("table").replaceChildren(row(header, "th"), ...Array.from({length: GENERATIONS}, (_, t) => row([
      t + 1, round(theory[key][t]), round(computed[key][t]), ...[0.05, 0.5, 0.95].map((q) => round(quantile(column(key, t), q))),
      ...(law ? law.map((values) => round(values[t])) : []),
    ], "td")));
  }

  // ---- Controls -----------------------------------------------------------------------------------------

  function go(to) {
    generation = Math.min(Math.max(to, 1), GENERATIONS);
    draw();
  }

  function stop() {
    if (timer !== null) window.clearInterval(timer);
    timer = null;
    at("play").textContent = "Play";
  }

  function play() {
    if (timer !== null) {
      stop();
      draw();
      return;
    }
    if (generation === GENERATIONS) generation = 1;
    at("play").textContent = "Pause";
    timer = window.setInterval(() => {
      if (generation + 1 >= GENERATIONS) stop();
      go(generation + 1);
    }, still.matches ? 400 : 120);
  }

  async function copy(text, said) {
    try {
      await navigator.clipboard.writeText(text);
      at("copied").textContent = said;
    } catch {
      at("copied").textContent = "The browser does not let the page copy; select the text and copy it.";
    }
  }

  function save() {
    const {real, synthetic, bias} = settings;
    const lines = [`${CHOICES.generator[settings.generator]}: ${CHOICES.regime[settings.regime].split(":")[0].toLowerCase()}`,
      `${real} real, ${synthetic} synthetic points, bias ${bias}, treatment: ${CHOICES.treatment[settings.treatment].split(":")[0].toLowerCase()}; generation ${generation}`,
      "blue: runs and their mean; dashed: exact mean; dotted and shaded: exact law; madtheory"];
    Pictures.compose([at("runs"), at("model"), at("map")], lines).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `madtheory-${settings.generator}-${settings.regime}.png`;
      link.click();
      window.setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    });
  }

  function moveOnMap(event) {
    if (place === null) return;
    const box = at("map").getBoundingClientRect();
    const moved = place(event.clientX - box.left, event.clientY - box.top);
    if (moved.real !== settings.real || moved.synthetic !== settings.synthetic) take({...settings, ...moved}, {keepShown: true});
  }

  const ARROWS = {ArrowLeft: ["synthetic", -1], ArrowRight: ["synthetic", 1], ArrowDown: ["real", -1], ArrowUp: ["real", 1]};

  function start() {
    for (const [name, choices] of Object.entries(CHOICES)) {
      at(name).append(...Object.entries(choices).map(([value, text]) => new Option(text, value)));
      at(name).addEventListener("change", () => take({...settings, [name]: at(name).value}));
    }
    at("quantity").append(new Option("", "variance"), new Option("", "error"));
    for (const name of ["real", "synthetic", "bias"]) {
      const values = name === "bias" ? baked.biases : baked.sizes;
      at(name).max = values.length - 1;
      at(name).addEventListener("input", () => take({...settings, [name]: values[at(name).value]}));
    }
    at("quantity").addEventListener("change", draw);
    at("scale").addEventListener("change", () => { scaleChosen = true; draw(); });
    at("generation").max = GENERATIONS;
    at("generation").addEventListener("input", () => { stop(); go(Number(at("generation").value)); });
    const press = (id, action) => at(id).addEventListener("click", action);
    press("first", () => { stop(); go(1); });
    press("back", () => { stop(); go(generation - 1); });
    press("forward", () => { stop(); go(generation + 1); });
    press("play", play);
    press("again", () => take({...settings, seed: (settings.seed + 1) % 2 ** 31}, {keepShown: true}));
    press("reset", () => { scaleChosen = false; take({}); });
    press("save", save);
    press("copy-link", () => copy(at("link").value, "The link is copied."));
    press("copy-code", () => copy(at("code").textContent, "The code is copied."));
    at("ask").addEventListener("change", () => take(settings, {keepShown: true}));
    at("settings").addEventListener("submit", (event) => event.preventDefault());
    for (const button of document.querySelectorAll("[data-guess]")) {
      button.addEventListener("click", () => {
        reveal(button.dataset.guess, 1);
        showSettings();
        draw();
        play();
        at("play").focus();
      });
    }
    at("map").addEventListener("pointerdown", (event) => { at("map").setPointerCapture(event.pointerId); moveOnMap(event); });
    at("map").addEventListener("pointermove", (event) => { if (event.buttons) moveOnMap(event); });
    at("map").addEventListener("keydown", (event) => {
      if (!Object.hasOwn(ARROWS, event.key)) return;
      event.preventDefault();
      const [name, step] = ARROWS[event.key], next = baked.sizes[baked.sizes.indexOf(settings[name]) + step];
      if (next !== undefined) take({...settings, [name]: next}, {keepShown: true});
    });
    at("table-holder").addEventListener("toggle", () => { if (at("table-holder").open) fillTable(); });
    at("link").addEventListener("focus", () => at("link").select());
    window.addEventListener("resize", draw);
    window.addEventListener("hashchange", () => take(Settings.fromHash(window.location.hash, baked)));
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    at("version").textContent = baked.version;
    take(Settings.fromHash(window.location.hash, baked));
  }

  start();
})();
