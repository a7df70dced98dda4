// What bundles of the TypeScript Workflow SDK expect of the engine that evaluates them: functions and registries under
// well-known symbols of `globalThis`. Programs that are made of such a bundle install it before the bundle is evaluated.

import { Run } from "torpor:children";
import { classesById } from "torpor:codec-code";
import { alsoReads, alsoWrites } from "torpor:codec-types";
import { ReadableStream, Request, Response, WritableStream } from "torpor:codec-handles";
import { checkedToken, Hook, retentionOf } from "torpor:hooks";
import { run } from "torpor:run";
import { useStep } from "torpor:sdk-steps";
import { setPlaces } from "torpor:stacks";
import { reviveStepsWith } from "torpor:codec";
import { AbortController } from "torpor:web-abort";
import { follow } from "torpor:aborting";
import { writableOf } from "torpor:streams";
import { webhookFields } from "torpor:webhooks";
import { getWorkflowMetadata, setAttributes, sleep } from "workflow";

const { assign, create, defineProperty, freeze, fromEntries } = Object;
const STREAM_NAME = Symbol.for("WORKFLOW_STREAM_NAME");
const DESERIALIZE = Symbol.for("workflow-deserialize");
const RUN_CLASS = /^class\/\/(?:.*@workflow\/core\/.*|workflow)\/\/Run$/;
const ABSENT_URL = "http://localhost"; // bundles make addresses of it, and refuse none
const BODY_READERS = { json: "json", text: "text", arrayBuffer: "array_buffer" };

/**
 * Make the globals. `env` is all that `process.env` has, `file` the bundle, and `places` its lines as authors know them,
 * see `setPlaces`.
 */
export function install({ env, file, places }) {
  setPlaces(file, places);
  reviveStepsWith(({ stepId, closureVars, ...bound }) =>
    useStep(stepId, closureVars === undefined ? undefined : () => closureVars, bound),
  );
  const globals = {
    WORKFLOW_USE_STEP: (stepId, closure) => useStep(stepId, closure),
    WORKFLOW_SLEEP: sleep,
    WORKFLOW_CREATE_HOOK: createHook,
    WORKFLOW_SET_ATTRIBUTES: writeAttributes,
    WORKFLOW_GET_STREAM_ID: (namespace) => writableOf(run.id, { namespace }).name,
    "workflow-class-registry": classesById,
  };
  for (const [name, value] of Object.entries(globals)) defineProperty(globalThis, Symbol.for(name), { value });
  defineProperty(globalThis, Symbol.for("WORKFLOW_CONTEXT"), { get: context });
  const module = { exports: {} };
  assign(globalThis, { process: freeze({ env: freeze({ ...env }) }), module, exports: module.exports });
  installStreams();
  installBodies();
  alsoWrites(AbortController, "AbortController", controllerFields);
}

function context() {
  const { url, ...facts } = getWorkflowMetadata();
  return { ...facts, url: url || ABSENT_URL, features: { encryption: false } };
}

async function writeAttributes(changes) {
  setAttributes(fromEntries(changes.map(({ key, value }) => [key, value])));
}

// Hooks

/** A hook as the SDK has it: what awaits a hook that was disposed of goes on with undefined. */
class SdkHook extends Hook {
  then(fulfilled, rejected) {
    return super.then((value) => value, releaseDisposed).then(fulfilled, rejected);
  }

  async getConflict() {
    const owner = await super.getConflict();
    return owner && sdkRun(owner.runId);
  }
}

function releaseDisposed(error) {
  if (error?.name !== "HookDisposedError") throw error;
}

function createHook({ token, metadata, isWebhook = false, experimental_minRetention: retention } = {}) {
  const what = isWebhook ? "createWebhook" : "createHook";
  const fields = isWebhook ? webhookFields(metadata?.respondWith) : undefined;
  return new SdkHook(checkedToken(what, token), isWebhook ? undefined : metadata, retentionOf(retention), undefined, fields);
}

/** Return the handle of a run, of the class that the bundle has for them. */
function sdkRun(runId) {
  for (const [id, type] of classesById) if (RUN_CLASS.test(id) && type !== Run) return type[DESERIALIZE]({ runId });
  return new Run(runId);
}

// Streams, and signals, which are streams

function installStreams() {
  const named = (stream) => ({ name: stream[STREAM_NAME], runId: run.id });
  alsoWrites(WritableStream, "WritableStream", (stream) => (STREAM_NAME in stream ? named(stream) : { ...stream }));
  // What a step returns belongs to this run, which whoever reads it elsewhere has to know.
  alsoReads("ReadableStream", (fields) => ("name" in fields ? { ...fields, runId: fields.runId ?? run.id } : fields));
}

const controllers = new WeakMap(); // controller → token of the hook by which steps abort it

function controllerFields(controller) {
  const { signal } = controller;
  let token = controllers.get(controller);
  if (token === undefined) {
    token = checkedToken("AbortController");
    controllers.set(controller, token);
    if (!signal.aborted) listen(new SdkHook(token, undefined, 0, undefined, undefined), controller);
  }
  const fields = { streamName: follow(signal), runId: run.id, hookToken: token, aborted: signal.aborted };
  return signal.aborted ? { ...fields, reason: signal.reason } : fields;
}

async function listen(hook, controller) {
  controller.signal.addEventListener("abort", () => hook.dispose(), { once: true });
  const payload = await hook;
  if (!controller.signal.aborted) controller.abort(payload?.reason);
}

// Bodies of requests and responses that steps have made are read by steps.

function installBodies() {
  for (const [method, name] of Object.entries(BODY_READERS)) {
    const read = useStep(`__builtin_response_${name}`);
    for (const Type of [Request, Response]) {
      const own = Type.prototype[method];
      const value = function () {
        return this.body instanceof ReadableStream && !("bodyInit" in this.body) ? read.call(this) : own.call(this);
      };
      defineProperty(Type.prototype, method, { value, writable: true, configurable: true });
    }
  }
}
