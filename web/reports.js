// reports: what `rota audit` finds, and the accounts.
import {get} from "./api.js";
import {bytes, duration, el, number, replace, table} from "./dom.js";

export async function showAudit(parent) {
  const again = el("button", {type: "button", "data-key": "audit-again", onclick: () => showAudit(parent)}, "Look again");
  try {
    const audit = await get("/api/audit");
    const measured = audit.measured_ms ? `Loads were measured over ${duration(audit.measured_ms)}.` : "No measurement: since this table came into force no node has told what it did; nothing is said about load.";
    replace(parent, el("p", {class: "hint"}, measured),
      audit.findings.length ? el("ul", {class: "findings"}, audit.findings.map((finding) => el("li", {class: finding.severity},
        el("p", {}, el("b", {}, `${finding.severity} ${finding.name}`), `: ${finding.what}`), el("p", {class: "hint"}, finding.advice),
        finding.toml ? el("pre", {}, finding.toml) : null))) : el("p", {}, "Nothing to say."), again);
  } catch (error) { replace(parent, el("p", {class: "warning"}, error.message), again); }
}

function bar(account) {
  if (!account.quota_bytes) return "-";
  const share = account.used_bytes / account.quota_bytes, text = `${Math.round(share * 100)} %`;
  return el("span", {class: share > 0.95 ? "share full" : share > 0.8 ? "share nearly" : "share"}, el("meter", {min: 0, max: 1, high: 0.8, value: Math.min(share, 1), "aria-label": `${text} of the quota`}), ` ${text}`);
}

// A page of them at a time, by address, as the API has them.
export async function showAccounts(parent, cursor = "", before = []) {
  try {
    const page = await get(`/api/accounts?limit=50${cursor ? `&after=${encodeURIComponent(cursor)}` : ""}`), accounts = [...before, ...page.accounts];
    replace(parent, table(`${number(accounts.length)} accounts${page.next ? ", and more" : ""}`, ["address", ">messages", ">used", ">quota", "of it", "state"],
      accounts.map((account) => ({cells: [account.address, number(account.used_messages), bytes(account.used_bytes), account.quota_bytes ? bytes(account.quota_bytes) : "none", bar(account),
        account.deleted_at ? "deleted" : account.administrator ? "administrator" : ""]}))),
    page.next ? el("button", {type: "button", "data-key": "accounts-more", onclick: () => showAccounts(parent, page.next, accounts)}, "More") : null);
  } catch (error) { replace(parent, el("p", {class: "warning"}, error.message)); }
}
