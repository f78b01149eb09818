// Draws the kinds of panels that the boards have: Grafana's JSON in, elements out. uPlot draws the lines.
/* global uPlot */

const NAMED = {
  green: "#56a64b", "dark-green": "#37872d", blue: "#3274d9", yellow: "#e0b400", orange: "#ff780a", red: "#c4162a",
  purple: "#8f3bb8",
};
const PALETTE = ["#3274d9", "#56a64b", "#e0b400", "#ff780a", "#8f3bb8", "#37a2a5", "#c4162a", "#806b52", "#5b6472"];
const UNITS = {
  s: (v) => duration(v),
  cps: (v) => `${short(v)}/s`,
  percentunit: (v) => `${trimmed(v * 100)} %`,
  bytes: (v) => `${scaled(v, 1024, ["B", "KiB", "MiB", "GiB"])}`,
  Bps: (v) => `${scaled(v, 1000, ["B", "kB", "MB", "GB"])}/s`,
  short: (v) => short(v),
};

function trimmed(v) {
  const digits = Math.abs(v) >= 100 ? 0 : Math.abs(v) >= 10 ? 1 : 2;
  return String(Number(v.toFixed(digits)));
}

function scaled(v, base, names) {
  let size = 0;
  while (Math.abs(v) >= base && size < names.length - 1) [v, size] = [v / base, size + 1];
  return `${trimmed(v)} ${names[size]}`;
}

const short = (v) => scaled(v, 1000, ["", "k", "M", "G"]).trim();

function duration(v) {
  if (Math.abs(v) >= 172800) return `${trimmed(v / 86400)} d`;
  if (Math.abs(v) >= 7200) return `${trimmed(v / 3600)} h`;
  if (Math.abs(v) >= 120) return `${trimmed(v / 60)} min`;
  if (v !== 0 && Math.abs(v) < 0.001) return `${trimmed(v * 1e6)} µs`;
  if (v !== 0 && Math.abs(v) < 1) return `${trimmed(v * 1e3)} ms`;
  return `${trimmed(v)} s`;
}

export const shown = (panel, value) => (UNITS[panel.fieldConfig.defaults.unit] ?? short)(value);

const clock = (at) => new Date(at * 1000).toTimeString().slice(0, 5);

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const last = (found) => found.points.findLast(([, value]) => Number.isFinite(value))[1];

function graded(panel, value) {
  const step = panel.fieldConfig.defaults.thresholds.steps.findLast((s) => s.value === null || value >= s.value);
  return NAMED[step.color] ?? step.color;
}

const isGraded = (panel) => panel.fieldConfig.defaults.thresholds.steps.length > 1;

function colorOf(panel, name, index) {
  const own = panel.fieldConfig.overrides.find((o) => o.matcher.options === name);
  return own ? NAMED[own.properties[0].value.fixedColor] : PALETTE[index % PALETTE.length];
}

function aligned(found, time) {
  const at = [];
  for (let t = time.start; t <= time.end; t += time.step) at.push(t);
  const columns = found.map(({ points }) => {
    const known = new Map(points.map(([t, v]) => [Math.round(t), v]));
    return at.map((t) => (Number.isFinite(known.get(t)) ? known.get(t) : null));
  });
  return [at, columns];
}

function stack(columns) {
  const sum = columns.length ? columns[0].map(() => 0) : [];
  return columns.map((column) => column.map((v, i) => (sum[i] += v ?? 0)));
}

function legend(panel, found, colors) {
  const box = element("div", "legend");
  found.forEach((one, i) => {
    const entry = element("span", "", `${one.name}: ${shown(panel, last(one))}`);
    const mark = element("i");
    mark.style.background = colors[i];
    entry.prepend(mark);
    box.append(entry);
  });
  return box;
}

const withMarks = (panel, marks) => ({
  hooks: {
    draw: [(plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.setLineDash([4, 4]);
      const across = (y, color) => rule(ctx, [bbox.left, y], [bbox.left + bbox.width, y], color);
      if (panel.fieldConfig.defaults.custom.thresholdsStyle.mode !== "off") {
        for (const { value, color } of panel.fieldConfig.defaults.thresholds.steps) {
          const y = plot.valToPos(value ?? -1, "y", true);
          if (value !== null && y >= bbox.top && y <= bbox.top + bbox.height) across(y, NAMED[color]);
        }
      }
      for (const { at, color } of marks) {
        const x = plot.valToPos(at, "x", true);
        rule(ctx, [x, bbox.top], [x, bbox.top + bbox.height], NAMED[color]);
      }
      ctx.restore();
    }],
  },
});

function rule(ctx, from, to, color) {
  ctx.strokeStyle = color;
  ctx.beginPath();
  ctx.moveTo(...from);
  ctx.lineTo(...to);
  ctx.stroke();
}

// as wide as the longest label, in pixels
const room = (_, labels) => 20 + 7 * Math.max(4, ...(labels ?? []).map((label) => label.length));

// bytes are counted in powers of two: 100 MiB, not 95.4
const steps = (panel) =>
  panel.fieldConfig.defaults.unit === "bytes" ? { incrs: Array.from({ length: 48 }, (_, i) => 2 ** i) } : {};

