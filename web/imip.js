// imip: what was done with an account's invitations, and why; as `rota imip log`.
import {get} from "./api.js";
import {byId, el, number, replace, table, time} from "./dom.js";

const form = byId("imip-form"), list = byId("imip-list");
const LATE = ["refused", "failed"];

function row(entry) {
  const event = entry.recurrence ? `${entry.uid} ${entry.recurrence}` : entry.uid, again = entry.uncertain ? ` (sent again ${number(entry.uncertain)} times)` : "";
  return {class: LATE.includes(entry.outcome) ? "late" : null, cells: [time(entry.at), entry.way, entry.method || "-", entry.outcome + again, entry.sender || entry.recipient || "-", event || "-", entry.why || "-"]};
}

async function showImip(account, cursor = "", before = []) {
  try {
    const page = await get(`/api/accounts/${encodeURIComponent(account)}/imip?limit=50${cursor ? `&after=${encodeURIComponent(cursor)}` : ""}`), entries = [...before, ...page.invitations];
    if (!entries.length) replace(list, el("p", {}, "No invitation has come or gone."));
    else replace(list, table(`${number(entries.length)} of ${account}${page.next ? ", and more" : ""}`, ["time", "way", "method", "outcome", "from or to", "event", "why"], entries.map(row)),
      page.next ? el("button", {type: "button", "data-key": "imip-more", onclick: () => showImip(account, page.next, entries)}, "More") : null);
  } catch (error) { replace(list, el("p", {class: "warning"}, error.message)); }
}

form.addEventListener("submit", (event) => { event.preventDefault(); showImip(form.elements.account.value.trim()); });
