// queue_plainjob: how many jobs a second go through plainjob, a queue on SQLite for Node, made durable.
//
//     node queue_plainjob.mjs NODE_MODULES FILE JOBS BATCH
//
// JOBS are added, BATCH in a transaction (addMany), then one worker with an empty handler works them off;
// synchronous=FULL. Prints jobs a second of both together.
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, file, jobsText, batchText] = process.argv.slice(2);
const jobs = Number(jobsText), batch = Number(batchText);
const require = createRequire(path.join(path.resolve(modules), "here.js"));
const Database = require("better-sqlite3");
const plainjob = await import(pathToFileURL(require.resolve("plainjob")));

const quiet = { error: console.error, warn: console.warn, info() {}, debug() {} };
const connection = plainjob.better(new Database(file));
const queue = plainjob.defineQueue({ connection, logger: quiet });
connection.pragma("synchronous = FULL");

const begin = performance.now();
for (let at = 0; at < jobs; at += batch) {
  const count = Math.min(batch, jobs - at);
  queue.addMany("bench", Array.from({ length: count }, (_, i) => ({ id: at + i })));
}
let done = 0;
const all = new Promise((resolve) => {
  const handler = async () => {
    done += 1;
    if (done === jobs) resolve();
  };
  plainjob.defineWorker("bench", handler, { queue, logger: quiet }).start();
});
await all;
while (queue.countJobs({ status: plainjob.JobStatus?.Done ?? 2 }) !== jobs)
  await new Promise((resolve) => setTimeout(resolve, 1));
console.log((jobs / (performance.now() - begin) * 1000).toFixed(0));
process.exit(0);
