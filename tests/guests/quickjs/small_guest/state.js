export const state = {
  waiting: new Map(),
  ops: [],
  logs: [],
  count: 0,
  lines: 0,
  entropy: "",
  impure: null,
  outcome: { status: "pending" },
};
