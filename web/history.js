// history: lag, throughput and storage over time: from the cluster's history where it has one, and what this page has seen since.
import {get} from "./api.js";
import {bytes, duration, number, replace} from "./dom.js";
import {plot} from "./plot.js";

const SEEN_MAX = 1800; // an hour at one status in two seconds
const ASK_MS = 60000;
const SPAN_MS = 6 * 3600 * 1000;

const seen = []; // [{at, lag: Map role → ms, done: Map role → per hour}]
let stored = null, asked = 0, why = "";

const byRole = (status, value, join) => {
  const roles = new Map();
  for (const shard of status.shards) roles.set(shard.role, roles.has(shard.role) ? join(roles.get(shard.role), value(shard)) : value(shard));
  return roles;
};

export function remember(status) {
  seen.push({at: status.at, lag: byRole(status, (shard) => shard.lag_ms, Math.max), done: byRole(status, (shard) => shard.done_hour, (a, b) => a + b)});
  if (seen.length > SEEN_MAX) seen.shift();
}

const lines = (what) => [...(seen.at(-1)?.[what].keys() || [])].map((role) => ({name: role, points: seen.map((one) => [one.at, one[what].get(role) || 0])}));

async function ask() {
  const to = Date.now();
  try {
    stored = await get(`/api/metrics/history?from=${to - SPAN_MS}&to=${to}`);
    why = "";
  } catch (error) { why = error.status === 404 ? "" : error.message; }
}

const storedLines = (test, name) => (stored?.series || []).filter((one) => test(one.name)).map((one) => ({name: name(one), points: one.points}));

export function drawHistory(parent, hint) {
  if (Date.now() - asked > ASK_MS) { asked = Date.now(); ask(); }
  const storage = storedLines((name) => name === "bytes", () => "bytes");
  hint.textContent = why || (seen.length > 1 ? `Since this page was opened, ${duration(seen.at(-1).at - seen[0].at)} ago.` : "Since this page was opened.");
  replace(parent, plot("Lag: how long the oldest due task waits", lines("lag"), duration), plot("Done in the last hour", lines("done"), number),
    storage.length ? plot("Storage", storage, bytes) : "");
}
