// Where the packages of a project's Workflow SDK are: found from the project, whoever installed them, and however.

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

/** What leads from `workflow` to a package that a package manager may have put beside its user alone. */
const THROUGH = { "@workflow/builders": ["@workflow/cli"], "@workflow/world": ["@workflow/core"] };

/**
 * Return the folder of a package of the SDK as a project sees it.
 *
 * Throws an Error that says what to install.
 */
export function packageFolder(project, name) {
  let from = installed(project, "workflow");
  if (from === undefined) {
    throw new Error(`${project} has no package "workflow"; run \`npm install workflow\` there`);
  }
  if (name === "workflow") return from;
  for (const next of [...(THROUGH[name] ?? []), name]) from = installed(from, next) ?? from;
  const found = installed(from, name) ?? installed(project, name);
  if (found !== undefined) return found;
  throw new Error(`${project}: its package "workflow" comes without ${name}; run \`npm install\` there once more`);
}

/** Return what a package's own file says of it. */
export function packageInfo(folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** Import an entry of a package of the SDK, such as "./serialization", as Node would in the project. */
export async function importFrom(project, name, entry = ".") {
  const folder = packageFolder(project, name);
  const exported = packageInfo(folder).exports?.[entry];
  const target = typeof exported === "string" ? exported : (exported?.node ?? exported?.default);
  if (typeof target !== "string") throw new Error(`${name} in ${folder} has no entry ${entry}`);
  return import(pathToFileURL(join(folder, target)).href);
}

function installed(from, name) {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return realpathSync(found);
    if (dirname(folder) === folder) return undefined;
  }
}
