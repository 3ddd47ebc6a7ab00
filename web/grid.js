// grid: the roster: roles down, nodes across.
import {count, duration, el, number, replace} from "./dom.js";

const NODES_MAX = 400; // of a range like "1-99999" only those that are there are shown
const LAG_LONG_MS = 300000; // as `rota status`: work that waits so long is worth a colour

// "1,4-6" to a test for a node, and the numbers it names.
export function nodesOf(text) {
  const ranges = text === "*" ? [[0, Infinity]] : text.split(",").map((part) => part.split("-").map(Number));
  return ranges.map(([first, last]) => [first, last ?? first]);
}
const names = (ranges, node) => ranges.some(([first, last]) => node >= first && node <= last);

// Those that live, and those that the table names though they have no row.
export function columns(status) {
  const rows = new Map(status.nodes.map((node) => [node.node, node]));
  for (const shard of status.shards)
    for (const [first, last] of nodesOf(shard.nodes))
      for (let node = Math.max(first, 1); node <= last && last < Infinity && rows.size < NODES_MAX; node++)
        if (!rows.has(node)) rows.set(node, {node, living: false, state: "", missing: true});
  return [...rows.values()].sort((a, b) => a.node - b.node);
}

export function nodeWords(node) {
  if (node.missing) return "not running";
  if (node.living) return node.state;
  return node.state === "drained" ? "drained" : "lease has run out";
}
const nodeKind = (node) => (!node.living ? "gone" : node.state === "up" ? "up" : "leaving");

function nodeHead(node, choose) {
  const told = node.living && node.cores > 0;
  return el("th", {scope: "col", class: `node ${nodeKind(node)}`, "data-node": node.node},
    el("button", {type: "button", "data-key": `node-${node.node}`, onclick: () => choose(node.node)},
      el("span", {class: "name"}, `node ${node.node}`),
      el("span", {class: "state"}, nodeWords(node)),
      el("span", {class: "load"}, told ? `load ${node.load.toFixed(1)} of ${node.cores}` : " ")));
}

function shardKind(shard) {
  if (!shard.covered) return shard.taken_over_by.length ? "taken" : "nobody";
  if (shard.dead > 0 || shard.lag_ms > LAG_LONG_MS) return "late";
  return "well";
}

// One shard of a role in one node's column.
function chip(shard, node, many) {
  const takes = shard.taken_over_by.includes(node.node);
  const works = shard.living.includes(node.node);
  const nobody = !takes && shardKind(shard) === "nobody";
  if (works && !shard.in_this_version) return el("span", {class: "chip off"}, el("b", {}, many ? `shard ${shard.shard}` : "all"), el("span", {class: "what"}, "nothing yet"));
  const kind = takes ? "taken" : works ? shardKind(shard) : nobody ? "nobody" : "off";
  const away = nodeKind(node) === "gone" ? "off" : "hands over";
  const words = takes ? "took it over" : works ? (shard.lag_ms > 0 ? `lag ${duration(shard.lag_ms)}` : "no lag") : nobody ? `${away}: NOBODY` : away;
  return el("span", {class: `chip ${kind}`, title: `${shard.role}, shard ${shard.shard} of ${shard.shards}, nodes ${shard.nodes}`},
    el("b", {}, many ? `shard ${shard.shard}` : "all"),
    el("span", {class: "what"}, words),
    works && many ? el("span", {class: "rate"}, `${number(shard.done_hour)}/h`) : null);
}

function roleHead(role, shards) {
  const bad = shards.filter((shard) => !shard.covered);
  return el("th", {scope: "row", class: "role"}, el("span", {class: "name"}, role),
    shards[0].in_this_version ? null : el("span", {class: "hint"}, "not in this version"),
    bad.map((shard) => el("span", {class: shard.taken_over_by.length ? "badge taken" : "badge nobody"},
      shard.taken_over_by.length ? `shard ${shard.shard} of ${shard.shards}: taken over by ${shard.taken_over_by.join(", ")}`
        : `shard ${shard.shard} of ${shard.shards}: NOBODY works (nodes ${shard.nodes})`)));
}

function sums(shards) {
  const lag = Math.max(...shards.map((shard) => shard.lag_ms));
  const sum = (name) => {
    const all = {[name]: 0, [`${name}_at_least`]: false};
    for (const shard of shards) {
      all[name] += shard[name];
      all[`${name}_at_least`] ||= shard[`${name}_at_least`];
    }
    return count(all, name);
  };
  const dead = sum("dead"), failed = shards.reduce((all, shard) => all + shard.failed_hour, 0);
  const cell = (label, text, kind) => el("td", {class: `number ${kind || ""}`, "data-label": label}, text);
  return [cell("lag", lag > 0 ? duration(lag) : "-", lag > LAG_LONG_MS ? "late" : ""), cell("due", sum("due")), cell("running", sum("running")),
    cell("done/h", number(shards.reduce((all, shard) => all + shard.done_hour, 0))), cell("failed/h", number(failed), failed ? "late" : ""),
    cell("dead", dead, dead === "0" ? "" : "late")];
}

export function drawGrid(parent, status, choose) {
  const nodes = columns(status), roles = new Map();
  for (const shard of status.shards) roles.set(shard.role, [...(roles.get(shard.role) || []), shard]);
  if (!status.epoch) {
    replace(parent, el("p", {class: "wait"}, "No node has ever started on this store; `rota serve` starts one."));
    return;
  }
  const rows = [...roles].map(([role, shards]) => el("tr", {"data-role": role, class: shards.some((shard) => shardKind(shard) === "nobody") ? "uncovered" : null},
    roleHead(role, shards),
    nodes.map((node) => el("td", {class: `cell ${nodeKind(node)}`, "data-node": node.node, "data-label": `node ${node.node}`},
      shards.filter((shard) => names(nodesOf(shard.nodes), node.node) && (shard.nodes !== "*" || node.living) || shard.taken_over_by.includes(node.node))
        .map((shard) => chip(shard, node, shards.length > 1)))),
    sums(shards)));
  const heads = ["lag", "due", "running", "done/h", "failed/h", "dead"].map((text) => el("th", {scope: "col", class: "number"}, text));
  replace(parent, el("table", {class: "grid"},
    el("caption", {class: "unseen"}, "The roster: which node works which shards of which role"),
    el("thead", {}, el("tr", {}, el("th", {scope: "col"}, "role"), nodes.map((node) => nodeHead(node, choose)), heads)),
    el("tbody", {}, rows)));
}
