// Builds a project of the Workflow SDK by the project's own compiler: `node build.mjs PROJECT OUT`.
//
// OUT gets `steps.mjs`, which registers the steps when Node imports it, and `bundle.json`: the workflow bundle, which
// registers the workflows in Torpor's JavaScript guest; what is in both; and the author's lines of the bundle's.

import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { importFrom, packageFolder, packageInfo } from "./packages.mjs";
import { linesOf, withoutMap } from "./source-map.mjs";

const [project, out] = process.argv.slice(2).map((path) => resolve(path));
const STEPS = join(out, "steps.mjs");
const FLOW = join(out, "flow.mjs");
const WORKFLOW_CODE = /\bconst workflowCode = (`(?:\\[\s\S]|[^\\`])*`);/;

const USE_STEP = /Symbol\.for\("WORKFLOW_USE_STEP"\)\]\(("(?:[^"\\]|\\.)*")/g;
const FOREIGN = /\.py\/\//; // a step in Python, which its application has

console.log = console.info = console.error; // what the compiler tells is no output of this

mkdirSync(out, { recursive: true });
const manifest = await compile();
const { code, map } = withoutMap(workflowCode());
const sources = (map?.sources ?? []).map(sourcePath);
const bundle = {
  version: packageInfo(packageFolder(project, "workflow")).version,
  code,
  sources: sources.map((path) => authorsName(path)),
  lines: map === undefined ? [] : linesOf(map),
  workflows: idsIn(manifest.workflows, "workflowId"),
  steps: [...new Set([...idsIn(manifest.steps, "stepId"), ...stepsIn(code)])].sort(),
  outside: outside([...sources, ...stepSources()]),
};
writeFileSync(join(out, "bundle.json.part"), JSON.stringify(bundle));
renameSync(join(out, "bundle.json.part"), join(out, "bundle.json"));
rmSync(FLOW);

async function compile() {
  const { BaseBuilder } = await importFrom(project, "@workflow/builders");
  class Builder extends BaseBuilder {
    async build() {
      const files = { inputFiles: await this.getInputFiles(), tsconfigPath: await this.findTsConfigPath() };
      const steps = await this.createStepsBundle({ ...files, outfile: STEPS, format: "esm" });
      const flow = await this.createWorkflowsBundle({ ...files, outfile: FLOW, format: "esm", bundleFinalOutput: false });
      const made = [steps.manifest ?? {}, flow.manifest ?? {}];
      return {
        steps: Object.assign({}, ...made.map(({ steps }) => steps)),
        workflows: Object.assign({}, ...made.map(({ workflows }) => workflows)),
      };
    }
  }
  return new Builder({
    buildTarget: "standalone",
    dirs: ["."],
    workingDir: project,
    watch: false,
    sourcemap: "inline",
    stepsBundlePath: STEPS,
    workflowsBundlePath: FLOW,
    webhookBundlePath: join(out, "webhook.mjs"),
  }).build();
}

/** Return the text that the compiler's module hands to the SDK's own VM. */
function workflowCode() {
  const found = WORKFLOW_CODE.exec(readFileSync(FLOW, "utf8"));
  if (found === null) {
    throw new Error("this version of the Workflow SDK builds workflows in a form that Torpor does not know; versions 4.8 and 5 are known");
  }
  return Function(`return ${found[1]}`)();
}

function idsIn(entries = {}, key) {
  return [...new Set(Object.values(entries).flatMap((file) => Object.values(file).map((each) => each[key])))].sort();
}

/** Return the ids of the steps that the bundle calls; the manifest has those of one name in a file once. */
function stepsIn(code) {
  return [...code.matchAll(USE_STEP)].map(([, text]) => JSON.parse(text)).filter((id) => !FOREIGN.test(id));
}

function sourcePath(source) {
  return isAbsolute(source) ? source : resolve(project, source);
}

function authorsName(path) {
  const name = relative(project, path).replaceAll("\\", "/");
  return name.startsWith("../") ? path : `./${name}`;
}

function stepSources() {
  const { map } = withoutMap(readFileSync(STEPS, "utf8"));
  return (map?.sources ?? []).map((source) => (isAbsolute(source) ? source : resolve(dirname(STEPS), source)));
}

/** Return the state of the files that were built from beside the project's own. */
function outside(paths) {
  const found = {};
  for (const path of paths) {
    if (!relative(project, path).startsWith("..")) continue;
    const state = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (state !== undefined) found[path] = `${state.mtimeNs}-${state.size}`;
  }
  return found;
}
