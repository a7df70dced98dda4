// WeakRef as the language has it: what one was made of, or has given, stays until the next event. The engine frees at once
// what nothing else holds.

const { call } = Function.prototype;

let kept = [];

/** Begin another event. */
export function forgetKept() {
  if (kept.length > 0) kept = [];
}

function keep(target) {
  if (target !== undefined) kept.push(target);
  return target;
}

/** Return the class, made of the engine's. */
export function keeping(Native) {
  const native = Native.prototype.deref;
  const methods = {
    deref() {
      return keep(call.call(native, this));
    },
  };
  const WeakRef = new Proxy(Native, {
    construct(target, given, newTarget) {
      const made = Reflect.construct(target, given, newTarget);
      keep(given[0]);
      return made;
    },
  });
  for (const [name, value] of [["deref", methods.deref], ["constructor", WeakRef]]) {
    Object.defineProperty(Native.prototype, name, { value, writable: true, configurable: true });
  }
  return WeakRef;
}
