// history: lag, throughput and storage over time, as this page has seen them since it was opened.
import {get} from "./api.js";
import {bytes, duration, number, replace} from "./dom.js";
import {plot} from "./plot.js";

const SEEN_MAX = 1800; // an hour at one status in two seconds
const STEP_MS = 2000;
const STORAGE_MS = 60000;
const STORAGE_MAX = 1000; // accounts; what one answer of the API has

const seen = []; // [{at, lag: Map role → ms, done: Map role → per hour}]
const storage = []; // [[at, bytes], …]
let asked = 0, storageTitle = "Storage: what all accounts use";

const byRole = (status, value, join) => {
  const roles = new Map();
  for (const shard of status.shards) roles.set(shard.role, roles.has(shard.role) ? join(roles.get(shard.role), value(shard)) : value(shard));
  return roles;
};

export function remember(status) {
  if (seen.length && status.at - seen.at(-1).at < STEP_MS) return;
  seen.push({at: status.at, lag: byRole(status, (shard) => shard.lag_ms, Math.max), done: byRole(status, (shard) => shard.done_hour, (a, b) => a + b)});
  if (seen.length > SEEN_MAX) seen.shift();
}

const lines = (what) => [...(seen.at(-1)?.[what].keys() || [])].map((role) => ({name: role, points: seen.map((one) => [one.at, one[what].get(role) || 0])}));

async function measure(at) {
  try {
    const page = await get(`/api/accounts?limit=${STORAGE_MAX}`);
    if (page.next) storageTitle = `Storage: what the first ${number(STORAGE_MAX)} accounts use`;
    const used = page.accounts.reduce((sum, account) => sum + account.used_bytes, 0);
    if (!storage.length) storage.push([seen[0].at, used]);
    storage.push([at, used]);
  } catch { /* a gap is honest; the summary says that there is no answer */ }
}

export function drawHistory(parent, hint) {
  const now = seen.at(-1).at;
  if (Date.now() - asked > STORAGE_MS && seen.length > 1) { asked = Date.now(); measure(now); }
  hint.textContent = `Since this page was opened, ${duration(now - seen[0].at)} ago.`;
  replace(parent, plot("Lag: how long the oldest due task waits", lines("lag"), duration, 10000), plot("Tasks done in the last hour", lines("done"), number, 10),
    plot(storageTitle, [{name: "in all", points: storage}], bytes));
}
