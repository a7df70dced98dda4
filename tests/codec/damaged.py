"""Texts that are not devalue's, or no longer."""

from __future__ import annotations

DAMAGED = [
    "", "x", "[", "]", "{}", "[1", "null", "true", '"a"', "1.5", "[]", "[1]x", "[01]", "[.5]", "[NaN]",
    "[Infinity]", "0", "1", "-2", "-7", "-8", "[[true]]", "[[null]]", "[[[]]]", "[[{}]]",
    '[{"a":"b"}]',
    '[{"a":null}]', '[[1,"a"],1]', "[[1]]", "[[-8]]", "[[5]]", '[{"a":1}]', '[{"a":-7}]',
    '[["Date",1],{}]', '[["Date","yesterday"]]', '[["Date","2024-13-01T00:00:00.000Z"]]', '[["Date",1],5]',
    '[["Date"]]', '[["Date",-1]]', '[["Date",1]]', '[["Date",-9]]', '[["Date",0]]', '[["Date","a","b"]]',
    '[["BigInt","1.5"]]', '[["BigInt"," 1"]]', '[["BigInt","0x1f"]]', '[["BigInt",""]]', '[["BigInt","\u0661"]]',
    '[["RegExp",1],[2],"a"]', '[["RegExp",1],{"source":2},"a"]', '[["RegExp",1],{"source":2,"flags":2},5]',
    '[["URL",1],5]', '[["URLSearchParams",1],[]]', '[["Headers",1],"ab"]', '[["Headers",1],[2],[3],"a"]',
    '[["Map",1],"ab"]', '[["Map",1],{"ab":1}]', '[["Map",1],[2],[3],"a"]', '[["Map",1],[2],"ab"]',
    '[["Map",1,2,3],1,2,3]', '[["Map",0]]', '[["Set","x"]]',
    '[["Uint8Array",1],"%%%"]', '[["Uint8Array",1],"AQI"]', '[["Uint16Array",1],"AQID"]', '[["Uint8Array",1],5]',
    '[["Uint8Array",1],[2,2],"AQID"]', '[["Uint8Array",1,0,4],["ArrayBuffer","AQID"]]',
    '[["Uint8Array",1,-1,2],["ArrayBuffer","AQID"]]', '[["Uint8Array",1,0,-1],["ArrayBuffer","AQID"]]',
    '[["Uint8Array",1,0],["ArrayBuffer","AQID"]]', '[["Uint8Array",0]]', '[["DataView",1],["Date","x"]]',
    '[["null","a"],1]', '[["null",1,2],1,2]', '[["null","a","b"]]', '[["null","a",9]]',
    '[["Nothing",1],5]', '[["constructor",1],5]', '[["__proto__",1],5]', '[["",1],5]',
    '[["Object",0]]', '[["Instance",1],5]', '[["Instance",1],{"classId":2,"data":2},5]',
    '[["Instance",1],{"classId":2},"class//./p//Point"]', '[["Instance",1],{"data":2},5]',
    '[["StepFunction",1],{"stepId":2},5]', '[["StepFunction",1],"x"]', '[["WorkflowFunction",1],{}]',
    '[["Class",1],{"classId":2},null]', '[["Error",1],5]', '[["Error",1],[2],3]', '[["FatalError",1],{}]',
    '[["RetryableError",1],{"message":2,"retryAfter":2},"x"]',
    '[["RetryableError",1],{"message":2,"retryAfter":3},"x",1e300]',
    "[[-7]]", "[[-7,-1]]", "[[-7,100001]]", "[[-7,2,2,1],1]", "[[-7,2,-1,1],1]", "[[-7,2,0],1]", '[[-7,"2"]]',
    "[[-7,2,0,9]]", "[[-7,2,0,-7]]",
]  # fmt: skip
"""Every reader refuses them."""

DAMAGED_FOR_PYTHON = [
    "-1.0", "[[0.0]]", '[{"a":1.0},5]', f"[1{'0' * 309}]",
    *[
        f'[["Instance",1],{{"classId":2,"data":3}},"class//python//{kind}",{data}]'
        for kind, data in [
            ("tuple", '"abc"'), ("tuple", "{}"), ("tuple", "null"), ("frozenset", '{"a":2}'),
            ("frozenset", "[4],[]"),
            ("Decimal", '"1.5.5"'), ("Decimal", "5"), ("UUID", '"x"'), ("UUID", "[4],5"), ("date", '"2024"'),
            ("date", "5"), ("time", '"25:00"'), ("datetime", '"2024-01-01T00:00:00[No/Where]"'),
            ("datetime", '"2024-01-01T00:00:00[../../etc/passwd]"'), ("datetime", '"[UTC]"'),
            ("timedelta", "[4],5"),
            ("timedelta", "[4,4,4],1e300"), ("range", "[4,4,4],0"), ("range", "[4,4,4,4],1"), ("range", "[4],1.5"),
            ("complex", '[4,4],"a"'), ("bytearray", '"AQID"'), ("array", "[4],300"), ("Path", "5"),
            ("exception//builtins:ValueError", "[]"), ("exception//builtins:ValueError", "{}"),
            ("exception//builtins:ValueError", '{"name":2,"message":2,"stack":2,"cause":2}'),
            ("exception//builtins:ValueError", '{"name":2,"message":2,"stack":2,"notes":4},[5],5'),
            ("enum//builtins:int", "{}"), ("dataclass", "{}"),
        ]
    ],
]  # fmt: skip
"""To JavaScript 1.0 is an index, and the data of a Python value is none of its business."""

DAMAGED_FOR_JAVASCRIPT = [
    '[["Request",1],{"method":2},"GET"]', '[["Response",1],[]]', '[["ReadableStream",1],{"name":2},5]',
    '[["WritableStream",1],{}]', '[["AbortSignal",1],{"streamName":2,"aborted":2},"s"]', '[["AbortController",1],5]',
]  # fmt: skip
"""Python hands handles on, whatever their fields."""
