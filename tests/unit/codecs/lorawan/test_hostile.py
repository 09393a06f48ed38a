"""Scripts that mean harm, or were never tested: each is stopped with its reason, and nobody else notices."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import psutil
import pytest
from tests.unit.codecs.lorawan.at_work import HONEST, answers, call, with_runner

from holdfast.codecs.lorawan.calls import Answer, Fault
from holdfast.codecs.lorawan.contract import Decoded, Failure, understood
from holdfast.codecs.lorawan.runner import ScriptRunner
from holdfast.codecs.lorawan.scripts import Script


def body(work: str) -> str:
    return f"function decodeUplink(input) {{ {work} }}"


STOPPED = {
    "an endless loop": (body("while (true) {}"), Fault.TIME, "longer than 50 ms"),
    "an endless loop at its top": ("for (;;) {}", Fault.TIME, "longer than 50 ms"),
    "a loop that catches everything": (body("for (;;) try { for (;;); } catch (e) {}"), Fault.TIME, "longer"),
    "a catastrophic regexp": (body("return /^(a+)+$/.test('a'.repeat(40) + 'b')"), Fault.TIME, "longer"),
    "a built-in that never looks up": (
        body("return { data: { x: new Array(4294967295).join('') } }"),
        Fault.TIME,
        "its process was ended",
    ),
    "an endless toJSON": (body("return { data: { toJSON() { for (;;); } } }"), Fault.TIME, "longer"),
    "an endless getter": (body("return { get data() { for (;;); } }"), Fault.TIME, "longer"),
    "an endless proxy": (body("return { data: new Proxy({}, { ownKeys() { for (;;); } }) }"), Fault.TIME, "longer"),
    "a 100 MB string": (body("return { data: { s: 'x'.repeat(100 << 20) } }"), Fault.MEMORY, "more than 16 MB"),
    "an array bomb": (body("var a = []; for (;;) a.push(new Array(1e5).fill(a))"), Fault.MEMORY, "more than 16 MB"),
    "a typed array bomb": (body("return { data: new Uint8Array(1e9).length }"), Fault.MEMORY, "more than 16 MB"),
    "too large a result": (body("return { data: { s: 'x'.repeat(1e6) } }"), Fault.OUTPUT, "at most 262144"),
    "deep recursion": (body("return decodeUplink(input)"), Fault.SCRIPT, "RangeError"),
    "a circular result": (body("var a = {}; a.a = a; return { data: a }"), Fault.SCRIPT, "circular"),
    "a deep result": (
        body("var a = {}; for (var i = 0; i < 1e5; i++) a = { a }; return { data: a }"),
        Fault.SCRIPT,
        "",
    ),
    "a thrown text": (body("throw 'no'"), Fault.SCRIPT, "no"),
    "a thrown null": (body("throw null"), Fault.SCRIPT, "null"),
    "a thrown symbol": (body("throw Symbol('s')"), Fault.SCRIPT, "Symbol(s)"),
    "an error that can't be shown": (body("throw { get message() { throw 1; } }"), Fault.SCRIPT, "cannot be shown"),
    "a thrown half of a character": (body("throw '\\ud800'"), Fault.SCRIPT, "\ufffd"),
    "an error at its top": ("null.x", Fault.SCRIPT, "TypeError"),
    "no script": ("function decodeUplink( {", Fault.SCRIPT, "SyntaxError"),
    "no function": ("var a = 1", Fault.SCRIPT, "no function decodeUplink"),
    "a module that imports": ("import x from 'os'; export function decodeUplink() {}", Fault.SCRIPT, "SyntaxError"),
}


@pytest.mark.parametrize(("source", "fault", "said"), STOPPED.values(), ids=STOPPED.keys())
def test_it_is_stopped_with_its_reason(source: str, fault: Fault, said: str) -> None:
    (answer,) = answers(source)
    assert answer.fault is fault, answer.text
    assert said in answer.text


def killed() -> None:
    """All of this process's children are dead, and a loop that runs hasn't had a turn to see it."""
    for process in psutil.Process().children():
        process.kill()
        with suppress(psutil.NoSuchProcess):  # somebody has waited for it already
            while process.status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.001)


def test_a_worker_that_died_unseen_between_two_calls_is_no_scripts_fault() -> None:
    async def two(runner: ScriptRunner) -> list[Answer]:
        script = Script("x.js", HONEST)
        await runner.run(script, [call(1)])
        killed()
        return list(await runner.run(script, [call(1, 2), call(1, 2, 3)]))

    assert [understood(answer) for answer in with_runner(two, workers=1)] == [
        Decoded({"data": {"n": n}}) for n in (2, 3)
    ]


@pytest.mark.parametrize("returned", ["undefined", "null", "7", "'text'", "[1]", "new Proxy([], {})"])
def test_what_is_no_object_is_no_result(returned: str) -> None:
    outcome = understood(answers(body(f"return {returned}"))[0])
    assert isinstance(outcome, Failure)
    assert "no object" in outcome.detail


def test_a_function_made_of_text_sees_nothing_of_the_machine() -> None:
    names = "['process', 'require', 'std', 'os', 'fetch', 'WebAssembly', 'Deno', 'module', 'exports', 'print', 'load']"
    work = f"var g = decodeUplink.constructor('return this')(); return {{ data: {names}.filter(n => n in g) }}"
    outcome = understood(answers(body(work))[0])
    assert isinstance(outcome, Decoded)
    assert outcome.result == {"data": []}


def test_a_script_that_redefines_the_engine_reaches_only_itself() -> None:
    vandal = """
        JSON.stringify = JSON.parse = Array.isArray = Function.prototype.call = function () { return 'mine'; };
        Object.defineProperty(Object.prototype, 'threw', { get() { return 'mine'; }, set() { throw 1; } });
        Object.defineProperty(Object.prototype, 'result', { set() { throw 1; } });
        function decodeUplink(input) {
          return { data: { n: input.bytes.length, isDate: input.recvTime instanceof Date } };
        }
    """
    outcome = understood(answers(vandal)[0])
    assert isinstance(outcome, Decoded)
    assert outcome.data == {"n": 2, "isDate": True}


def test_nothing_of_one_message_is_there_for_the_next() -> None:
    gossip = """
        var mine = 0;
        function decodeUplink(input) {
          mine += 1; leaked = typeof leaked === 'undefined' ? 1 : leaked + 1;
          var before = {}.polluted; Object.prototype.polluted = 'yes'; Array.prototype.push = null;
          return { data: { mine: mine, leaked: leaked, before: before === undefined } };
        }
    """
    for answer in answers(gossip, call(1), call(2), call(3)):
        outcome = understood(answer)
        assert isinstance(outcome, Decoded)
        assert outcome.data == {"mine": 1, "leaked": 1, "before": True}


def test_one_script_finds_nothing_of_another() -> None:
    async def both(runner: ScriptRunner) -> Sequence[Answer]:
        leak = Script("a.js", "globalThis.secret = 7; Object.prototype.secret = 7;" + HONEST)
        look = Script("b.js", body("return { data: { found: typeof secret } }"))
        await runner.run(leak, [call(1)])
        return await runner.run(look, [call(1)])

    (answer,) = with_runner(both, workers=1)
    assert msgspec.json.decode(answer.text)["result"] == {"data": {"found": "undefined"}}


def test_a_costly_call_costs_only_itself() -> None:
    moody = body("if (input.bytes[0] === 0) for (;;); return { data: { n: input.bytes[0] } }")
    found = answers(moody, call(1), call(0), call(2), call(3))
    assert [a.fault for a in found] == [None, Fault.TIME, None, None]
    assert [msgspec.json.decode(a.text)["result"]["data"]["n"] for a in found if a.fault is None] == [1, 2, 3]


def test_the_answers_after_a_dead_process_belong_to_the_right_calls() -> None:
    deadly = body(
        "if (input.bytes[0] === 0) return { data: new Array(4294967295).join('') };"
        "return { data: { n: input.bytes[0] } }"
    )
    found = answers(deadly, call(1), call(0), call(2))
    assert [a.fault for a in found] == [None, Fault.TIME, None]
    assert msgspec.json.decode(found[2].text)["result"]["data"] == {"n": 2}


def test_honest_scripts_run_on_while_another_is_being_stopped() -> None:
    async def together(runner: ScriptRunner) -> int:
        honest = Script("honest.js", HONEST)
        await runner.run(honest, [call(1)])  # proven
        many = [Script(f"hostile-{n}.js", body("for (;;);")) for n in range(4)]
        hostile = asyncio.gather(*(runner.run(one, [call(1)] * 2) for one in many))
        await asyncio.sleep(0)
        done = 0
        while not hostile.done():
            (answer,) = await runner.run(honest, [call(1, 2, 3)])
            done += answer.fault is None
        return done

    assert with_runner(together) >= 2  # behind the hostile ones the first would come last; on a busy machine few fit in


def test_an_honest_script_waits_for_no_newcomer() -> None:
    """Newcomers share worker 0, however many there are."""

    async def crowded(runner: ScriptRunner) -> list[bool]:
        honest = Script("honest.js", HONEST)
        for _ in range(2):  # proven by the first; the second starts the other worker
            await runner.run(honest, [call(1)])
        crowd = [
            asyncio.ensure_future(runner.run(Script(f"{i}.js", body(f"for (;;{i});")), [call(1)])) for i in range(4)
        ]
        await asyncio.sleep(0)
        await runner.run(honest, [call(1)] * 3)
        still = [not one.done() for one in crowd]
        await asyncio.gather(*crowd)
        return still

    assert with_runner(crowded).count(True) >= 3
