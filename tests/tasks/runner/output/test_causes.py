"""What a program printed of its failure, as it really prints it."""

import subprocess
import sys

import pytest

from tasks.runner.output.causes import LONGEST_SHOWN, MOST_LINES, Output

NODE = """\
/srv/pack.js:3
throw new TypeError("sprites is not iterable")
^

TypeError: sprites is not iterable
    at pack (/srv/pack.js:3:7)
    at Object.<anonymous> (/srv/pack.js:9:1)
    at node:internal/main/run_main_module:23:47 {
  code: 'E_PACK'
}

Node.js v20.20.2
"""
NODE_WITH_A_CAUSE = """\
Error: the atlas was not packed
    at pack (/srv/pack.js:3:7)
    ... 4 lines matching cause stack trace ...
    at node:internal/main/run_main_module:23:47 {
  [cause]: Error: ENOENT: no such file or directory, open 'a.png'
      at read (/srv/read.js:1:36)
      at node:internal/main/run_main_module:23:47
}
"""
JAVA = """\
Exception in thread "main" java.lang.RuntimeException: the atlas was not packed
	at com.studio.Pack.main(Pack.java:12)
Caused by: java.lang.IllegalStateException: no sprites
	at com.studio.Pack.load(Pack.java:40)
	at java.base/jdk.internal.reflect.Method.invoke(Native Method)
	... 3 more
"""
DOTNET = """\
Unhandled exception. System.InvalidOperationException: no sprites
   at Studio.Pack.Load(String path) in /srv/Pack.cs:line 40
--- End of stack trace from previous location ---
   at Studio.Pack.Main(String[] args) in /srv/Pack.cs:line 12
"""
RUBY = """\
pack.rb:1:in 'load': no sprites (RuntimeError)
	from pack.rb:3:in '<main>'
"""
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.main()
	/srv/pack.go:8 +0x1d
exit status 2
"""
RUST = """\
thread 'main' (16591) panicked at src/main.rs:1:120:
called `Result::unwrap()` on an `Err` value: "no sprites"
stack backtrace:
   0: __rustc::rust_begin_unwind
             at /rustc/5980/library/std/src/panicking.rs:689:5
   1: pack::main
             at ./src/main.rs:1:120
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
"""


def cause_of(text, stream="stderr"):
    output = Output()
    lines = enumerate(text.splitlines(), 1)
    output.take([(seq, 0, stream, line) for seq, line in lines])
    cause = output.cause()
    return cause and cause.message


def python(text):
    ended = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False
    )
    return ended.stderr


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
@pytest.mark.parametrize(
    ("printed", "cause"),
    [
        (NODE, "TypeError: sprites is not iterable"),
        (
            NODE_WITH_A_CAUSE,
            "[cause]: Error: ENOENT: no such file or directory, open 'a.png'",
        ),
        (JAVA, "Caused by: java.lang.IllegalStateException: no sprites"),
        (DOTNET, "Unhandled exception. System.InvalidOperationException: no sprites"),
        (RUBY, "pack.rb:1:in 'load': no sprites (RuntimeError)"),
        (GO, "panic: runtime error: index out of range [5] with length 3"),
        (RUST, 'called `Result::unwrap()` on an `Err` value: "no sprites"'),
        (python("{}['sprites']"), "KeyError: 'sprites'"),
    ],
    ids=["Node", "Node, why", "Java", ".NET", "Ruby", "Go", "Rust", "Python"],
)
def test_the_line_that_names_the_error_in_a_traceback(printed, cause, stream):
    assert cause_of(f"packing…\n{printed}make: *** [pack] Error 1", stream) == cause


@pytest.mark.parametrize(
    ("program", "cause"),
    [
        ("try: {}['a']\nexcept KeyError: raise ValueError('b')", "ValueError: b"),
        ("raise ValueError('one\\ntwo')", "ValueError: one"),
        ("def broken(:", "SyntaxError: invalid syntax"),
        ("raise ExceptionGroup('many', [KeyError('a')])", "KeyError: 'a'"),
        ("raise SystemExit('no sprites')", "no sprites"),
    ],
)
def test_of_several_errors_of_python_it_is_the_last(program, cause):
    assert cause_of(python(program)) == cause


def test_without_a_traceback_it_is_the_last_line_on_stderr_that_has_words():
    assert cause_of("a\nfatal: no such repository\n\n------\n") == (
        "fatal: no such repository"
    )
    assert cause_of("all is well", "stdout") is None
    assert cause_of("") is None


def test_what_only_looks_like_a_call_is_none():
    assert cause_of("working\n   at 12:00 we restart\nfine", "stdout") is None
    assert cause_of("one\ntwo\n  from here on") == "from here on"


def test_colours_stay_out():
    assert cause_of("\x1b[31mTypeError: no\x1b[39m\n    at x (a.js:1:2)") == (
        "TypeError: no"
    )


def test_however_much_was_printed_little_of_it_is_kept_and_looked_at():
    output = Output()
    for seq in range(MOST_LINES * 3):
        output.take([(seq, 0, "stderr", "x" * 65_536)])
    assert len(output._lines) == MOST_LINES
    assert max(len(line) for *_, line in output._lines) <= 1_000
    assert output.cause() == (MOST_LINES * 3 - 1, "x" * LONGEST_SHOWN)
