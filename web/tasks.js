// tasks: dead letters first: why, retry, drop; as `rota tasks`.
import {get, post} from "./api.js";
import {byId, el, number, replace, table, time} from "./dom.js";

const form = byId("tasks-form"), said = byId("tasks-said"), list = byId("tasks-list");
const LIMIT = 100;
let dead = null;

export function nameRoles(status) {
  const select = form.elements.role, roles = [...new Set(status.shards.map((shard) => shard.role))];
  if (select.options.length === roles.length + 1) return;
  const chosen = select.value;
  select.replaceChildren(el("option", {value: ""}, "all"), ...roles.map((role) => el("option", {value: role}, role)));
  select.value = chosen;
}

// The list is asked for again when the number of dead letters changes.
export function watchTasks(status) {
  const now = status.shards.reduce((sum, shard) => sum + shard.dead, 0);
  if (dead !== null && dead !== now) showTasks();
  dead = now;
}

async function act(task, verb) {
  if (verb === "drop" && !confirm(`Drop ${task.id}? Its work is then not done.`)) return;
  try {
    await post(`/api/tasks/${encodeURIComponent(task.id)}/${verb}`);
    said.textContent = verb === "drop" ? `${task.id} is dropped.` : `${task.id} is tried again.`;
  } catch (error) { said.textContent = error.message; }
  showTasks();
}

async function why(task, place) {
  try {
    const answer = await get(`/api/tasks/${encodeURIComponent(task.id)}/why`);
    replace(place, el("ul", {}, answer.why.map((line) => el("li", {}, line))));
  } catch (error) { replace(place, el("p", {class: "warning"}, error.message)); }
}

function row(task) {
  const place = el("div", {class: "why", "aria-live": "polite"}), button = (words, run) => el("button", {type: "button", "aria-label": `${words} ${task.id}`, "data-key": `${words} ${task.id}`, onclick: run}, words);
  const when = task.state === "dead" ? task.buried_at : task.state === "running" ? task.claimed_at : task.due_at;
  return {class: task.state, cells: [[task.id, place], `${task.shard} of ${task.shards}`, time(when), number(task.attempts), task.error || "-",
    el("span", {class: "row"}, button("Why", () => why(task, place)), task.state === "running" ? null : [button("Retry", () => act(task, "retry")), button("Drop", () => act(task, "drop"))])]};
}

export async function showTasks() {
  const data = new FormData(form), role = data.get("role"), state = data.get("state");
  try {
    const answer = await get(`/api/tasks?state=${state}&limit=${LIMIT}${role ? `&role=${encodeURIComponent(role)}` : ""}`);
    const words = form.elements.state.selectedOptions[0].textContent, when = {dead: "buried", running: "claimed"}[state] || "due";
    if (!answer.tasks.length) replace(list, el("p", {}, state === "dead" ? "No dead letters." : `No tasks that are ${words}.`));
    else replace(list, table(`${answer.more ? `The first ${LIMIT}` : number(answer.tasks.length)} ${words}`, ["task", "shard", when, ">attempts", "last error", "actions"], answer.tasks.map(row)));
  } catch (error) { replace(list, el("p", {class: "warning"}, error.message)); }
}

form.addEventListener("submit", (event) => { event.preventDefault(); said.textContent = ""; showTasks(); });
form.elements.state.addEventListener("change", showTasks);
form.elements.role.addEventListener("change", showTasks);
