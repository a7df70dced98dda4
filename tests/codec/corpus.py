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
    "'x'.repeat(600)", "['y'.repeat(600), 1, 'y'.repeat(600), 'é'.repeat(600), { end: true }]",
    r"[0, 'a\"b'.repeat(200), '<'.repeat(600), '\n\\'.repeat(300), '\u2028'.repeat(600)]",
    "Array.from({ length: 300 }, (_, at) => at - 150)",
    "[2**31, 2**31 - 1, -(2**31), 7919, 1, 7919**2, 300_000, 300_000 * 7919, 0.5, 300_000, 1, 0.5]",
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

WORDED_DIFFERENTLY = {
    "still(new HookConflictError('token', 'wrun_1'))": (
        "Object.assign(named('HookConflictError', 'm'), { token: 'token', conflictingRunId: 'wrun_1' })"
    ),
}
"""Errors to which the SDK's own class gives another message, and how to make them with the same one."""

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

HANDLES = [
    '[["Request",1],{"method":2,"url":3,"headers":4,"body":6,"duplex":-1},"GET","https://e.x/",["Headers",5],[],null]',
    (
        '[["Request",1],{"method":2,"url":3,"headers":4,"body":6,"duplex":-1,"responseWritable":7},"GET","https://e.x/",'
        '["Headers",5],[],null,["WritableStream",8],{"name":9},"strm_1"]'
    ),
    (
        '[["Response",1],{"type":2,"url":3,"status":4,"statusText":5,"headers":6,"body":10,"redirected":11},"default","",200,'
        '"OK",["Headers",7],[8],[9,9],"a",null,false]'
    ),
    (
        '[["Response",1],{"type":2,"url":3,"status":4,"statusText":3,"headers":5,"body":7,"redirected":11},"default","",201,'
        '["Headers",6],[],["ReadableStream",8],{"bodyInit":9},["Uint8Array",10],"AQID",false]'
    ),
    '[["ReadableStream",1],{"name":2},"strm_1"]',
    '[["ReadableStream",1],{"name":2,"type":3,"framing":4},"strm_1","bytes","framed-v1"]',
    '[["WritableStream",1],{"name":2},"strm_1"]',
    '[["WritableStream",1],{"name":2,"runId":3},"strm_1","wrun_2"]',
    '[["WritableStream",1],{"name":2,"runId":3,"deploymentId":4,"encryptionPublicKey":5},"strm_1","wrun_2","dpl_1","AAAA"]',
    '[["AbortController",1],{"streamName":2,"hookToken":3,"aborted":4,"reason":-1},"strm_1","abrt_1",false]',
    '[["AbortSignal",1],{"streamName":2,"hookToken":3,"aborted":4,"reason":-1},"strm_1","abrt_1",false]',
    (
        '[["AbortSignal",1],{"streamName":2,"hookToken":3,"aborted":4,"reason":5},"strm_1","abrt_1",true,'
        '["DOMException",6],{"message":7,"name":8,"stack":9},"m","AbortError","S"]'
    ),
    '[[1,1],["ReadableStream",2],{"name":3},"strm_1"]',
]
"""Texts of requests, responses, streams and abort signals: handles, which no language here can make by itself."""

HANDLES_THAT_THE_SDK_MISTAKES = [
    (
        '[["Request",1],{"method":2,"url":3,"headers":4,"body":8,"duplex":11,"signal":12},"POST","https://e.x/",["Headers",5],'
        '[6],[7,7],"a",["ReadableStream",9],{"bodyInit":10},"text","half",["AbortSignal",13],'
        '{"streamName":14,"hookToken":15,"aborted":16,"reason":17},"strm_1","abrt_1",true,"because"]'
    ),
]
"""It takes the payload of a request for an AbortController, because it has a signal."""

WITH_UNDEFINED = {
    "still(new Error('m', { cause: undefined }))", "undefined", "[undefined, NaN, -0]", "{ a: undefined, b: null }",
    "new Map([[NaN, -0], [undefined, null]])", "new Set([undefined])",
    "still(new AggregateError([still(new Error('a')), 'b', undefined], 'm'))", *SPARSE,
}  # fmt: skip
"""Python reads undefined and the holes of an array as None."""

SPELLED_DIFFERENTLY = {"1e21", "2**53", "-(2**60)"}
"""Both languages write the same number, but not with the same digits."""

NOT_KEPT_BY_PYTHON = WITH_UNDEFINED | SPELLED_DIFFERENTLY
"""What Python does not write again with the same bytes."""
