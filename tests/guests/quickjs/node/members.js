// Returns the globals of whoever evaluates this, with their own members and those of their prototypes: `URL`, `URL.parse`,
// `URL.prototype.href`. What every function has, and the members of some, do not count.

const EVERYWHERE = ["length", "name", "prototype", "arguments", "caller", "constructor"];
const WITHOUT_MEMBERS = ["console", "global", "globalThis", "process", "Buffer", "navigator"];
const membersOf = (object) => Object.getOwnPropertyNames(object).filter((name) => !EVERYWHERE.includes(name));
const found = [];
for (const name of Object.getOwnPropertyNames(globalThis)) {
  found.push(name);
  const value = WITHOUT_MEMBERS.includes(name) ? undefined : globalThis[name];
  if (value === null || (typeof value !== "object" && typeof value !== "function")) continue;
  for (const each of membersOf(value)) found.push(`${name}.${each}`);
  if (typeof value !== "function" || !value.prototype) continue;
  for (const each of membersOf(value.prototype)) found.push(`${name}.prototype.${each}`);
}
return found.filter((each) => !each.startsWith("_")).sort();
