// Asks Prometheus what a panel asks, with the variables of the board put in as Grafana does.

const POINTS = 240;
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\\/g, "\\\\");

export async function get(path, parameters = {}) {
  const answer = await fetch(`${path}?${new URLSearchParams(parameters)}`);
  const told = await answer.json();
  if (told.status && told.status !== "success") throw new Error(told.error);
  return told.data ?? told;
}

// The time to show: seconds since the epoch, and the distance of two points.
export function span(rangeS, scrapeS) {
  const step = Math.max(scrapeS, Math.ceil(rangeS / POINTS));
  const end = Math.floor((Date.now() / 1000 - scrapeS) / step) * step;  // what is newer is not scraped yet
  return { start: end - rangeS, end, step, rate: Math.max(4 * scrapeS, step + scrapeS), range: rangeS };
}

export function filled(expr, chosen, time) {
  return expr
    .replaceAll("$__rate_interval", `${time.rate}s`)
    .replaceAll("$__range", `${time.range}s`)
    .replaceAll("$pipeline", chosen.pipeline ? escaped(chosen.pipeline) : ".*")
    .replaceAll("$instance", chosen.instance ? escaped(chosen.instance) : ".*");
}

function named(legend, labels) {
  if (!legend || legend === "__auto") {
    const rest = Object.entries(labels).filter(([name]) => name !== "__name__");
    return rest.map(([name, value]) => `${name}=${value}`).join(" ") || "value";
  }
  return legend.replace(/{{\s*(\w+)\s*}}/g, (_, name) => labels[name] ?? "");
}

// [{name, labels, points: [[time, value]]}] of all targets of a panel; one point each where only now is asked for.
export async function series(panel, chosen, time) {
  const asked = panel.targets.map(async (target) => {
    const query = filled(target.expr, chosen, time);
    const data = target.instant
      ? await get("/api/v1/query", { query, time: time.end })
      : await get("/api/v1/query_range", { query, start: time.start, end: time.end, step: time.step });
    return data.result.map((found) => ({
      name: named(target.legendFormat, found.metric),
      labels: found.metric,
      points: (found.values ?? [found.value]).map(([at, value]) => [at, Number(value)]),
    }));
  });
  return (await Promise.all(asked)).flat().filter((found) => found.points.some(([, value]) => Number.isFinite(value)));
}

// Moments to mark: [{at, color, text}], at most 20 of each annotation.
export async function annotations(board, chosen, time) {
  const asked = board.annotations.list.map(async (note) => {
    const query = filled(note.expr, chosen, time);
    const data = await get("/api/v1/query_range", { query, start: time.start, end: time.end, step: time.step });
    return data.result.slice(0, 20).map((found) => ({
      at: found.values[0][0],
      color: note.iconColor,
      text: `${note.name}: ${named(note.titleFormat, found.metric)}`,
    }));
  });
  return (await Promise.all(asked)).flat().filter((mark) => mark.at > time.start + time.step);
}
