// Schemas of users, by the interface that they have in common (https://standardschema.dev), or by their `parse`.

const ISSUES_TOLD_MAX = 5;

/**
 * Return a function that makes of a value what the schema wants, or a promise of that; undefined without a schema.
 *
 * The function is called with the value and with what it is of, such as "hook approval-1"; it throws, or its promise
 * rejects with, a TypeError that says what does not fit. Throws TypeError when the schema is none.
 */
export function checker(schema) {
  if (schema === undefined) return undefined;
  const validate = schema?.["~standard"]?.validate;
  if (typeof validate === "function") {
    return (value, what) => {
      const result = validate.call(schema["~standard"], value);
      return result instanceof Promise ? result.then((settled) => outcome(settled, what)) : outcome(result, what);
    };
  }
  if (typeof schema?.parse !== "function") {
    throw new TypeError("a schema is a Standard Schema, as those of Zod and Valibot are, or has a method parse");
  }
  return (value, what) => {
    try {
      return schema.parse(value);
    } catch (cause) {
      throw new TypeError(`${what}: the payload does not fit its schema: ${cause?.message ?? cause}`, { cause });
    }
  };
}

function outcome({ value, issues }, what) {
  if (issues === undefined) return value;
  const told = issues.slice(0, ISSUES_TOLD_MAX).map(described);
  if (issues.length > told.length) told.push(`and ${issues.length - told.length} more`);
  throw new TypeError(`${what}: the payload does not fit its schema: ${told.join("; ")}`);
}

function described({ message, path = [] }) {
  const place = path.map((part) => step(typeof part === "object" ? part.key : part)).join("");
  return place === "" ? message : `${place}: ${message}`;
}

function step(key) {
  return typeof key === "number" ? `[${key}]` : `.${String(key)}`;
}
