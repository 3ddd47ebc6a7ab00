// whatif: what `rota plan --without` says.
import {get} from "./api.js";
import {byId, el, number, replace, table} from "./dom.js";

let drawn = "";
export function drawWhatIf(parent, nodes) {
  const key = nodes.map((node) => node.node).join();
  if (key === drawn) return; // what was ticked stays
  drawn = key;
  replace(parent, nodes.map((node) => el("label", {}, el("input", {type: "checkbox", name: "node", value: node.node}), ` node ${node.node}`)));
}

const moved = (role) => role.moves.map((move) => el("li", {}, `${move.before} -> ${move.after}: ${number(move.buckets)} buckets${role.by_account ? `, ${number(move.accounts)} accounts` : ""}`));

function draw(parent, without, plan) {
  const changes = plan.roles.filter((role) => role.buckets > 0), runs = plan.nodes.filter((node) => node.runs_after).length;
  const busy = (us) => (plan.measured_ms ? `${(us / 10 / plan.measured_ms).toFixed(1)} %` : "-");
  replace(parent, el("h3", {}, `Without ${without.map((node) => `node ${node}`).join(", ")}`),
    plan.uncovered.map((shard) => el("p", {class: "alarm"}, `UNCOVERED: ${shard.role} shard ${shard.shard} of ${shard.shards}: of its nodes (${shard.nodes}) none would run`)),
    changes.length ? null : el("p", {}, "Nothing changes hands."),
    changes.length ? table("What changes hands", ["role", "table", "from whom to whom", ">buckets", ">accounts"], changes.map((role) => ({cells: [
      role.role, role.before === role.after ? role.before : `${role.before}  ->  ${role.after}`, el("ul", {class: "plain"}, moved(role)),
      number(role.buckets), role.by_account ? number(role.accounts) : "-"]}))) : null,
    changes.length ? el("p", {}, `In all: ${number(plan.accounts)} of ${number(plan.all_accounts)} accounts change hands for one role or more.`) : null,
    runs === 1 ? el("p", {class: "warning"}, "One node would run: everything hangs on it.")
      : plan.single.map((shard) => el("p", {class: shard.fragile ? "warning" : "hint"},
        `${shard.role} shard ${shard.shard} of ${shard.shards} would hang on node ${shard.node}${shard.fragile ? ": if it fails, this work waits; give the shard a second node" : ""}`)),
    plan.measured_ms ? table("What each node would have to do", [">node", "runs", ">shards", ">busy now", ">busy then"], plan.nodes.map((node) => ({cells: [
      String(node.node), node.runs_after ? (node.runs_before ? "as now" : "then") : node.runs_before ? "now, not then" : "no",
      String(node.shards_after), busy(node.busy_us), busy(node.busy_us_after)]})))
      : el("p", {class: "hint"}, "No measurement: since this table came into force no node has told what it did, so nothing can be said about load."));
}

export async function askWithout(nodes) {
  const parent = byId("what-if-answer");
  for (const box of byId("what-if-nodes").querySelectorAll("input")) box.checked = nodes.includes(Number(box.value));
  byId("what-if").scrollIntoView();
  try {
    draw(parent, nodes, await get(`/api/plan?without=${nodes.join(",")}`));
  } catch (error) { replace(parent, el("p", {class: "warning"}, error.message)); }
}

byId("what-if-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const nodes = new FormData(event.target).getAll("node").map(Number);
  if (nodes.length) askWithout(nodes);
  else replace(byId("what-if-answer"), el("p", {class: "hint"}, "Choose the nodes first."));
});
