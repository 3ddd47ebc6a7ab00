// queue_pgboss: how many jobs a second go through pg-boss, and how soon an idle one starts a job.
//
//     node queue_pgboss.mjs NODE_MODULES URL work JOBS WORKERS BATCH
//     node queue_pgboss.mjs NODE_MODULES URL latency JOBS
//
// work: JOBS are inserted, 10,000 in a call, into a queue with a partition of its own; then WORKERS processes fetch and
// complete BATCH at a time in a loop without pause, which is faster than its work(). The clock runs from "go" to the last
// job's end. Prints jobs a second.
// latency: one job at a time at an idle worker that listens, from the call to the handler. Prints median and 99th
// percentile in ms.
import { fork } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, url, mode, jobsText, workersText, batchText] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(modules), "here.js"));
const { PgBoss } = await import(pathToFileURL(require.resolve("pg-boss")));
const { Pool } = require("pg");
const jobs = Number(jobsText), workers = Number(workersText), batch = Number(batchText);
const QUEUE = "bench";

async function start(options = {}) {
  const boss = new PgBoss({ connectionString: url, max: 10, ...options });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  return boss;
}

async function fresh() {
  const pool = new Pool({ connectionString: url, max: 2 });
  await pool.query("drop schema if exists pgboss cascade");
  return pool;
}

async function work() {
  const pool = await fresh();
  const boss = await start();
  await boss.createQueue(QUEUE, { partition: true });
  for (let at = 0; at < jobs; at += 10000)
    await boss.insert(QUEUE, Array.from({ length: Math.min(10000, jobs - at) }, (_, i) => ({ data: { id: at + i } })));
  await pool.query("vacuum analyze");
  let done = 0, finish;
  const all = new Promise((resolve) => { finish = resolve; });
  const children = Array.from({ length: workers }, () =>
    fork(process.argv[1], process.argv.slice(2), { env: { ...process.env, QUEUE_CHILD: "1" } }));
  await Promise.all(children.map((child) => new Promise((resolve) => child.once("message", resolve))));
  for (const child of children)
    child.on("message", (count) => { if ((done += count) >= jobs) finish(); });
  const begin = performance.now();
  for (const child of children) child.send("go");
  await all;
  console.log((jobs / (performance.now() - begin) * 1000).toFixed(0));
  for (const child of children) child.kill();
}

async function child() {
  const boss = await start();
  process.on("message", async () => {
    for (;;) {
      const fetched = await boss.fetch(QUEUE, { batchSize: batch });
      if (fetched.length === 0) break;
      await boss.complete(QUEUE, fetched.map((job) => job.id));
      process.send(fetched.length);
    }
  });
  process.send("ready");
}

async function latency() {
  await fresh();
  const boss = await start({ useListenNotify: true });
  await boss.createQueue(QUEUE, { notify: true });
  let began, started;
  await boss.work(QUEUE, { pollingIntervalSeconds: 2 }, async () => started(performance.now() - began));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const took = [];
  for (let i = 0; i < jobs + 20; i++) {
    const begun = new Promise((resolve) => { started = resolve; });
    began = performance.now();
    await boss.send(QUEUE, { id: i });
    const ms = await begun;
    if (i >= 20) took.push(ms);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  took.sort((a, b) => a - b);
  console.log(`median\t${took[jobs >> 1].toFixed(3)}\np99\t${took[Math.floor(jobs * 0.99)].toFixed(3)}`);
}

if (process.env.QUEUE_CHILD) await child();
else await (mode === "work" ? work() : latency()).then(() => process.exit(0));
