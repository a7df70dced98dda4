// What the SDK reads: runs, steps, events and hooks.

import { revived } from "./server.mjs";

const WAIT_SECONDS_MAX = 30;

/** Return the functions of a World that read. */
export function makeReading(server) {
  const one = async (parts, params, signal) =>
    revived(await server.get(["v1", "sdk", ...parts], { resolve: params?.resolveData, wait: params?.wait }, signal));
  const page = async (parts, params = {}, others = {}) => {
    const { limit, cursor, sortOrder } = params.pagination ?? {};
    const query = { limit, cursor, order: sortOrder, resolve: params.resolveData, ...others };
    const found = await server.get(["v1", "sdk", ...parts], query);
    return { ...found, data: found.data.map(revived) };
  };
  return {
    runs: {
      get: (id, params) => one(["runs", id], params),
      getMany: (ids, params) => Promise.all(ids.map((id) => one(["runs", id], params).catch(orNull))),
      list: (params) => page(["runs"], params, { workflow: params?.workflowName, status: params?.status }),
      waitForTerminalStatus: (id, { timeoutMs = 0, signal, ...params } = {}) =>
        one(["runs", id], { ...params, wait: Math.min(timeoutMs / 1000, WAIT_SECONDS_MAX) }, signal),
    },
    steps: {
      get: (runId, stepId, params) => one(["runs", runId, "steps", stepId], params),
      list: ({ runId, ...params }) => page(["runs", runId, "steps"], params),
    },
    events: {
      get: (runId, eventId, params) => one(["runs", runId, "events", eventId], params),
      list: ({ runId, ...params }) => page(["runs", runId, "events"], params),
      listByCorrelationId: ({ runId, correlationId, ...params }) =>
        page(["runs", runId, "events"], params, { correlation: correlationId }),
    },
    hooks: {
      get: (hookId, params) => one(["hooks", hookId], params),
      getByToken: (token, params) => one(["tokens", token], params),
      list: ({ runId, ...params } = {}) => page(runId === undefined ? ["hooks"] : ["runs", runId, "hooks"], params),
    },
  };
}

function orNull(error) {
  if (error.name === "WorkflowRunNotFoundError") return null;
  throw error;
}
