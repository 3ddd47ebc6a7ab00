// main: the page: what is new comes by follow(), and each part draws itself from it.
import {showAccounts} from "./accounts.js";
import {follow, post} from "./api.js";
import {clock, byId, duration, el, number as figure, replace, time} from "./dom.js";
import {columns, drawGrid, nodeWords} from "./grid.js";
import {drawHistory, remember} from "./history.js";
import "./imip.js";
import {keepLooking} from "./reports.js";
import {nameRoles, showTasks, watchTasks} from "./tasks.js";
import {askWithout, drawWhatIf} from "./whatif.js";

const CLOCK_OFF_MS = 5000; // as `rota status`
let status = null;

// The words of the alarm are the status report's: `rota status` prints the same.
function drawAlarm() {
  const alarm = byId("alarm");
  const clocks = status.nodes.filter((node) => node.living && Math.abs(node.clock_ahead_ms) > CLOCK_OFF_MS)
    .map((node) => `the clock of node ${node.node} (${node.host}) is ${duration(Math.abs(node.clock_ahead_ms))} ${node.clock_ahead_ms > 0 ? "ahead of" : "behind"} the store's: set it right`);
  const lines = [...clocks, ...status.unknown.map((role) => role.words), ...status.differing,
    ...(status.differing.length ? ["A table comes into force when all living nodes propose it, or by `rota roles adopt`."] : [])];
  document.title = status.uncovered ? `(!) ${status.uncovered} uncovered · rota` : "rota";
  alarm.hidden = !status.alarm;
  if (alarm.textContent !== (status.alarm || "")) alarm.textContent = status.alarm || "";
  replace(byId("differing"), lines.map((line) => el("p", {class: "warning"}, line)));
}

function drawSummary() {
  const living = status.nodes.filter((node) => node.living).length, all = columns(status).length;
  const dead = status.shards.reduce((sum, shard) => sum + shard.dead, 0);
  const lag = Math.max(0, ...status.shards.map((shard) => shard.lag_ms));
  const item = (text, kind) => el("span", {class: kind || null}, text);
  replace(byId("summary"),
    item(`${living} of ${all} nodes`, living < all && "late"),
    item(status.uncovered ? `${status.uncovered} of ${status.shards.length} shards uncovered` : `all ${status.shards.length} shards covered`, status.uncovered > 0 && "bad"),
    item(lag > 0 ? `lag ${duration(lag)}` : "no lag", lag > 300000 && "late"),
    item(dead ? dead === 1 ? "1 dead letter" : `${figure(dead)} dead letters` : "no dead letters", dead > 0 && "late"));
  byId("key").textContent = `Role table ${status.digest.slice(0, 12)}, epoch ${status.epoch}, as of ${time(status.at)}.`;
}

function heard(news) {
  status = news;
  alive(status.at);
  drawAlarm();
  drawSummary();
  drawGrid(byId("grid"), status, openNode);
  drawWhatIf(byId("what-if-nodes"), columns(status));
  nameRoles(status);
  remember(status);
  drawHistory();
  watchTasks(status);
}

function alive(at) {
  byId("live").className = "dot on";
  byId("live-words").textContent = `live, ${clock(at)}`;
  if (status) status.at = at;
}

function quiet(why) {
  byId("live").className = "dot off";
  byId("live-words").textContent = `no answer${status ? ` since ${clock(status.at)}` : ""}: ${why}`;
}

function fact(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}

function openNode(number) {
  const dialog = byId("node"), node = columns(status).find((one) => one.node === number), said = el("p", {role: "status"});
  const shards = status.shards.filter((shard) => shard.living.includes(number) || shard.taken_over_by.includes(number));
  const ask = (verb, words) => el("button", {type: "button", onclick: async () => {
    try {
      await post(`/api/nodes/${number}/${verb}`);
      said.textContent = words;
    } catch (error) { said.textContent = error.message; }
  }}, verb === "drain" ? "Drain: hand over its work" : "Reload its settings");
  replace(dialog, el("h2", {id: "node-title"}, `node ${number}: ${nodeWords(node)}`),
    el("dl", {}, node.missing ? [] : [fact("host", `${node.host}, pid ${node.pid}`), fact("version", node.version), fact("up", duration(Math.max(0, status.at - node.started_at))),
      fact("lease", node.living ? `${duration(node.lease_until - status.at)} left` : nodeWords(node)), fact("holds", `${node.held} tasks`),
      fact("load", `${node.load.toFixed(2)} on ${node.cores} cores`), fact("longest gap of heartbeats", duration(node.beat_gap_ms)),
      fact("role table", node.differs ? "its file differs from the table in force" : "as in force")],
    fact("works", shards.map((shard) => `${shard.role} ${shard.shard} of ${shard.shards}`).join(", ") || "nothing")),
    said,
    el("div", {class: "row"}, node.living ? [ask("drain", "It hands over, and claims nothing new."), ask("reload", "It reads its settings with the next heartbeat.")] : null,
      el("button", {type: "button", onclick: () => { dialog.close(); askWithout([number]); }}, `What if node ${number} were gone?`),
      el("button", {type: "button", onclick: () => dialog.close()}, "Close")));
  // The grid is drawn anew behind it: the button that opened it is found by its key.
  dialog.addEventListener("close", () => document.querySelector(`[data-key="node-${number}"]`)?.focus(), {once: true});
  dialog.showModal();
}

// What is below the first screen is asked for when the grid is there.
let first = true;
follow((news) => {
  heard(news);
  if (!first) return;
  first = false;
  performance.mark("grid");
  showTasks();
  keepLooking(byId("audit-list"), byId("certificates-list"));
  showAccounts();
}, alive, quiet);
