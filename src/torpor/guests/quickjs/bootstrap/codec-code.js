// References to code that travel with values: classes, instances of classes, steps and workflows.

const { defineProperty, hasOwn } = Object;
const SERIALIZE = Symbol.for("workflow-serialize");
const DESERIALIZE = Symbol.for("workflow-deserialize");

const PYTHON_CLASS = "class//python//class//"; // begins the id of a class that Python means itself
/** Class id → class. */
export const classesById = new Map();
let makeStep = ({ stepId }) => {
  throw new Error(`step ${stepId} was passed as a value to a place that has no step functions`);
};

/** Make a class with custom serialization known under an id, such as `class//./shapes.js//Point`. */
export function registerClass(classId, type) {
  if (!hasOwn(type, "classId")) defineProperty(type, "classId", { value: classId });
  classesById.set(classId, type);
}

/** Say what makes a function of a step that is read: `factory({ stepId, closureVars?, boundThis?, boundArgs?, options? })`. */
export function reviveStepsWith(factory) {
  makeStep = factory;
}

/** Return the name of the entry for a function, or undefined. */
export function functionType(value) {
  if (typeof value.classId === "string") return "Class";
  if (typeof value.stepId === "string") return "StepFunction";
  if (typeof value.workflowId === "string") return "WorkflowFunction";
  return undefined;
}

/** Tell whether a value's class has custom serialization. */
export function isInstance(value) {
  return typeof value.constructor === "function" && typeof value.constructor[SERIALIZE] === "function";
}

export function encodeInstance(value) {
  const type = value.constructor;
  if (typeof type.classId !== "string") {
    throw new TypeError(`class ${type.name} has Symbol.for("workflow-serialize") but no static classId`);
  }
  return { classId: type.classId, data: type[SERIALIZE](value) };
}

export function decodeInstance({ classId, data }) {
  const type = classNamed(classId);
  if (typeof type[DESERIALIZE] !== "function") {
    throw new TypeError(`class ${classId} has no static method Symbol.for("workflow-deserialize")`);
  }
  return type[DESERIALIZE](data);
}

export const codeTypes = {
  Class: { encode: ({ classId }) => ({ classId }), decode: ({ classId }) => classNamed(classId) },
  StepFunction: { encode: encodeStep, decode: (payload) => makeStep(identified(payload, payload.stepId)) },
  WorkflowFunction: { encode: ({ workflowId }) => ({ workflowId }), decode: decodeWorkflow },
};

function identified(payload, id) {
  if (typeof id !== "string") throw new TypeError("a reference has no id");
  return payload;
}

function classNamed(classId) {
  const type = classesById.get(classId);
  if (type !== undefined) return type;
  if (!String(classId).startsWith(PYTHON_CLASS)) throw new TypeError(`class ${classId} is not defined in this program`);
  const standIn = () => {
    throw new TypeError(`${classId.slice(PYTHON_CLASS.length)} is a class of Python, which can only be passed on here`);
  };
  return defineProperty(standIn, "classId", { value: classId });
}

// The marks on a step function are those of the TypeScript SDK, as far as it has them.
function encodeStep(step) {
  const payload = { stepId: step.stepId };
  const closureVars = step.__closureVarsFn?.();
  if (closureVars !== undefined) payload.closureVars = closureVars;
  if ("__boundThis" in step) payload.boundThis = step.__boundThis;
  if (step.__boundArgs?.length > 0) payload.boundArgs = step.__boundArgs;
  if (step.__options !== undefined) payload.options = step.__options; // Torpor's own
  return payload;
}

function decodeWorkflow(payload) {
  const { workflowId } = identified(payload, payload.workflowId);
  const workflow = () => {
    throw new Error(`workflow ${workflowId} cannot be called; start it with start()`);
  };
  return defineProperty(workflow, "workflowId", { value: workflowId });
}
