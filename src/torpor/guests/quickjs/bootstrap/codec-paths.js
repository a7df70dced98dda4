// Where a walk over a value is, told as a path such as `.args[0].when`.

const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** Return the path of the value that was met last; the root is "value". */
export function pathOf(stack) {
  let path = "";
  for (let i = 1; i < stack.length; i++) {
    const { name, names, keys, at } = stack[i];
    if (name === "Instance") {
      i += 1; // { classId, data }: a member of the data is shown as the instance's own
    } else if (name === "Map") {
      i += 2; // an array of pairs
      if (i < stack.length) path += `.get(${shown(stack[i].source[0])})`;
    } else if (name === undefined) {
      const key = (names ?? keys)?.[at - 1];
      path += typeof key === "string" ? member(key) : `[${key ?? at - 1}]`;
    }
  }
  return path || "value";
}

function member(key) {
  return IDENTIFIER.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function shown(key) {
  if (typeof key === "string") return JSON.stringify(key.slice(0, 80));
  return typeof key === "object" || typeof key === "function" ? "…" : String(key);
}
