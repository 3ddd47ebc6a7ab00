// api: the admin API, and the stream of what is new. The browser knows who is there (Basic); nothing is kept here.

async function answer(response) {
  const json = response.headers.get("content-type")?.includes("json") ? await response.json() : null;
  if (response.ok) return json;
  const error = new Error(json?.detail || `${response.status} ${response.statusText}`);
  error.status = response.status;
  throw error;
}

// Where the address has a name and password in it, a path alone would take them along, which fetch refuses.
const at = (path) => location.origin + path;

export async function get(path) {
  return answer(await fetch(at(path), {headers: {accept: "application/json"}, cache: "no-store"}));
}

async function send(method, path, body) {
  return answer(await fetch(at(path), {method, headers: {"content-type": "application/json"}, body: JSON.stringify(body)}));
}
export const post = (path, body = {}) => send("POST", path, body);
export const patch = (path, body) => send("PATCH", path, body);

const POLL_MS = 2000, HIDDEN_MS = 10000;

// Calls heard(status) with each new status, alive(at) while it stays as it is, and quiet(why) when none can be had.
export function follow(heard, alive, quiet) {
  let source = null, last = 0;
  const take = (status) => { last = Date.now(); heard(status); };
  const poll = async () => {
    try { take(await get("/api/status")); } catch (error) { quiet(error.message); }
  };
  const listen = () => {
    if (source || document.hidden) return; // an answer that was slow: another has opened it
    source = new EventSource(at("/api/events"));
    source.addEventListener("status", (event) => take(JSON.parse(event.data)));
    source.addEventListener("alive", (event) => { last = Date.now(); alive(JSON.parse(event.data).at); });
    source.addEventListener("trouble", (event) => { last = Date.now(); quiet(JSON.parse(event.data).detail); });
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) source = null; };
  };
  const hangUp = () => { source?.close(); source = null; };
  poll().then(listen);
  setInterval(() => {
    // A page that nobody sees holds no stream: a browser has six connections to a host for all of its tabs.
    if (document.hidden) {
      hangUp();
      if (Date.now() - last > HIDDEN_MS) poll();
      return;
    }
    // A stream that says nothing for long is as good as none.
    if (Date.now() - last > 3 * POLL_MS) hangUp();
    if (!source) poll().then(listen);
  }, POLL_MS);
}
