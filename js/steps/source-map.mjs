// What remains of a source map: for each line of the bundle the author's file and line. The engine's columns are left out,
// since a bundle that is not minified has a statement a line.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const VALUE_OF = new Map([...DIGITS].map((digit, value) => [digit, value]));
const COMMENT = /\n?\/\/# sourceMappingURL=data:application\/json;(?:charset=[^;]+;)?base64,([A-Za-z0-9+/=]+)\s*$/;

/** Return a bundle without its inline map, and the map, undefined where it has none. */
export function withoutMap(code) {
  const found = COMMENT.exec(code);
  if (found === null) return { code, map: undefined };
  return { code: code.slice(0, found.index), map: JSON.parse(Buffer.from(found[1], "base64").toString("utf8")) };
}

/** Return `[source, line]` for each line of the generated text, both from 0, and null where nothing is known. */
export function linesOf({ mappings }) {
  let source = 0;
  let line = 0;
  return mappings.split(";").map((text) => {
    let first = null;
    for (const segment of text.split(",")) {
      const [, sourceDelta, lineDelta] = numbersIn(segment);
      if (sourceDelta === undefined) continue;
      source += sourceDelta;
      line += lineDelta;
      first ??= [source, line];
    }
    return first;
  });
}

function numbersIn(segment) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const digit of segment) {
    const bits = VALUE_OF.get(digit);
    value += (bits & 31) << shift;
    shift += 5;
    if (bits & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return numbers;
}
