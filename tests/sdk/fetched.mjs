// Makes of what `@workflow/world-testing` has built what Torpor's own build of a project makes, text for text:
// `node fetched.mjs PACKAGE SOURCE_MAP_MODULE OUT`.

import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [from, sourceMap, out] = process.argv.slice(2);
const { linesOf, withoutMap } = await import(pathToFileURL(sourceMap).href);
const built = join(from, "dist", ".well-known", "workflow", "v1");
const flow = readFileSync(join(built, "flow.mjs"), "utf8");
const [, text] = /\b(?:const|var) workflowCode = (`(?:\\[\s\S]|[^\\`])*`);/.exec(flow);
const { code, map } = withoutMap(Function(`return ${text}`)());
const manifest = JSON.parse(readFileSync(join(built, "manifest.json"), "utf8"));
const ids = (kind, key) => Object.values(manifest[kind]).flatMap((file) => Object.values(file).map((each) => each[key]));
mkdirSync(out, { recursive: true });
copyFileSync(join(built, "step.mjs"), join(out, "steps.mjs"));
const { version } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
const bundle = {
  version,
  code,
  sources: map?.sources ?? [],
  lines: map === undefined ? [] : linesOf(map),
  workflows: ids("workflows", "workflowId"),
  steps: ids("steps", "stepId"),
  outside: {},
};
writeFileSync(join(out, "bundle.json"), JSON.stringify(bundle));
