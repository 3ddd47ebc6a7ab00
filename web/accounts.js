// accounts: by address, a page at a time; to be searched, and those near their quota. A quota can be changed.
import {get, patch} from "./api.js";
import {byId, bytes, el, number, replace, table} from "./dom.js";

const form = byId("accounts-form"), list = byId("accounts-list"), said = byId("accounts-said");
const MB = 1000000;

function bar(account) {
  if (!account.quota_bytes) return "-";
  const share = account.used_bytes / account.quota_bytes, text = `${Math.round(share * 100)} %`;
  return el("span", {class: share >= 0.95 ? "share full" : share >= 0.8 ? "share nearly" : "share"}, el("meter", {min: 0, max: 1, high: 0.8, value: Math.min(share, 1), "aria-label": `${text} of the quota`}), ` ${text}`);
}

async function setQuota(account, megabytes, dialog) {
  try {
    const now = await patch(`/api/accounts/${encodeURIComponent(account.address)}`, {quota_bytes: Math.round(megabytes * MB)});
    said.textContent = `${now.address}: ${now.quota_bytes ? `quota ${bytes(now.quota_bytes)}` : "no quota"}.`;
    dialog.close();
    showAccounts();
  } catch (error) { dialog.querySelector("[role=status]").textContent = error.message; }
}

function openQuota(account) {
  const dialog = byId("account"), input = el("input", {type: "number", min: 0, step: "any", name: "quota", value: account.quota_bytes / MB, required: true});
  replace(dialog, el("h2", {id: "account-title"}, `Quota of ${account.address}`), el("p", {class: "hint"}, `${bytes(account.used_bytes)} are used.`),
    el("form", {class: "row", onsubmit: (event) => { event.preventDefault(); setQuota(account, Number(input.value), dialog); }},
      el("label", {}, "MB, 0 for none ", input), el("button", {type: "submit"}, "Set"), el("button", {type: "button", onclick: () => dialog.close()}, "Close")),
    el("p", {role: "status"}));
  dialog.addEventListener("close", () => list.querySelector(`[data-key="quota ${CSS.escape(account.address)}"]`)?.focus(), {once: true});
  dialog.showModal();
}

const row = (account) => ({cells: [account.address, number(account.used_messages), bytes(account.used_bytes), account.quota_bytes ? bytes(account.quota_bytes) : "none", bar(account),
  account.administrator ? "administrator" : "", el("button", {type: "button", "aria-label": `Quota of ${account.address}`, "data-key": `quota ${account.address}`, onclick: () => openQuota(account)}, "Quota")]});

export async function showAccounts(cursor = "", before = []) {
  const data = new FormData(form), query = new URLSearchParams({limit: 50});
  for (const [name, value] of [["match", data.get("match").trim()], ["over", data.get("over")], ["after", cursor]]) if (value) query.set(name, value);
  try {
    const page = await get(`/api/accounts?${query}`), accounts = [...before, ...page.accounts];
    if (!accounts.length) return replace(list, el("p", {}, query.has("match") || query.has("over") ? "No such account." : "No accounts."));
    return replace(list, table(`${number(accounts.length)} account${accounts.length === 1 ? "" : "s"}${page.next ? ", and more" : ""}`, ["address", ">messages", ">used", ">quota", "of it", "state", "actions"], accounts.map(row)),
      page.next ? el("button", {type: "button", "data-key": "accounts-more", onclick: () => showAccounts(page.next, accounts)}, "More") : null);
  } catch (error) { return replace(list, el("p", {class: "warning"}, error.message)); }
}

form.addEventListener("submit", (event) => { event.preventDefault(); said.textContent = ""; showAccounts(); });
form.elements.over.addEventListener("change", () => showAccounts());
