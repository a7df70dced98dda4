// console.table: rows of values under aligned columns.

import { inspect } from "torpor:inspect";

/** Return an array or object of rows as a text table; any other value as itself. */
export function table(rows) {
  if (typeof rows !== "object" || rows === null) return inspect(rows);
  const entries = rows instanceof Map ? [...rows] : Object.entries(rows);
  const isRecord = (row) => typeof row === "object" && row !== null;
  const columns = [...new Set(entries.flatMap(([, row]) => (isRecord(row) ? Object.keys(row) : [])))];
  const hasPlain = entries.some(([, row]) => !isRecord(row));
  const lines = [["(index)", ...columns, ...(hasPlain ? ["(value)"] : [])]];
  for (const [index, row] of entries) {
    const cells = columns.map((column) => (isRecord(row) && column in row ? inspect(row[column]) : ""));
    lines.push([String(index), ...cells, ...(hasPlain ? [isRecord(row) ? "" : inspect(row)] : [])]);
  }
  const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  const pad = (line) => line.map((cell, i) => cell.padEnd(widths[i])).join(" | ").trimEnd();
  const rule = widths.map((width) => "-".repeat(width)).join("-+-");
  return [pad(lines[0]), rule, ...lines.slice(1).map(pad)].join("\n");
}
