// reports: what `rota audit` finds, and the certificates. One that is near its end is told at the top, in the audit's words.
import {get} from "./api.js";
import {byId, duration, el, replace, table, time} from "./dom.js";

const LOOK_MS = 600000;
// Of what the audit finds: what breaks TLS for everybody, soon or now.
const LOUD = ["certificate-ends", "certificate-unusable", "certificate-failing"];

function drawLoud(findings) {
  const parent = byId("certificates-alarm"), loud = findings.filter((finding) => LOUD.includes(finding.name) && finding.severity !== "note");
  parent.hidden = !loud.length;
  replace(parent, loud.map((finding) => el("p", {}, finding.what, " ", el("a", {href: "#certificates"}, "Certificates"))));
}

export async function showAudit(parent) {
  const again = el("button", {type: "button", "data-key": "audit-again", onclick: () => showAudit(parent)}, "Look again");
  try {
    const audit = await get("/api/audit");
    const measured = audit.measured_ms ? `Loads were measured over ${duration(audit.measured_ms)}.` : "No measurement: since this table came into force no node has told what it did; nothing is said about load.";
    replace(parent, el("p", {class: "hint"}, measured),
      audit.findings.length ? el("ul", {class: "findings"}, audit.findings.map((finding) => el("li", {class: finding.severity},
        el("p", {}, el("b", {}, `${finding.severity} ${finding.name}`), `: ${finding.what}`), el("p", {class: "hint"}, finding.advice),
        finding.toml ? el("pre", {}, finding.toml) : null))) : el("p", {}, "Nothing to say."), again);
    drawLoud(audit.findings);
  } catch (error) { replace(parent, el("p", {class: "warning"}, error.message), again); }
}

// As `rota cert list`; a problem is the CA's, with what it is called and what it says.
const problem = (certificate) => !certificate.problem ? certificate.failures ? `${certificate.failures} failures` : "-"
  : typeof certificate.problem === "string" ? certificate.problem : certificate.problem.detail || certificate.problem.title || certificate.problem.type || JSON.stringify(certificate.problem);
const late = {over: "bad", none: "late", due: "late"};

export async function showCertificates(parent) {
  try {
    const {certificates} = await get("/api/certificates");
    if (!certificates.length) return replace(parent, el("p", {}, "There is no certificate of acme.renew; [acme.NAME] in the settings gets one."));
    return replace(parent, table("Certificates of acme.renew", ["name", "state", "good until", "renewed", "names", "problem"], certificates.map((one) => ({cells: [
      one.name, el("span", {class: late[one.state] || null}, one.state === "none" ? "none yet" : one.state === "due" ? "due for renewal" : one.state),
      one.version ? time(one.not_after) : "-", one.version ? time(one.renew_at) : "-", (one.names.length ? one.names : one.wanted).join(", ") || "-",
      one.problem || one.failures ? [problem(one), el("div", {class: "hint"}, `failed ${one.failures} times, the last ${time(one.failed_at)}`)] : "-"]}))));
  } catch (error) { return replace(parent, el("p", {class: "warning"}, error.message)); }
}

export function keepLooking(audit, certificates) {
  const look = () => { if (!document.hidden) { showAudit(audit); showCertificates(certificates); } };
  look();
  setInterval(look, LOOK_MS);
}
