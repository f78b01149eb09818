// The page: one board at a time, brought up to date every few seconds. Keys 1 to 9 change the board.
import { draw, wrong } from "./draw.js";
import { annotations, get, series, span } from "./queries.js";

const EVERY_MS = 5000;
const ROW_PX = 30;
const place = document.getElementById("panels");
const boards = await get("/boards.json");
const settings = await get("/settings.json");
const chosen = { pipeline: "", instance: "" };
const given = new URLSearchParams(location.search);
let current = boards.find((board) => location.pathname === `/d/${board.uid}`) ?? boards[0];
let boxes = [];
let busy = false;

function navigation() {
  const nav = document.getElementById("boards");
  nav.replaceChildren(...boards.map((board, i) => {
    const link = document.createElement("a");
    link.href = `/d/${board.uid}`;
    link.textContent = board.title.replace(/^stream: /, "");
    link.title = `${board.description} (key ${i + 1})`;
    if (board === current) link.setAttribute("aria-current", "page");
    link.onclick = (event) => {
      event.preventDefault();
      show(board);
    };
    return link;
  }));
}

function show(board) {
  current = board;
  history.replaceState(null, "", `/d/${board.uid}${location.search}`);
  document.title = board.title;
  document.getElementById("about").textContent = board.description;
  navigation();
  boxes = [];
  place.replaceChildren(...board.panels.map(framed));
  refresh();
}

function framed(panel) {
  if (panel.type === "row") {
    const title = document.createElement("h2");
    title.textContent = panel.title;
    return title;
  }
  const frame = document.createElement("section");
  frame.className = "panel";
  frame.style.gridColumn = `span ${panel.gridPos.w}`;
  frame.style.height = `${panel.gridPos.h * ROW_PX}px`;
  const head = document.createElement("h3");
  head.textContent = panel.title;
  const why = document.createElement("button");
  why.className = "why";
  why.textContent = "?";
  why.title = panel.description;
  why.setAttribute("aria-label", `What ${panel.title} means and what to do`);
  why.onclick = () => frame.classList.toggle("telling");
  head.append(why);
  for (const link of panel.links ?? []) head.append(linked(link));
  const told = document.createElement("p");
  told.className = "told";
  told.textContent = panel.description;
  const body = document.createElement("div");
  body.className = "body";
  frame.append(head, told, body);
  boxes.push([panel, body]);
  return frame;
}

function linked(link) {
  const made = document.createElement("a");
  made.href = link.url.split("?")[0];
  made.textContent = link.title;
  made.onclick = (event) => {
    event.preventDefault();
    show(boards.find((board) => made.pathname === `/d/${board.uid}`));
  };
  return made;
}

async function refresh() {
  if (busy) return;
  busy = true;
  try {
    await choices();
    const time = span(Number(document.getElementById("range").value), settings.scrape_s);
    const marks = await annotations(current, chosen, time);
    await Promise.all(boxes.map(([panel, body]) =>
      series(panel, chosen, time).then((found) => draw(panel, found, time, body, marks), (error) => wrong(body, error))));
    document.getElementById("when").textContent = `as of ${new Date().toTimeString().slice(0, 8)}`;
  } catch (error) {
    document.getElementById("when").textContent = `Prometheus does not answer: ${error.message}`;
  } finally {
    busy = false;
  }
}

async function choices() {
  for (const name of ["pipeline", "instance"]) {
    const values = await get(`/api/v1/label/${name}/values`, { "match[]": "stream_pipeline_state" });
    const box = document.getElementById(name);
    chosen[name] = box.options.length ? box.value : given.get(`var-${name}`) ?? "";
    box.replaceChildren(new Option("all", ""), ...values.map((value) => new Option(value, value)));
    box.value = values.includes(chosen[name]) ? chosen[name] : "";
  }
}

for (const name of ["pipeline", "instance", "range"]) document.getElementById(name).onchange = refresh;
document.onkeydown = (event) => {
  const board = boards[Number(event.key) - 1];
  if (board && !event.ctrlKey && !event.metaKey && !event.altKey) show(board);
};
show(current);
setInterval(refresh, EVERY_MS);
