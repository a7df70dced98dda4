"""Values that both languages write, as JavaScript expressions."""

from __future__ import annotations

PLAIN = [
    "undefined", "null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e21", "1e-7", "5e-324",
    "NaN", "Infinity", "-Infinity", "2**53 - 1", "2**53", "-(2**60)",
    "''", "'text'", "'<script>'", r"'\u2028 \u2029'", r"'\0\x01\x1f\x7f\b\f\n\r\t\v\"\\'", "'é 漢 😀'",
    "[]", "{}", "[1, 'a', null, true]", "[undefined, NaN, -0]", "{ a: undefined, b: null }",
    "{ 'a b': 1, '<': 2, 1: 3, 0: 4, '': 5 }", "[[[]], [{}]]", "{ a: { b: { c: [1] } } }",
    "['same', 'same', 1, 1, 1.5, 1.5, '1', true, 'true']",
    "{ toString: 1, constructor: 2, hasOwnProperty: 3 }",
    "(() => { const a = { x: 1 }; return [a, a, { a }]; })()",
    "(() => { const a = []; a.push(a); return a; })()",
    "(() => { const a = { b: {} }; a.b.a = a; return [a, a.b]; })()",
    "Object.assign(Object.create(null), { x: 1, y: [2] })", "Object.create(null)",
]  # fmt: skip
"""Plain data, sentinels, sharing and cycles."""

SPARSE = [
    "[,]", "[, 1]", "[1, , 3]", "[1, , , , 5]", "Object.assign([], { 20: 'x' })", "new Array(7)", "new Array(3)",
    "Object.assign([], { 5: undefined, 300: [1] })", "Object.assign([1, 2, 3], { 9999: 4, note: 'not an index' })",
    "[[1], , , , , , , , , , , , , , , , , , , , [2]]",
]  # fmt: skip
"""Arrays with holes."""

BUILT_IN = [
    "0n", "12n", "-(2n**70n)", "[12n, 12n]",
    "new Date(0)", "new Date(1234567890123)", "new Date(-1)", "new Date(8.64e15)", "new Date(-8.64e15)",
    "/a+/", "/./", "/a+\\/[<]/gi", "new RegExp('')",
    "new Map()", "new Map([['a', 1], [1, 'a'], [{ x: 1 }, [2]]])", "new Map([[NaN, -0], [undefined, null]])",
    "new Set()", "new Set([1, 2])", "new Set(['a', [1], { b: 2 }])",
    "new Set([1])", "new Set(['one'])", "new Set([{ a: 1 }])", "new Set([undefined])", "new Set([new Map()])",
    "new URL('https://user@host.example:8080/a b?q=<#h')", "new URLSearchParams('a=1&a=2&b=%20')",
    "new URLSearchParams()",
    "new ArrayBuffer(0)", "new Uint8Array([0, 127, 255]).buffer",
    "new Uint8Array()", "new Uint8Array([1, 2, 3])", "new Uint8ClampedArray([1, 2])", "new Int8Array([-1])",
    "new Int16Array([-2, 2])", "new Uint16Array([65535])", "new Int32Array([-3])", "new Uint32Array([2 ** 32 - 1])",
    "new Float32Array([1.5, NaN])", "new Float64Array([0.1, -0, Infinity])", "new BigInt64Array([-1n])",
    "new BigUint64Array([2n ** 64n - 1n])",
    "new String('x')", "new Number(5)", "new Boolean(false)",
]  # fmt: skip
"""Types that devalue knows of its own accord, one value each and its edges."""

SUBVIEWS = [
    "new Uint8Array([1, 2, 3, 4]).subarray(1, 3)", "new DataView(new ArrayBuffer(8), 2, 4)",
    "new Uint16Array(new Uint16Array([1, 2, 3]).buffer, 2, 1)", "new DataView(new ArrayBuffer(4))",
]  # fmt: skip
"""Views of a part of a buffer."""

OF_THE_SDK = [
    "new Date(NaN)", "new Headers()", "new Headers([['B', '2'], ['a', '1'], ['a', '3']])",
    "still(new Error('m'))", "still(new Error(''))", "still(new Error('m', { cause: { code: 5 } }))",
    "still(new Error('m', { cause: undefined }))", "still(new TypeError('m', { cause: null }))",
    "still(new TypeError('t', { cause: still(new RangeError('r', { cause: 'text' })) }))",
    *[f"still(new {name}('m'))" for name in ("EvalError", "ReferenceError", "SyntaxError", "URIError", "FatalError")],
    "named('CustomError', 'm')",
    "still(new AggregateError([still(new Error('a')), 'b', undefined], 'm'))",
    "still(new RetryableError('m', { retryAfter: new Date(123456) }))",
    "still(new HookConflictError('token', 'wrun_1'))",
    "still(new DOMException('m', 'AbortError'))",
    "Object.assign(named('StreamError', 'm'), { status: 404, url: 'https://host.example/' })",
    "Object.assign(named('RuntimeDecryptionError', 'm'), { context: { operation: 'read', byteLength: 5 } })",
    "new Point(1, [2])", "Point", "[new Point(1, 2), Point, new Point(Point, null)]",
    "stepFunction({ stepId: 'step//./x.js//add' })",
    "stepFunction({ stepId: 's', closureVars: { a: [1] }, boundThis: { b: 2 }, boundArgs: [3, '4'] })",
    "workflowFunction('workflow//./x.js//main')",
]  # fmt: skip
"""Types of the TypeScript SDK."""

OF_LOST_CLASSES = [
    "still(new (class Mine extends TypeError {})('m'))", "still(new (class Mine extends FatalError {})('m'))",
    "new (class Mine extends Map {})([[1, 2]])", "new (class Mine extends Array {})(1, 2)",
]  # fmt: skip
"""Values that come back as the class that theirs is derived from."""

NESTED = [
    "{ args: [{ when: new Date(0), ids: new Set([1n, 2n]) }, new Map([['k', { e: still(new Error('x')) }]])] }",
    "(() => { const d = new Date(5); return [d, { d }, new Map([[d, d]])]; })()",
    "(() => { const u = new Uint8Array([1]); return { a: u, b: u }; })()",
    "[new Set([new Set([new Set()])]), new Map([[new Map(), new Map()]])]",
]  # fmt: skip
"""Types inside one another, and shared."""

CYCLES = [
    "(() => { const m = new Map(); m.set('self', m); return m; })()",
    "(() => { const s = new Set([1]); s.add(s); return { s }; })()",
    "(() => { const e = still(new Error('x')); e.cause = { e }; return [e]; })()",
    "(() => { const e = still(new AggregateError([], 'x')); e.errors.push(e); return e; })()",
    "(() => { const a = []; a.push(new Map([['a', a]]), new Set([a])); return a; })()",
]  # fmt: skip
"""Cycles through types that devalue's own readers cannot close."""