function drawLines(panel, found, time, box, marks) {
  const stacked = panel.fieldConfig.defaults.custom.stacking.mode === "normal";
  const colors = found.map((one, i) => colorOf(panel, one.name, i));
  const [at, columns] = aligned(found, time);
  const values = stacked ? stack(columns) : columns;
  const key = legend(panel, found, colors);
  box.append(key);
  const ink = getComputedStyle(document.body).getPropertyValue("--dim");
  const grid = { stroke: getComputedStyle(document.body).getPropertyValue("--line"), width: 1 };
  const order = stacked ? [...values.keys()].reverse() : [...values.keys()];  // the sum first, so that parts cover it
  const plot = new uPlot({
    width: Math.max(120, box.clientWidth),
    height: Math.max(60, box.clientHeight - key.offsetHeight - 4),
    legend: { show: false },
    cursor: { y: false },
    scales: { y: { range: (_, low, high) => [Math.min(0, low), panel.fieldConfig.defaults.max ?? (high || 1) * 1.05] } },
    axes: [
      { stroke: ink, grid, values: (_, ticks) => ticks.map(clock) },
      { stroke: ink, grid, size: room, ...steps(panel), values: (_, ticks) => ticks.map((v) => shown(panel, v)) },
    ],
    series: [{}, ...order.map((i) => ({
      label: found[i].name,
      stroke: colors[i],
      width: 1.5,
      points: { show: false },
      fill: stacked ? colors[i] : undefined,
    }))],
    plugins: [withMarks(panel, marks)],
  }, [at, ...order.map((i) => values[i])], box);
  plot.root.title = marks.map((mark) => mark.text).join("\n");
}

function drawNumber(panel, found, _time, box) {
  const value = last(found[0]);
  const made = element("div", isGraded(panel) ? "number" : "number plain", shown(panel, value));
  made.style.background = graded(panel, value);
  box.append(made);
}

function drawBars(panel, found, _time, box) {
  box.classList.add("scrolls");
  const most = Math.max(...found.map(last), 1e-12);
  found.forEach((one) => {
    const row = element("div", "bar");
    const name = element("span", "", one.name);
    name.title = one.name;
    const track = element("span", "track");
    const fill = element("div", "fill");
    fill.style.width = `${(100 * last(one)) / most}%`;
    fill.style.background = graded(panel, last(one));
    track.append(fill);
    row.append(name, track, element("span", "", shown(panel, last(one))));
    box.append(row);
  });
}

function drawTable(panel, found, _time, box) {
  box.classList.add("scrolls");
  const hidden = new Set(Object.keys(panel.transformations[0].options.excludeByName));
  const names = [...new Set(found.flatMap(({ labels }) => Object.keys(labels)))].filter((n) => !hidden.has(n));
  const table = element("table");
  const head = element("tr");
  names.forEach((name) => head.append(element("th", "", name)));
  if (names.includes("alertname")) head.append(element("th", "", "what to do"));
  table.append(head);
  found.forEach(({ labels }) => {
    const row = element("tr");
    names.forEach((name) => row.append(element("td", labels[name] === "page" ? "page" : "", labels[name] ?? "")));
    if (labels.alertname) {
      const link = element("a", "", "runbook");
      link.href = `/runbook#${labels.alertname.toLowerCase()}`;
      row.append(element("td"));
      row.lastChild.append(link);
    }
    table.append(row);
  });
  box.append(table);
}

// Buckets are cumulative; what one holds is its count less that of the bucket below.
function drawHeatmap(panel, found, time, box) {
  const bounds = found.map((one) => [one.name === "+Inf" ? Infinity : Number(one.name), one]).sort(([a], [b]) => a - b);
  const [at, columns] = aligned(bounds.map(([, one]) => one), time);
  const cells = columns.map((column, i) => column.map((v, j) => Math.max(0, (v ?? 0) - (columns[i - 1]?.[j] ?? 0))));
  const used = cells.flatMap((row, i) => (row.some((v) => v > 1e-9) ? [i] : []));
  const [low, high] = [Math.max(0, used[0] - 1), Math.min(cells.length - 1, used.at(-1) + 1)];
  const canvas = element("canvas");
  canvas.width = box.clientWidth;
  canvas.height = box.clientHeight;
  box.append(canvas);
  const ctx = canvas.getContext("2d");
  const most = Math.max(...cells.flat());
  const [left, bottom, rows] = [64, 18, high - low + 1];
  const [w, h] = [(canvas.width - left) / at.length, (canvas.height - bottom) / rows];
  ctx.font = "11px system-ui";
  for (let i = low; i <= high; i++) {
    const y = canvas.height - bottom - (i - low + 1) * h;
    ctx.fillStyle = getComputedStyle(document.body).getPropertyValue("--dim");
    if ((i - low) % Math.ceil(14 / h) === 0) ctx.fillText(i === cells.length - 1 ? "more" : `≤ ${shown(panel, bounds[i][0])}`, 0, y + h / 2 + 4);
    cells[i].forEach((v, j) => {
      if (v <= 1e-9) return;
      ctx.fillStyle = `rgba(255, 120, 10, ${0.12 + 0.88 * Math.sqrt(v / most)})`;
      ctx.fillRect(left + j * w, y, Math.max(1, w), h - 1);
    });
  }
  ctx.fillStyle = getComputedStyle(document.body).getPropertyValue("--dim");
  [0.05, 0.5, 0.95].forEach((part) => {
    ctx.fillText(clock(at[Math.floor(part * (at.length - 1))]), left + part * (canvas.width - left) - 14, canvas.height - 4);
  });
}

const KINDS = {
  timeseries: drawLines,
  stat: drawNumber,
  bargauge: drawBars,
  heatmap: drawHeatmap,
  table: drawTable,
};

export function draw(panel, found, time, box, marks) {
  box.replaceChildren();
  box.classList.remove("scrolls");
  if (!found.length) box.append(element("div", "empty", panel.fieldConfig.defaults.noValue));
  else KINDS[panel.type](panel, found, time, box, marks);
}

export function wrong(box, error) {
  box.replaceChildren(element("div", "wrong", error.message));
}
