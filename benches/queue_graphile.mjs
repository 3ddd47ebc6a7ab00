// queue_graphile: how many jobs a second go through graphile-worker, and how soon an idle one starts a job.
//
//     node queue_graphile.mjs NODE_MODULES URL work JOBS WORKERS LOCAL_QUEUE
//     node queue_graphile.mjs NODE_MODULES URL latency JOBS
//
// work: JOBS are added in one call; then WORKERS processes of 24 jobs at once work them off with an empty handler.
// LOCAL_QUEUE: 0, as it comes; or the size of each process's local queue, with ends written in batches, which is its own
// manual's advice for speed. The clock runs from "go" to the last process' end. Prints jobs a second.
// latency: one job at a time at an idle worker, from the call to the handler. Prints median and 99th percentile in ms.
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";

const [modules, url, mode, jobsText, workersText, localText] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "here.js"));
const { makeWorkerUtils, run, runOnce } = require("graphile-worker");
const { Pool } = require("pg");
const jobs = Number(jobsText), workers = Number(workersText), local = Number(localText);
const quiet = new (require("graphile-worker").Logger)(() => () => {});

function newPool() {
  const pool = new Pool({ connectionString: url, max: 4 });
  pool.on("error", () => {});
  pool.on("connect", (client) => client.on("error", () => {}));
  return pool;
}

function preset() {
  const worker = { connectionString: url, concurrentJobs: 24, maxPoolSize: 25, logger: quiet };
  if (local > 0)
    Object.assign(worker, {
      localQueue: { size: local, refetchDelay: { durationMs: 10 } }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
    });
  return { worker };
}

async function work() {
  const pool = newPool();
  await pool.query("drop schema if exists graphile_worker cascade");
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  const specs = JSON.stringify(Array.from({ length: jobs }, (_, id) => ({ identifier: "nothing", payload: { id } })));
  await pool.query("select 1 from graphile_worker.add_jobs(array(select json_populate_recordset(" +
    "null::graphile_worker.job_spec, $1::json)))", [specs]);
  await pool.query("vacuum analyze");
  const children = Array.from({ length: workers }, () =>
    fork(process.argv[1], process.argv.slice(2), { env: { ...process.env, QUEUE_CHILD: "1" } }));
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  const begin = performance.now();
  for (const child of children) child.send("go");
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  const took = performance.now() - begin;
  const { rows } = await pool.query("select count(*)::int as left from graphile_worker._private_jobs");
  if (rows[0].left !== 0) throw new Error(`${rows[0].left} jobs are left`);
  console.log((jobs / took * 1000).toFixed(0));
  for (const child of children) child.kill();
  await utils.release();
  await pool.end();
}

function child() {
  process.on("message", async () => {
    await runOnce({ preset: preset() }, { nothing: async () => {} });
    process.send("done");
  });
  process.send("ready");
}

async function latency() {
  const pool = newPool();
  await pool.query("drop schema if exists graphile_worker cascade");
  const utils = await makeWorkerUtils({ pgPool: pool, logger: quiet });
  await utils.migrate();
  let began, started;
  const runner = await run({ preset: preset() }, { nothing: async () => started(performance.now() - began) });
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const took = [];
  for (let i = 0; i < jobs + 20; i++) {
    const start = new Promise((resolve) => { started = resolve; });
    began = performance.now();
    await utils.addJob("nothing", { id: i });
    const ms = await start;
    if (i >= 20) took.push(ms);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  took.sort((a, b) => a - b);
  console.log(`median\t${took[jobs >> 1].toFixed(3)}\np99\t${took[Math.floor(jobs * 0.99)].toFixed(3)}`);
  await runner.stop();
  await utils.release();
  await pool.end();
}

if (process.env.QUEUE_CHILD) child();
else await (mode === "work" ? work() : latency()).then(() => process.exit(0));
