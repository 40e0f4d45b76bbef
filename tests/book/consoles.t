#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the book shows of terminals is what one sees in them.

A {.console} block with prompts is a transcript, and is played again: each
command is typed where its prompt says, and its output must be what stands in
the book.  The prompts are

  $        a shell on this machine, in the top directory: a new one per block
  host:~#  the shell of `build/try --host`       guest:~#  of `build/try --guest`
  (gdb)    gdb

A block that begins with one of the last three goes on where an earlier block
has left that prompt; where there is none, we start what has it.  A command with
the comment "# in one terminal" runs in a terminal of its own.

  * "..." is any text, on a line of its own any number of lines.
  * Blanks and ends of lines are not compared: gdb breaks lines to its liking.
  * {.console .about}: numbers are like those in the book, not the same.
  * {.console replay="no: REASON"}: not played.

A console without a prompt shows a file or a conversation, and is not counted.
CONSOLES=WORD in the environment plays only the blocks in which WORD stands.
"""

import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import fcntl
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PATIENCE = 240          # seconds that a command may take
PROMPTS = ("$ ", "host:~# ", "guest:~# ", "(gdb) ")
START = {"host:~# ": "build/try --host --with-guest",
         "guest:~# ": "build/try --guest", "(gdb) ": "gdb"}
# What a kernel says on its console, perhaps long after our prompt.
KERNEL = r"(?:\[ *\d+\.\d{6}\] [^\n]*\n)"
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\r\a]")


def blocks():
    """All code blocks of the document: their chapter, attributes and text."""
    subprocess.run(["book/make", "json"], check=True, stdout=sys.stderr)
    with open("book/out/quest.json", encoding="utf-8") as file:
        document = json.load(file)
    chapter = "?"

    def words(node):
        if isinstance(node, list):
            return "".join(map(words, node))
        if isinstance(node, dict):
            if node["t"] in ("Str", "Space"):
                return node.get("c", " ")
            return words(node.get("c", []))
        return ""

    def walk(node):
        nonlocal chapter
        if isinstance(node, list):
            for child in node:
                yield from walk(child)
        elif isinstance(node, dict):
            if node.get("t") == "Header" and node["c"][0] == 1:
                chapter = words(node["c"][2])
            if node.get("t") == "CodeBlock":
                (_, classes, attributes), text = node["c"]
                yield chapter, classes, dict(attributes), text
            else:
                yield from walk(node.get("c", []))

    yield from walk(document["blocks"])


def prompt_of(line):
    for prompt in PROMPTS:
        if (line + " ").startswith(prompt):
            return prompt
    return None


def turns(text):
    """The transcript as (prompt, command, output)."""
    result, command = [], None
    for line in text.split("\n"):
        prompt = prompt_of(line)
        if command is not None and command.endswith("\\"):
            command = command[:-1].rstrip() + " " + line.strip()
        elif prompt:
            if command is not None:
                result[-1][1] = command
            command = line[len(prompt):].strip()
            result.append([prompt, command, []])
        elif result:
            result[-1][2].append(line)
        if result:
            result[-1][1] = command
    return result


def pattern(lines, about):
    """A regular expression for the output, without blanks."""
    text = " ".join(" ".join(lines).split())
    parts = []
    for piece in re.split(r"(\s*\.\.\.\s*|0x[0-9a-f]+|\d+(?:\.\d+)*|\s+)", text):
        if piece.strip() == "...":
            parts.append(r"\s*.*?\s*")
        elif re.match(r"\s+$", piece):
            parts.append(r"\s+")
        elif about and re.match(r"0x|\d", piece):
            parts.append(r"(?:0x[0-9a-f]+|\d+(?:\.\d+)*)")
        else:
            parts.append(re.escape(piece))
    return re.compile("".join(parts), re.S)


class Terminal:
    """A shell in a terminal that is wide enough for everybody."""

    def __init__(self):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="dumb", NO_COLOR="1", LC_ALL="C.UTF-8",
                              PS1="$ ", PAGER="cat", DEBUGINFOD_URLS="",
                              INPUTRC="/dev/null", HISTFILE="")
            os.environ.pop("CI", None)
            # what prove and make tell their children is not for these
            for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "TESTS"):
                os.environ.pop(name, None)
            os.execvp("bash", ["bash", "--norc", "--noprofile", "--noediting"])
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ,
                    struct.pack("HHHH", 50, 240, 0, 0))
        self.at = None
        self.read_to(("$ ",))

    def read_to(self, ends):
        """Read until the last line is one of these prompts."""
        text, until = "", time.monotonic() + PATIENCE
        while time.monotonic() < until:
            # (an answer is there when nothing follows the prompt)
            if not select.select([self.fd], [], [], 0.2)[0]:
                for prompt in ends:
                    found = re.search(("^" if prompt != "(gdb) " else "") +
                                      re.escape(prompt) + KERNEL + "*\\Z",
                                      text, re.M)
                    if found:
                        self.at = prompt
                        return text[:found.start()]
                continue
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                raise TimeoutError("the terminal has closed", text) from None
            text = ESCAPE.sub("", text + data.decode(errors="replace"))
        raise TimeoutError(f"no prompt within {PATIENCE} s", text)

    def type(self, command):
        os.write(self.fd, command.encode() + b"\n")

    def run(self, command, ends=PROMPTS):
        self.type(command)
        text = self.read_to(ends)
        # what we type comes back to us
        text = re.sub(r"\A" + KERNEL + "+", "", text)
        first, _, rest = text.partition("\n")
        return rest if first.strip() == command.strip() else text

    def wait_for(self, word):
        text, until = "", time.monotonic() + PATIENCE
        while word not in text and time.monotonic() < until:
            if select.select([self.fd], [], [], 1)[0]:
                text += os.read(self.fd, 65536).decode(errors="replace")

    def close(self):
        """As if the window was closed."""
        os.close(self.fd)
        for _ in range(100):
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return
            time.sleep(0.1)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Player:
    def __init__(self):
        self.terminals = []
        self.last = {}              # prompt -> the terminal that has it

    def open(self):
        self.terminals.append(Terminal())
        return self.terminals[-1]

    def at(self, prompt):
        """A terminal that shows this prompt."""
        terminal = self.last.get(prompt)
        if not terminal or terminal.at != prompt:
            terminal = self.open()
            terminal.run(START[prompt], (prompt,))
            self.last[prompt] = terminal
        return terminal

    def close(self):
        for terminal in reversed(self.terminals):
            terminal.close()
        self.terminals, self.last = [], {}

    def play(self, classes, text):
        """Raises an exception that says what is different."""
        shell = None
        for prompt, command, lines in turns(text):
            command, _, comment = map(str.strip, command.partition("  # "))
            if comment == "in one terminal":
                self.close()            # an earlier machine may wait for gdb
                other = self.open()
                other.type(command)
                other.wait_for("waiting for gdb" if "--gdb" in command else "")
                continue
            if prompt != "$ ":
                terminal = self.at(prompt)
            else:
                terminal = shell = shell or self.open()
            got = terminal.run(command)
            self.last[terminal.at] = terminal
            while lines and not lines[-1].strip():
                lines.pop()
            right = pattern(lines, "about" in classes)
            if not any(right.fullmatch(" ".join(seen.split()))
                       for seen in (got, re.sub(KERNEL, "", got))):
                raise ValueError(f"{prompt}{command}", "\n".join(lines), got)


# Transcripts of which we know whether they are right.
SAMPLES = (
    (True, [], "$ echo one two\none\ntwo\n$ true"),
    (False, [], "$ echo one two\none three"),
    (False, [], "$ echo one two\none"),
    (False, [], "$ echo one two"),
    (True, [], "$ seq 9\n1\n...\n8 ..."),
    (True, [], "$ seq 9\n...\n1\n...\n2\n3 4...9"),
    (False, [], "$ seq 9\n1\n...\n8"),
    (True, ["about"], "$ echo 0x2f and 17.5 \\\n    or 3\n0xfe and 2 or 30"),
    (False, [], "$ echo 3\n4"),
    (True, [], "$ printf '1\\n[    1.761398] tsc: Refined\\n2\\n'\n1\n2"),
)


def samples(player):
    """Those that are not judged as they should be."""
    for right, classes, text in SAMPLES:
        try:
            player.play(classes, text)
            found = True
        except ValueError:
            found = False
        if found != right:
            yield text


def main():
    os.chdir(TOP)
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)
    player, played, reasons = Player(), 0, []
    want = os.environ.get("CONSOLES", "")
    try:
        wrong = list(samples(player))
        print(f"{'not ' * bool(wrong)}ok 1 - right and wrong transcripts are told apart")
        for text in wrong:
            print("# not this: " + text.replace("\n", "\n#   "), file=sys.stderr)
        n, failed = 1, len(wrong)
        for chapter, classes, attributes, text in blocks():
            if "console" not in classes or want not in text or \
                    not any(map(prompt_of, text.split("\n"))):
                continue
            replay = attributes.get("replay", "")
            first = text.split("\n")[0]
            if replay.startswith("no: "):
                reasons.append(f"{chapter}: {first}: {replay[4:]}")
                continue
            n += 1
            start = time.monotonic()
            try:
                player.play(classes, text)
                played += 1
                print(f"ok {n} - {chapter}: {first}")
            except (ValueError, TimeoutError) as problem:
                failed += 1
                print(f"not ok {n} - {chapter}: {first}")
                names = ("at", "the book has", "but there is")
                if isinstance(problem, TimeoutError):
                    names = ("", "after")
                for name, part in zip(names, problem.args):
                    part = part[-3000:].replace("\n", "\n#     ")
                    print(f"#   {name}: {part}", file=sys.stderr)
            print(f"# {time.monotonic() - start:.0f} s")
    finally:
        player.close()
    print(f"# {played} of {n - 1 + len(reasons)} transcripts played")
    for reason in reasons:
        print(f"# not played: {reason}")
    n += 1
    print(f"{'' if played else 'not '}ok {n} - some were played\n1..{n}")
    return failed > 0 or not played


if __name__ == "__main__":
    sys.exit(main())
