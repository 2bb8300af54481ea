// Pictures: each function draws one on a canvas. They know numbers and colours, not the controls.
const Pictures = (() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  /** A cleared canvas as sharp as the screen: its context, width and height in CSS pixels. */
  function open(canvas) {
    const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth, height = Number(canvas.dataset.height);
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.fillStyle = colour("paper");
    context.fillRect(0, 0, width, height);
    context.font = "13px system-ui, sans-serif";
    context.lineJoin = "round";
    return {context, width, height};
  }

  const label = (value) => {
    const size = Math.abs(value);
    return size !== 0 && (size < 0.01 || size >= 1e4) ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(3)));
  };

  /** Round numbers from low to high: about `count`, or powers of ten. */
  function ticks(low, high, log, count = 5) {
    if (log) {
      const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
      const step = Math.max(1, Math.ceil((to - from) / count));
      return Array.from({length: Math.max(0, Math.floor((to - from) / step) + 1)}, (_, i) => 10 ** (from + i * step));
    }
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw * 0.999);
    const out = [];
    for (let value = Math.ceil(low / step - 1e-9) * step; value <= high + 1e-9 * step; value += step) out.push(value);
    return out;
  }

  /** Axes with ticks and names; returns functions from values to pixels. */
  function axes({context, width, height}, x, y) {
    const box = {left: 52, right: width - 18, top: 10, bottom: height - 40};
    const to = (axis, from, until) => (value) => {
      const f = axis.log ? Math.log : (v) => v;
      return from + (until - from) * (f(value) - f(axis.low)) / (f(axis.high) - f(axis.low));
    };
    const toX = to(x, box.left, box.right), toY = to(y, box.bottom, box.top);
    context.lineWidth = 1;
    context.strokeStyle = colour("line");
    context.fillStyle = colour("faint");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of y.ticks || ticks(y.low, y.high, y.log)) {
      context.globalAlpha = 0.6;
      line(context, [[box.left, toY(value)], [box.right, toY(value)]]);
      context.globalAlpha = 1;
      context.fillText(label(value), box.left - 6, toY(value));
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const value of x.ticks || ticks(x.low, x.high, x.log)) {
      line(context, [[toX(value), box.bottom], [toX(value), box.bottom + 4]]);
      context.fillText(label(value), toX(value), box.bottom + 6);
    }
    context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
    context.fillText(x.name, (box.left + box.right) / 2, height - 17);
    context.save();
    context.translate(12, (box.top + box.bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.fillText(y.name, 0, 0);
    context.restore();
    return {box, toX, toY};
  }

  function line(context, points) {
    context.beginPath();
    points.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    context.stroke();
  }

  function clip(context, {left, right, top, bottom}) {
    context.save();
    context.beginPath();
    context.rect(left, top, right - left, bottom - top);
    context.clip();
  }

  /** Runs up to a generation, their mean, theory, and the band and median of the exact law. */
  function runs(canvas, {lines, mean, theory, law, generation, log, name}) {
    const view = open(canvas), {context} = view, count = theory.length;
    const all = [...lines.flatMap((one) => [...one]), ...theory, ...(law ? law.flatMap((one) => [...one]) : [])]
      .filter((value) => value > 0 && Number.isFinite(value)).sort((a, b) => a - b);
    let low = 0, high = Math.max(1.25, all[Math.floor(0.995 * (all.length - 1))] * 1.1, ...theory.map((v) => v * 1.1));
    if (name.startsWith("error")) high = Math.max(all[Math.floor(0.99 * (all.length - 1))] * 1.1, 1e-9);
    if (log) {
      low = Math.max(10 ** Math.floor(Math.log10(all[Math.floor(0.002 * all.length)] || 1e-3)), 1e-12);
      high = 10 ** Math.ceil(Math.log10(high));
    }
    const {box, toX, toY} = axes(view, {low: 1, high: count, name: "generation", ticks: [1, 10, 20, 30, 40, 50]}, {low, high, log, name});
    const points = (values, until = count) => Array.from(values).slice(0, until)
      .map((value, t) => [toX(t + 1), toY(log ? Math.max(value, low / 10) : value)]);
    clip(context, box);
    if (law) {
      context.fillStyle = colour("law");
      context.globalAlpha = 0.16;
      context.beginPath();
      [...points(law[0]), ...points(law[2]).reverse()].forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
      context.fill();
    }
    context.strokeStyle = colour("runs");
    context.globalAlpha = lines.length > 30 ? 0.22 : 0.45;
    for (const one of lines) line(context, points(one, generation));
    context.globalAlpha = 1;
    context.lineWidth = 4;
    line(context, points(mean, generation));
    if (law) {
      context.strokeStyle = colour("law");
      context.lineWidth = 2.5;
      context.setLineDash([2, 4]);
      line(context, points(law[1]));
    }
    context.strokeStyle = colour("theory");
    context.lineWidth = 2.5;
    context.setLineDash([9, 5]);
    line(context, points(theory));
    context.setLineDash([]);
    context.lineWidth = 1;
    context.strokeStyle = colour("ink");
    line(context, [[toX(generation), box.top], [toX(generation), box.bottom]]);
    context.restore();
  }

  /** Densities of one dimension: the truth dashed, the first run bold, others faint. */
  function densities(canvas, models) {
    const view = open(canvas), {context} = view, high = 1.2;
    const {box, toX, toY} = axes(view, {low: -4, high: 4, name: "value"}, {low: 0, high, name: "density"});
    const curve = (mean, variance) => Array.from({length: 321}, (_, i) => {
      const x = -4 + i / 40;
      return [toX(x), toY(Math.min(Math.exp(-((x - mean) ** 2) / (2 * variance)) / Math.sqrt(2 * Math.PI * variance), 2 * high))];
    });
    // A spike narrower than the grid is drawn as the line that it looks like.
    const shape = ({mean, covariance}) => (covariance[0] < 1e-3
      ? [[toX(mean[0]), toY(0)], [toX(mean[0]), toY(2 * high)]] : curve(mean[0], covariance[0]));
    clip(context, box);
    several(context, models, (model) => line(context, shape(model)));
    truthStyle(context);
    line(context, curve(0, 1));
    context.restore();
  }

  function several(context, models, draw) {
    context.strokeStyle = colour("runs");
    context.globalAlpha = 0.3;
    models.slice(1).forEach(draw);
    context.globalAlpha = 1;
    context.lineWidth = 3.5;
    draw(models[0]);
  }

  function truthStyle(context) {
    context.strokeStyle = colour("truth");
    context.lineWidth = 2;
    context.setLineDash([5, 4]);
  }

  /** Ellipses of two standard deviations, in two dimensions. */
  function ellipses(canvas, models) {
    const view = open(canvas), {context, width, height} = view;
    const wide = 3.4 * (width - 70) / (height - 50);
    const {box, toX, toY} = axes(view, {low: -wide, high: wide, name: "first coordinate"}, {low: -3.4, high: 3.4, name: "second coordinate"});
    const outline = ({mean, covariance}) => {
      const root = Engine.cholesky(covariance, 2);
      line(context, Array.from({length: 73}, (_, i) => {
        const u = 2 * Math.cos(i * Math.PI / 36), v = 2 * Math.sin(i * Math.PI / 36);
        return [toX(mean[0] + root[0] * u), toY(mean[1] + root[2] * u + root[3] * v)];
      }));
    };
    clip(context, box);
    several(context, models, outline);
    truthStyle(context);
    outline({mean: [0, 0], covariance: [1, 0, 0, 1]});
    context.restore();
  }

  /** Bars of the words' probabilities in the first run; the truth as dashes. */
  function bars(canvas, models, {words, probabilities}) {
    const view = open(canvas), {context, width, height} = view, law = models[0].law;
    const left = 44, row = (height - 12) / words.length, longest = Math.max(...law, ...probabilities, 0.4);
    const scale = (width - left - 54) / longest;
    context.textBaseline = "middle";
    context.font = `${Math.min(13, row)}px system-ui, sans-serif`;
    words.forEach((word, i) => {
      const y = 6 + i * row;
      context.textAlign = "right";
      context.globalAlpha = law[i] === 0 ? 0.7 : 1;
      context.fillStyle = colour("ink");
      context.fillText(word, left - 6, y + row / 2);
      context.globalAlpha = 1;
      context.fillStyle = colour("runs");
      context.fillRect(left, y + row * 0.15, law[i] * scale, row * 0.7);
      context.fillStyle = colour("truth");
      context.fillRect(left + probabilities[i] * scale - 1, y, 2.5, row);
      if (law[i] === 0) {
        context.fillStyle = colour("theory");
        context.textAlign = "left";
        context.fillText("lost", left + probabilities[i] * scale + 6, y + row / 2);
      }
    });
  }

  /** Pixels of coordinates on the components, clipped to 0 ... 16. */
  function pixels({mean, axes: directions}, point) {
    return mean.map((value, i) => Math.min(Math.max(value + directions.reduce((sum, axis, k) => sum + axis[i] * point[k], 0), 0), 16));
  }

  /** Ten digits: as they are, and as the model of the first run has them now. */
  function digits(canvas, models, data, spectrum) {
    const view = open(canvas), {context, width, height} = view, d = spectrum.length;
    const {mean, covariance} = models[0], root = Engine.cholesky(covariance, d);
    const moved = data.points.map((point) => {
      const standard = point.map((x, i) => x / Math.sqrt(spectrum[i]));
      return Array.from({length: d}, (_, i) => mean[i] + standard.slice(0, i + 1).reduce((sum, z, k) => sum + root[i * d + k] * z, 0));
    });
    const columns = 5, gap = 4, side = Math.floor(Math.min((width - gap * columns) / columns, (height - 56) / 4 - gap));
    const start = (width - columns * (side + gap)) / 2;
    const block = (title, points, top) => {
      context.fillStyle = colour("faint");
      context.textAlign = "center";
      context.textBaseline = "top";
      context.fillText(title, width / 2, top);
      points.forEach((point, k) => {
        const x0 = start + (k % columns) * (side + gap), y0 = top + 20 + Math.floor(k / columns) * (side + gap);
        pixels(data, point).forEach((value, i) => {
          const grey = Math.round(255 * (1 - value / 16)), cell = side / 8;
          context.fillStyle = `rgb(${grey},${grey},${grey})`;
          context.fillRect(x0 + (i % 8) * cell, y0 + Math.floor(i / 8) * cell, cell + 0.6, cell + 0.6);
        });
      });
    };
    block("real", data.points, 0);
    block("as the model has them", moved, 24 + 2 * (side + gap));
  }

  // Blue gains, orange loses; white is worth nothing.
  function worthColour(ratio) {
    if (ratio === null) return [120, 120, 120];
    const share = Math.min(Math.abs(Math.log2(ratio)) / 2, 1), end = ratio > 1 ? [0, 90, 170] : [213, 94, 0];
    return end.map((value) => Math.round(250 + share * (value - 250)));
  }

  /** The map of worth over numbers of real and synthetic points; returns places for the pointer. */
  function map(canvas, {sizes, worth, real, synthetic, known}) {
    const view = open(canvas), {context} = view, last = sizes.length - 1;
    const low = sizes[0] * 0.9, high = sizes[last] * 1.1, marks = [5, 10, 30, 100, 300, 1000];
    const axis = (name) => ({low, high, log: true, name, ticks: marks});
    const {box, toX, toY} = axes(view, axis("synthetic points"), axis("real points"));
    const edges = sizes.map((n, i) => (i === 0 ? low : Math.sqrt(n * sizes[i - 1])));
    edges.push(high);
    if (known) {
      clip(context, box);
      const above = (i, j) => (worth[i][j] ?? 0) >= 1;
      sizes.forEach((_, i) => sizes.forEach((__, j) => {
        const [x, y] = [toX(edges[j]), toY(edges[i + 1])], [x1, y1] = [toX(edges[j + 1]), toY(edges[i])];
        context.fillStyle = `rgb(${worthColour(worth[i][j])})`;
        context.fillRect(x, y, x1 - x + 0.7, y1 - y + 0.7);
      }));
      context.strokeStyle = "#111";
      context.lineWidth = 2;
      sizes.forEach((_, i) => sizes.forEach((__, j) => {
        if (j < last && above(i, j) !== above(i, j + 1)) line(context, [[toX(edges[j + 1]), toY(edges[i])], [toX(edges[j + 1]), toY(edges[i + 1])]]);
        if (i < last && above(i, j) !== above(i + 1, j)) line(context, [[toX(edges[j]), toY(edges[i + 1])], [toX(edges[j + 1]), toY(edges[i + 1])]]);
      }));
      context.restore();
    }
    context.lineWidth = 3;
    context.strokeStyle = "#fff";
    context.fillStyle = "#111";
    context.beginPath();
    context.arc(toX(synthetic), toY(real), 7, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    const nearest = (pixel, to) => sizes.reduce((best, n) => (Math.abs(to(n) - pixel) < Math.abs(to(best) - pixel) ? n : best));
    return (x, y) => ({synthetic: nearest(x, toX), real: nearest(y, toY)});
  }

  /** One PNG of several canvases under a title. */
  function compose(canvases, lines) {
    const ratio = window.devicePixelRatio || 1, margin = 16 * ratio, width = Math.max(...canvases.map((c) => c.width)) + 2 * margin;
    const heading = (lines.length * 20 + 8) * ratio;
    const whole = document.createElement("canvas");
    whole.width = width;
    whole.height = heading + canvases.reduce((sum, c) => sum + c.height + margin, margin);
    const context = whole.getContext("2d");
    context.fillStyle = colour("paper");
    context.fillRect(0, 0, whole.width, whole.height);
    context.fillStyle = colour("ink");
    context.textBaseline = "top";
    lines.forEach((text, i) => {
      context.font = `${i === 0 ? "bold " : ""}${14 * ratio}px system-ui, sans-serif`;
      context.fillText(text, margin, margin / 2 + i * 20 * ratio, width - 2 * margin);
    });
    let top = heading + margin / 2;
    for (const canvas of canvases) {
      context.drawImage(canvas, margin, top);
      top += canvas.height + margin;
    }
    return whole;
  }

  return {bars, compose, densities, digits, ellipses, map, runs};
})();
