#!/usr/bin/env node
// A step worker: carries out the steps of a project of the Workflow SDK for a Torpor server.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Child } from "./child.mjs";
import { Relay } from "./relay.mjs";
import { OverError, RefusedError, Server } from "./server.mjs";

const HELP = `Usage: torpor-steps [OPTIONS] [PROJECT]

Carry out the steps of a project of the Workflow SDK for a Torpor server,
until told to stop.

PROJECT is the folder with its package.json, by default this one. It is built
by its own compiler first. SIGTERM or Ctrl-C lets running steps end; a second
one ends them.

Options:
  --url URL          The server; else TORPOR_URL.
  --token TOKEN      A token of it with the role "steps"; else TORPOR_TOKEN,
                     which other users of this machine do not see.
  --queues NAMES     Take steps of these queues only, such as gpu,default;
                     default are those of no queue.
  --concurrency N    Steps that are carried out at once, 100 by default.
  --help             Show this.
  --version          Show the version.

Example: TORPOR_TOKEN=tpr_… torpor-steps --url https://torpor.example web
`;
const NO_QUEUE = "default";
const LEAVE_MS_MAX = 60_000;
const BUILD = fileURLToPath(new URL("./build.mjs", import.meta.url));

class UsageError extends Error {}

async function main() {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return;
  const place = placeFor(options.project);
  process.on("exit", () => rmSync(place, { recursive: true, force: true }));
  const stop = stopping();
  await build(options.project, place);
  if (stop.asked.aborted) return;
  const child = new Child(
    options.project,
    join(place, "steps.mjs"),
    (header, body) => relay.fromChild(header, body),
    (how) => {
      console.error(`the process of the steps ${how}; it begins again`);
      relay.childDied(how);
    },
  );
  const relay = new Relay(child);
  process.on("exit", () => child.close());
  const { steps: called } = JSON.parse(readFileSync(join(place, "bundle.json"), "utf8"));
  const steps = [...new Set([...(await child.start()).steps, ...called])]; // what is called and missing fails here
  await work(new Server(options.url, options.token), { ...options.about, steps }, relay, stop.asked);
  console.error("stopped");
}

/** Carry out steps, in one session after the other, until asked to stop. */
async function work(server, about, relay, asked) {
  while (!asked.aborted) {
    let begun;
    try {
      begun = await server.begin(about, asked);
    } catch (error) {
      if (asked.aborted) return;
      throw error;
    }
    const { session, worker } = begun;
    console.error(`step worker ${worker} is at work: ${counted(about.steps)}`);
    const leave = () => {
      console.error(`stopping: ${relay.running} running steps may end`);
      session.leave(LEAVE_MS_MAX).catch((error) => session.end(error)); // who is away gives to others what runs
    };
    asked.addEventListener("abort", leave, { once: true });
    if (asked.aborted) leave();
    try {
      await relay.through(session);
    } catch (error) {
      if (!asked.aborted && !(error instanceof OverError)) throw error;
      if (!asked.aborted) console.error(`what ran is given up: ${error.message}`);
    } finally {
      asked.removeEventListener("abort", leave);
      session.end(new Error("it is over"));
    }
  }
}

/** Return a signal that aborts when this process is to stop; a second wish ends it. */
function stopping() {
  const controller = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort(new Error("stopped"));
      setTimeout(() => process.exit(1), LEAVE_MS_MAX).unref();
    });
  }
  return { asked: controller.signal };
}

/** Build what registers the project's steps into a folder. */
async function build(project, place) {
  const made = spawn(process.execPath, [BUILD, project, place], { cwd: project, stdio: ["ignore", "ignore", "pipe"], detached: true });
  let told = "";
  made.stderr.on("data", (chunk) => (told += chunk));
  const code = await new Promise((done, failed) => made.on("close", done).on("error", failed));
  if (code !== 0) throw new RefusedError(`${project} cannot be built:\n${told.trim().slice(-4000)}`);
}

/** Return a new folder for what is built; in the project, since that imports the project's packages. */
function placeFor(project) {
  const kept = join(project, "node_modules", ".cache", "torpor-steps");
  mkdirSync(kept, { recursive: true });
  return mkdtempSync(join(kept, "built-"));
}

/** Return what the command line asks for, undefined when it was answered here. */
function optionsOf(args) {
  const { values, positionals } = parsed(args);
  if (values.help) {
    process.stdout.write(HELP);
    return undefined;
  }
  if (values.version) {
    console.log(JSON.parse(readFileSync(new URL("./package.json", import.meta.url), "utf8")).version);
    return undefined;
  }
  if (positionals.length > 1) throw new UsageError(`one project at a time, not ${positionals.join(" and ")}`);
  const url = values.url ?? process.env.TORPOR_URL ?? "";
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new UsageError(`say which server, such as --url https://torpor.example${url && `; ${JSON.stringify(url)} is none`}`);
  }
  const token = values.token ?? process.env.TORPOR_TOKEN ?? "";
  if (!token) throw new UsageError("say by which token: TORPOR_TOKEN or --token; `torpor tokens create --role steps` makes one");
  const project = resolve(positionals[0] ?? ".");
  if (!existsSync(join(project, "package.json"))) throw new UsageError(`${project} is no project of the Workflow SDK: it has no package.json`);
  return { url, token, project, about: { queues: queuesOf(values.queues), concurrency: numberOf(values.concurrency) } };
}

function parsed(args) {
  try {
    return parseArgs({
      args,
      allowPositionals: true,
      options: {
        url: { type: "string" },
        token: { type: "string" },
        queues: { type: "string" },
        concurrency: { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    });
  } catch (error) {
    throw new UsageError(error.message);
  }
}

function queuesOf(text) {
  if (text === undefined) return null;
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new UsageError(`--queues ${text}: names of queues with commas between them, such as gpu,${NO_QUEUE}`);
  return names.map((name) => (name === NO_QUEUE ? "" : name));
}

/** Say how many steps stand in the project itself, and not in a package that it has. */
function counted(steps) {
  const { length } = steps.filter((name) => name.startsWith("step//./") && !name.includes("/node_modules/"));
  return `${length} ${length === 1 ? "step" : "steps"}`;
}

function numberOf(text = "100") {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 10_000) throw new UsageError(`--concurrency ${text}: a number from 1 to 10000`);
  return number;
}

main().then(
  () => process.exit(0),
  (error) => {
    const isTold = error instanceof UsageError || error instanceof RefusedError;
    console.error(`torpor-steps: ${isTold ? error.message : (error.stack ?? error)}`);
    if (error instanceof UsageError) console.error("Try torpor-steps --help.");
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
