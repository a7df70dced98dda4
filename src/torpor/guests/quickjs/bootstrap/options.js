// Options that authors give by name. One that nobody reads is a mistake, a misspelt name most often, and is told.

/**
 * Return options, an empty object when none are given.
 *
 * `what` names the function in the error, `names` are those that it has. Throws TypeError when `options` is no object
 * or has others.
 */
export function knownOptions(what, options, names) {
  if (options === undefined) return {};
  if (typeof options !== "object" || options === null || Array.isArray(options)) {
    const given = options === null ? "null" : Array.isArray(options) ? "an array" : `a ${typeof options}`;
    throw new TypeError(`${what} takes options as an object, such as { ${names[0]}: … }, not ${given}`);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return options;
  throw new TypeError(`${what}: there is no option ${unknown}; ${known(names)}`);
}

function known(names) {
  return names.length === 1 ? `the only one is ${names[0]}` : `there are ${names.join(", ")}`;
}
