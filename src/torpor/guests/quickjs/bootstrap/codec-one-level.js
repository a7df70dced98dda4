// Reading the form in which the npm package writes its own types: `["Date", "1970-…"]`, not `[["Date", 1], "1970-…"]`.
//
// An entry's type is [name, index of the payload]. The package's built-in types put what they consist of into that same
// array. Here it is turned into the first form by appending a payload, so that entries never hear of the second.

const { isArray } = Array;

/** Append the payload of a named array to `flat` and return its index; undefined if it is an index already. */
export function oneLevelPayload([name, ...operands], flat) {
  const [first, second, third] = operands;
  const append = (value) => flat.push(value) - 1;
  const isIndex = operands.length === 1 && typeof first === "number";
  if (isIndex && !(name === "Set" && isMember(flat[first]))) return undefined;
  if (name === "RegExp" && operands.length <= 2) return append({ source: append(first), flags: append(second ?? "") });
  if (name === "Set") return append(operands);
  if (name === "Map" && operands.length % 2 === 0) {
    const pairs = [];
    for (let at = 0; at < operands.length; at += 2) pairs.push(append([operands[at], operands[at + 1]]));
    return append(pairs);
  }
  if ((name.endsWith("Array") || name === "DataView") && operands.length === 3) {
    return append({ buffer: first, offset: append(second), length: append(third) });
  }
  if (operands.length === 1 && typeof first === "string") return append(first);
  throw new SyntaxError(`this is not devalue text, or it was damaged: ${name} of ${JSON.stringify(operands)}`);
}

// A Set of one member looks like a payload's index; a payload would be a plain array.
function isMember(value) {
  return !isArray(value) || typeof value[0] === "string";
}
