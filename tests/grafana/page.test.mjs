// What the page asks Prometheus for, and what it makes of the answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { annotations, filled, series, span } from "./queries.js";

const time = { start: 1000, end: 1300, step: 5, rate: 20, range: 300 };
const asked = [];

function answering(result) {
  asked.length = 0;
  globalThis.fetch = async (url) => {
    asked.push(new URL(url, "http://page"));
    return { json: async () => ({ status: "success", data: { result } }) };
  };
}

test("variables stand for everything, or for the one that is chosen", () => {
  const expr = 'rate(x{pipeline=~"$pipeline",instance=~"$instance"}[$__rate_interval]) + y[$__range]';
  assert.equal(filled(expr, { pipeline: "", instance: "" }, time), 'rate(x{pipeline=~".*",instance=~".*"}[20s]) + y[300s]');
  assert.match(filled(expr, { pipeline: "a.b", instance: "h:1" }, time), /pipeline=~"a\\\\\.b",instance=~"h:1"/);
});

test("a rate spans four scrapes at least, and what is not scraped yet is not asked for", () => {
  const made = span(300, 5);
  assert.equal(made.rate, 20);
  assert.equal(made.end - made.start, 300);
  assert.ok(made.end <= Date.now() / 1000 - 5);
});

test("series are called by their legend, and those without a number are left out", async () => {
  answering([
    { metric: { stage: "infer", reason: "not_finite" }, values: [[1000, "1"], [1005, "NaN"]] },
    { metric: { stage: "decode" }, values: [[1000, "NaN"]] },
  ]);
  const panel = { targets: [{ expr: "x", legendFormat: "{{stage}}: {{reason}}", instant: false }] };
  const found = await series(panel, { pipeline: "", instance: "" }, time);
  assert.deepEqual(found.map((one) => one.name), ["infer: not_finite"]);
  assert.equal(asked[0].pathname, "/api/v1/query_range");
});

test("a table asks for now", async () => {
  answering([{ metric: { __name__: "ALERTS", alertname: "StreamPaused" }, value: [1300, "1"] }]);
  const panel = { targets: [{ expr: "ALERTS", legendFormat: "__auto", instant: true }] };
  const found = await series(panel, { pipeline: "", instance: "" }, time);
  assert.deepEqual(found.map((one) => [one.name, one.points]), [["alertname=StreamPaused", [[1300, 1]]]]);
  assert.equal(asked[0].pathname, "/api/v1/query");
});

test("what was there from the start is no mark on the time axis", async () => {
  answering([{ metric: { version: "2" }, values: [[1100, "1"]] }, { metric: { version: "1" }, values: [[1000, "1"]] }]);
  const list = [{ name: "Deploys", expr: "x", iconColor: "blue", titleFormat: "version {{version}}" }];
  const marks = await annotations({ annotations: { list } }, { pipeline: "", instance: "" }, time);
  assert.deepEqual(marks, [{ at: 1100, color: "blue", text: "Deploys: version 2" }]);
});

test("what Prometheus refuses is told in its words", async () => {
  globalThis.fetch = async () => ({ json: async () => ({ status: "error", error: "bad_data: parse error" }) });
  const panel = { targets: [{ expr: "(", legendFormat: "", instant: true }] };
  await assert.rejects(series(panel, { pipeline: "", instance: "" }, time), /parse error/);
});
