import { start } from "workflow/api";

async function noop() {
  "use step";
}

export async function spawnedChild() {
  "use workflow";
  await noop();
}

export async function bodyStartsChild() {
  "use workflow";
  await noop();
  return (await start(spawnedChild, [])).runId;
}

export async function chainLeaf() {
  "use workflow";
  await noop();
}

export async function chainMiddle() {
  "use workflow";
  await noop();
  return (await start(chainLeaf, [])).runId;
}

export async function chainRoot() {
  "use workflow";
  await noop();
  return (await start(chainMiddle, [])).runId;
}
