// history: lag, throughput and storage over time, as metrics.calculate keeps them; the last minutes of lag come live.
import {get} from "./api.js";
import {byId, bytes, duration, el, number, replace} from "./dom.js";
import {plot} from "./plot.js";

const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
// What can be chosen: how far back, and which of the steps that are kept.
const SPANS = {hour: [HOUR, MINUTE], "6 hours": [6 * HOUR, MINUTE], "2 days": [2 * DAY, HOUR], "4 weeks": [28 * DAY, HOUR], year: [365 * DAY, DAY]};
const STEP_WORDS = {[MINUTE]: "a minute", [HOUR]: "an hour", [DAY]: "a day"};
const SEEN_MAX = 300; // ten minutes at one status in two seconds: what no round has kept yet
const SEEN_MS = 2000;

const seen = []; // [{at, lag: Map role → ms}]
const chosen = byId("history-span"), hint = byId("history-hint"), parent = byId("plots");
let kept = null, asked = 0, why = "";

const byRole = (status) => {
  const roles = new Map();
  for (const shard of status.shards) roles.set(shard.role, Math.max(roles.get(shard.role) || 0, shard.lag_ms));
  return roles;
};

export function remember(status) {
  if (seen.length && status.at - seen.at(-1).at < SEEN_MS) return;
  seen.push({at: status.at, lag: byRole(status)});
  if (seen.length > SEEN_MAX) seen.shift();
}

// Of a series the lines by its label.
async function ask(series, from, to, step) {
  const answer = await get(`/api/metrics/history?series=${series}&from=${from}&to=${to}&step=${step}`);
  return answer.series.map((one) => ({name: one.value || "in all", points: one.points}));
}

async function load() {
  const [span, step] = SPANS[chosen.value], to = seen.at(-1).at, want = (series) => ask(series, to - span, to, step);
  asked = Date.now();
  try {
    const [lag, done, storage] = await Promise.all([want("lag_ms"), want("tasks_done"), want("bytes")]);
    kept = {lag, done, storage, step, to};
    why = "";
  } catch (error) { why = error.message; }
  draw();
}

// What is kept, and after its last point what this page has seen.
function lagLines() {
  const lines = new Map((kept?.lag || []).map((line) => [line.name, [...line.points]]));
  for (const one of seen)
    for (const [role, lag] of one.lag) {
      const points = lines.get(role) || lines.set(role, []).get(role);
      if (!points.length || one.at > points.at(-1)[0]) points.push([one.at, lag]);
    }
  return [...lines].map(([name, points]) => ({name, points}));
}

function draw() {
  const step = kept?.step || MINUTE;
  hint.textContent = why || "By metrics.calculate, each minute. " + (kept && !kept.storage.length ? "It has kept nothing of that time yet." : `A point is ${STEP_WORDS[step]}; of lag the longest.`);
  replace(parent, plot("Lag: how long the oldest due task waits", lagLines(), duration, 10000), plot(`Tasks done in ${STEP_WORDS[step]}`, kept?.done || [], number, 10),
    plot("Storage: what all accounts use", kept?.storage || [], bytes));
}

export function drawHistory() {
  if (Date.now() - asked > Math.max(MINUTE, SPANS[chosen.value][1] / 6)) load();
  draw();
}

chosen.append(...Object.keys(SPANS).map((name) => el("option", {value: name}, name)));
chosen.addEventListener("change", load);
