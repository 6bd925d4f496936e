#!/usr/bin/env python3
"""Takes the guards of the engine out, one by one, and sees the tests that hold them fail.

    run.py                  all guards
    run.py C2 l5-           those of a rule, or whose name begins so
    run.py --table          the tables of docs/reliability.md
    run.py --check          only whether every snippet is still found once

The guards are in the *.toml beside this file. Each names its rule, the guard in words, one or more edits (a
snippet that stands exactly once in a file of src/, and what replaces it) and the tests that must fail. In
a replacement `OUT` stands for "this guard is taken out": all edits are made at once, in a copy of the sources,
which is built once; an environment variable says which guard is out in a run of the tests. So the whole
table takes one build.

A test that takes longer than HESTIA_GUARD_SECONDS (60) counts as one that does not end: a machine that is
busy with other things needs more.

First every test runs with all guards in place and must pass. Then each guard is taken out: every test that it
names must fail, or not come to an end. `tries` allows so many runs where a test needs luck;
`open` says why no test fails yet, and the guard is only tried when asked for. A test is
`<binary> <name>`, where `lib` is that of the unit tests, or `crash <script>`: that script in `crash_points`; or
`explore <name>`: that scene of `index::explorations`, under HESTIA_GUARD_SCHEDULES (4,000) schedules, in a build of its own.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
CRATE = HERE.parent.parent
ROOT = CRATE.parent.parent
VARIABLE = "HESTIA_GUARD_OUT"
SWITCH = f"""
/// Whether the guard of this name is taken out: see `tests/guards`.
pub(crate) fn guard_is_out(name: &str) -> bool {{
    static OUT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    OUT.get_or_init(|| std::env::var("{VARIABLE}").unwrap_or_default()) == name
}}
"""
SCHEDULES = os.environ.get("HESTIA_GUARD_SCHEDULES", "4000")
LIMIT_SECONDS = int(os.environ.get("HESTIA_GUARD_SECONDS", 60))
MEMORY_BYTES = 6 << 30


def fail(message):
    sys.exit(f"guards: {message}")


def load():
    guards, absent, hazards = [], [], []
    for path in sorted(HERE.glob("*.toml")):
        document = tomllib.loads(path.read_text())
        guards += document.get("guard", [])
        absent += document.get("absent", [])
        hazards += document.get("hazard", [])
    names = [guard["name"] for guard in guards]
    for name in names:
        if names.count(name) > 1:
            fail(f"two guards are called {name}")
    for guard in guards:
        if "edits" not in guard:
            guard["edits"] = [{key: guard[key] for key in ("file", "find", "with")}]
        if "hazard" in guard and guard["hazard"] not in [hazard["id"] for hazard in hazards]:
            fail(f"{guard['name']}: there is no hazard {guard['hazard']}")
    return guards, absent, hazards


def mutated(guards):
    """The text of each file that a guard stands in, with all guards made removable."""
    places, problems = {}, []
    for guard in guards:
        for edit in guard["edits"]:
            text = (CRATE / "src" / edit["file"]).read_text()
            count = text.count(edit["find"])
            if count != 1:
                problems.append(f"{guard['name']}: found {count} times in {edit['file']}: {edit['find']!r}")
                continue
            start = text.index(edit["find"])
            switch = f'crate::guard_is_out("{guard["name"]}")'
            with_switch = re.sub(r"\bOUT\b", switch, edit["with"])
            place = (start, start + len(edit["find"]), with_switch, guard["name"])
            places.setdefault(edit["file"], []).append(place)
    texts = {}
    for file, edits in places.items():
        edits.sort(reverse=True)
        text, begin = (CRATE / "src" / file).read_text(), None
        for start, end, replacement, name in edits:
            if begin is not None and end > begin:
                problems.append(f"{name}: overlaps another guard in {file}")
            begin = start
            text = text[:start] + replacement + text[end:]
        texts[file] = text
    if problems:
        fail("the code has changed under some guards:\n  " + "\n  ".join(problems))
    texts["lib.rs"] = texts.get("lib.rs", (CRATE / "src/lib.rs").read_text()) + SWITCH
    return texts


def write_if_changed(path, content):
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy_sources(texts, copy):
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    wanted = {name for name in names if name and (ROOT / name).is_file()}
    changed = {str((CRATE / "src" / file).relative_to(ROOT)): text for file, text in texts.items()}
    for name in wanted:
        content = changed[name].encode() if name in changed else (ROOT / name).read_bytes()
        write_if_changed(copy / name, content)
    for path in copy.rglob("*.rs"):
        if str(path.relative_to(copy)) not in wanted:
            path.unlink()


def build(copy, suites):
    """The test binaries by suite: `lib`, `explore`, or the name of a file or folder in tests/."""
    binaries = {}
    ordinary = suites - {"explore"}
    if ordinary:
        selection = [["--lib"] if suite == "lib" else ["--test", suite] for suite in sorted(ordinary)]
        binaries = build_tests(copy, sum(selection, []))
    if "explore" in suites:
        binaries["explore"] = build_tests(copy, ["--lib", "--features", "exploration"])["lib"]
    return binaries


def build_tests(copy, selection):
    command = ["cargo", "test", "-p", "hestiastore", "--no-run", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command + selection, cwd=copy, capture_output=True)
    if built.returncode:
        fail(f"the copy does not compile:\n{built.stderr.decode()}")
    binaries = {}
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message.get("executable"):
            target = message["target"]
            binaries["lib" if "lib" in target["kind"] else target["name"]] = message["executable"]
    return binaries


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(binaries, test, out, directory):
    """`passed`, `failed` or `does not end`."""
    suite, name = test.split(" ", 1)
    environment = {**os.environ, VARIABLE: out}
    if suite == "crash":
        environment |= {"HESTIA_CRASH_SCRIPT": name, "HESTIA_CRASH_SECOND": "12"}
        suite, name = "crash_points", "crashes_at_every_operation"
    if suite == "explore":
        environment |= {"HESTIA_SCHEDULES": SCHEDULES}
        name = f"index::explorations::{name}"
    command = [binaries[suite], "--exact", name]
    try:
        done = subprocess.run(
            command, cwd=directory, env=environment, capture_output=True, timeout=LIMIT_SECONDS,
            preexec_fn=limit_memory,
        )
    except subprocess.TimeoutExpired:
        return "does not end"
    if b"running 0 tests" in done.stdout:
        return "is not there"
    return "failed" if done.returncode else "passed"


def take_out(binaries, guard, directory):
    """For each test the number of runs it took to fail, or None."""
    results = []
    for test in guard["tests"]:
        outcome, needed = "passed", None
        for attempt in range(1, guard.get("tries", 1) + 1):
            outcome = run(binaries, test, guard["name"], directory)
            if outcome in ("failed", "does not end"):
                needed = attempt
                break
        results.append((test, needed, outcome))
    return guard, results


def rule_order(rule):
    match = re.fullmatch(r"([A-Z])(\d+)", rule)
    return ("CLDFM".index(match[1]), int(match[2])) if match else (9, 0)


def table(guards, absent, hazards):
    rows = []
    for guard in guards:
        tests = "<br>".join(f"`{test}`" for test in guard["tests"])
        tries = guard.get("tries", 1)
        tried = "yes" if tries == 1 else f"yes, within {tries} runs"
        tried = guard.get("open", tried)
        words = f"{guard['guard']} (`{guard['edits'][0]['file']}`)"
        rows += [(rule, f"| {rule} | {words} | {tests} | {tried} |") for rule in guard["rule"].split()]
    for entry in absent:
        rule = entry["rule"]
        rows.append((rule, f"| {rule} | {entry['guard']} | {entry.get('tests', '')} | {entry['why']} |"))
    rows.sort(key=lambda row: rule_order(row[0]))
    print("| Rule | Guard | Fails without it | Tried |\n|---|---|---|---|")
    print("\n".join(row for _, row in rows))
    print("\n| Hazard | Guard | Fails without it |\n|---|---|---|")
    for hazard in hazards:
        for guard in guards:
            if guard.get("hazard") == hazard["id"]:
                tests = "<br>".join(f"`{test}`" for test in guard["tests"])
                print(f"| {hazard['words']} | {guard['guard']} | {tests} |")


def main():
    guards, absent, hazards = load()
    wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if "--table" in sys.argv:
        return table(guards, absent, hazards)
    texts = mutated(guards)
    if "--check" in sys.argv:
        return print(f"{len(guards)} guards, every snippet found once")
    if wanted:
        picked = lambda guard: any(w in guard["rule"].split() or guard["name"].startswith(w) for w in wanted)
        guards = [guard for guard in guards if picked(guard)]
    else:
        guards = [guard for guard in guards if "open" not in guard]
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    copy = target / "guards"
    # Of its own: cargo takes the copy's artifacts for those of the sources themselves.
    os.environ["CARGO_TARGET_DIR"] = str(target / "guards-target")
    copy_sources(texts, copy)
    tests = sorted({test for guard in guards for test in guard["tests"]})
    binaries = build(copy, {test.split(" ")[0].replace("crash", "crash_points") for test in tests})
    directory = copy / CRATE.relative_to(ROOT)
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        with_all = [pool.submit(lambda test=test: (test, run(binaries, test, "", directory))) for test in tests]
        without = [pool.submit(take_out, binaries, guard, directory) for guard in guards]
        for done in concurrent.futures.as_completed(with_all):
            test, outcome = done.result()
            if outcome != "passed":
                bad += 1
                print(f"WRONG  with all guards in place {test}: {outcome}", flush=True)
        for done in concurrent.futures.as_completed(without):
            guard, results = done.result()
            for test, needed, outcome in results:
                bad += needed is None
                word = "ok   " if needed else "WRONG"
                runs = f" in run {needed}" if needed and needed > 1 else ""
                print(f"{word}  {guard['rule']:6} {guard['name']}: {test} {outcome}{runs}", flush=True)
    print(f"{len(guards)} guards taken out, {len(tests)} tests, {bad} wrong")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
