import { state } from "torpor:state";

export const step = (name) => (...args) =>
  new Promise((resolve, reject) => {
    const n = ++state.count;
    state.waiting.set(n, [resolve, reject]);
    state.ops.push({ n, type: "step", at: Date.now(), name, input: JSON.stringify(args) });
  });

export const log = (text) => {
  state.logs.push({ n: ++state.lines, at: Date.now(), level: "info", text });
};

export const seededEntropy = () => state.entropy;
