# SPDX-License-Identifier: GPL-2.0-or-later
"""Let accidents happen to the Switcher, one instruction after the other.

gdb runs this, attached to the QEMU in which a Host runs a micro-Guest that
goes all ways through the Switcher, round by round. At each instruction of the
Switcher, and at several visits to it, the machine stops, an NMI or a machine
check is made pending, and the next thing to happen must be its handler, with
that very instruction as the one to return to. Nothing in lg.ko knows of it.

What to do comes from the environment, as JSON in ACCIDENTS:

  socket   of QEMU's gdb server
  base     where the window is mapped
  code     offsets of the instructions, in order
  held     those after which an NMI is held off for one instruction
  ltr      those that are LTR
  fetches  those that fetch a word from the top of the stack
  last     those that leave ring 0
  symbols  offsets by name, and "round" and "enough": addresses in the Guest
  sweeps   lists of words, for the first Guest:
             KIND all      an accident at each instruction
             KIND calls    ... of the short cut for system calls
             KIND in KIND  ... of the handler of another accident
  fatal    kinds of accidents on the way out after a fatal error, with a
           Guest for each instruction
  visits   how many visits to one instruction get an accident
  result   a file for what happened, a line each:
             hit KIND OFFSET CONTEXT    the accident struck, as it should
             hit KIND ring3 CONTEXT     ... in the Guest itself
             miss KIND OFFSET           the Guest does not come by
             wrong KIND OFFSET WHY
             end

Kinds are nmi, mce (a machine check) and step (TF).
"""

import json
import os

import gdb

STACKED = "*(unsigned long long *)$rsp"
DEBUG, NMI, DOUBLE_FAULT, PROTECTION, MCE = 1, 2, 8, 13, 18
TF = 0x100
# Memory scrubbing has found an error that nobody has met yet: valid,
# uncorrected, enabled, signalled; "one can go on", "in progress".
MCE_COMMAND = "monitor mce 0 9 0xb1000000000000c0 0x5 0 0"
VECTOR = {"nmi": NMI, "mce": MCE, "step": DEBUG}


class Gone(Exception):
    """The machine has ended."""


class Accidents:
    def __init__(self, plan):
        self.base = plan["base"]
        self.code = plan["code"]
        self.symbols = plan["symbols"]
        self.held = plan["held"]
        self.ltr = plan["ltr"]
        self.fetches = plan["fetches"]
        self.visits = plan["visits"]
        self.result = open(plan["result"], "w", encoding="ascii",
                           buffering=1)
        self.round = self.symbols["round"]
        self.points = {}
        self.host = {}          # the Host's handlers by vector
        for line in ("set pagination off", "set confirm off",
                     "set architecture i386:x86-64", "set height 0",
                     "set backtrace limit 1", "set remotetimeout 60",
                     f"target remote {plan['socket']}"):
            gdb.execute(line, to_string=True)

    # --- gdb -------------------------------------------------------------

    def set(self, *addresses):
        for address in addresses:
            self.points[address] = gdb.Breakpoint(
                f"*{address:#x}", gdb.BP_HARDWARE_BREAKPOINT, internal=True)

    def clear(self, *addresses):
        for address in addresses:
            self.points.pop(address).delete()

    def go(self):
        """Run to the next breakpoint; where is that?"""
        try:
            gdb.execute("continue", to_string=True)
            return self.value("$rip")
        except gdb.error as error:
            raise Gone(str(error)) from error

    @staticmethod
    def value(expression):
        return int(gdb.parse_and_eval(expression)) & (1 << 64) - 1

    def tell(self, *words):
        self.result.write(" ".join(map(str, words)) + "\n")

    def at(self, offset):
        return self.base + offset

    def between(self, first, last):
        """The instructions from one symbol to another."""
        first, last = self.symbols[first], self.symbols[last]
        return [i for i in self.code if first <= i < last]

    # --- one accident ----------------------------------------------------

    def find_handlers(self):
        """Where the Host's gates lead, from its IDT."""
        text = gdb.execute("monitor info registers", to_string=True)
        line = next(x for x in text.splitlines() if x.startswith("IDT="))
        idt = int(line.split()[1], 16)
        for vector in (DEBUG, NMI, MCE):
            low = self.value(f"*(unsigned long long *){idt + 16 * vector}")
            high = self.value(
                f"*(unsigned long long *){idt + 16 * vector + 8}")
            self.host[vector] = (low & 0xffff | low >> 32 & 0xffff0000 |
                                 (high & 0xffffffff) << 32)

    def provoke(self, kind):
        if kind == "nmi":
            gdb.execute("monitor nmi", to_string=True)
        elif kind == "mce":
            gdb.execute(MCE_COMMAND, to_string=True)
        else:
            gdb.execute(f"set $eflags = $eflags | {TF}", to_string=True)

    def strike(self, kind, offset):
        """An accident here and now; True if its handler ran at once.

        What it returns to is the instruction where we stand. There are two
        exceptions: a single step comes after an instruction, and a load of
        SS holds accidents off until the next one.
        """
        vector = VECTOR[kind]
        handlers = (self.at(16 * vector), self.host[vector])
        ring3 = self.value("$cs") & 3
        self.provoke(kind)
        others = list(self.points)
        self.clear(*others)
        self.set(*handlers)
        where = self.go()
        back = self.value(STACKED) - self.base
        self.clear(*handlers)
        self.set(*others)
        if where not in handlers:
            self.tell("wrong", kind, offset, f"stopped at {where:#x}")
            return False
        if (back != offset if kind != "step" else back == offset) and \
                not (offset in self.held and back == self.after(offset)):
            self.tell("wrong", kind, offset, f"returns to {back:#x}")
            return False
        assert offset in self.code or ring3
        self.tell("hit", kind, "ring3" if ring3 else offset,
                  "own" if where == handlers[0] else "host")
        return True

    def after(self, offset):
        return self.code[self.code.index(offset) + 1]

    # --- sweeps ----------------------------------------------------------

    def sweep(self, kind, offsets):
        """An accident of this kind at all of these."""
        for offset in offsets:
            here = self.at(offset)
            struck, seen, due, rounds = 0, 0, 1, 0
            self.set(here, self.round)
            while struck < self.visits and rounds < 2 * self.visits + 2:
                if self.go() == self.round:
                    rounds += 1
                    continue
                seen += 1
                if seen < due:
                    continue
                self.strike(kind, offset)
                # The Host must have seen to it before the next one: a
                # machine check during another is the end of all.
                self.clear(here)
                self.go()
                self.set(here)
                rounds += 1
                struck += 1
                # Another time, another way that leads here.
                due = seen + 1 + struck
            self.clear(here, self.round)
            if not seen:
                self.tell("miss", kind, offset)

    def met(self):
        """The code without the stubs of vectors that do not come up."""
        stubs = [self.at(16 * n) for n in range(256)]
        seen, rounds = set(), 0
        self.set(self.round, *stubs)
        while rounds < 5:
            where = self.go()
            rounds += where == self.round
            seen.add((where - self.base) // 16)
        self.clear(self.round, *stubs)
        return [i for i in self.code if i >= 4096 or i // 16 in seen]

    def nested(self, inner, outer):
        """The second accident hits the handler of the first."""
        if outer == "step":
            places = [self.symbols["switcher_syscall"]]
            handler = self.between("switcher_debug", "switcher_double_fault")
        else:
            # (At its first instruction the IDT is still the Host's.)
            places = [self.after(self.symbols["switcher_enter_start"])]
            places += [self.symbols[name] for name in
                       ("switcher_tail_kernel", "switcher_tail_user",
                        "switcher_tail_iretq", "switcher_to_host",
                        "switcher_syscall")]
            places.append(self.round - self.base)       # in ring 3
            handler = self.between("switcher_tail_nmi", "switcher_debug")
        for place in places:
            for offset in handler:
                self.nest(outer, inner, self.at(place), offset)

    def nest(self, outer, inner, place, offset):
        self.stop_at(self.round)
        self.stop_at(place)
        if not self.strike(outer, place - self.base):
            return
        here = self.at(offset)
        self.set(here, self.round)
        met = self.go() == here
        self.clear(here, self.round)
        if met:
            self.strike(inner, offset)

    def stop_at(self, address):
        self.set(address)
        self.go()
        self.clear(address)

    def fail(self, how):
        """Let the Switcher make a mistake."""
        if how == DOUBLE_FAULT:
            self.stop_at(self.at(self.symbols["switcher_save"]))
            gdb.execute("set $rsp = 0x10", to_string=True)
        else:
            way_out = self.between("switcher_to_host", "switcher_syscall")
            self.stop_at(self.at(next(i for i in way_out
                                      if i in self.ltr)))
            gdb.execute("set $rax = 0x28", to_string=True)

    def fatal(self, kind):
        """A Guest for each instruction; the Host starts another one."""
        for offset in self.between("switcher_double_fault", "end"):
            for how in (DOUBLE_FAULT, PROTECTION):
                if (how == PROTECTION and
                        offset < self.symbols["switcher_ring0"]):
                    continue
                self.stop_at(self.round)
                self.fail(how)
                self.stop_at(self.at(offset))
                self.strike(kind, offset)

    def lost(self):
        """NMI, machine check in its handler, and another NMI after that.

        Where the handler has not fetched the stack pointer's frame yet, the
        Guest's registers are lost, and the Guest with them.
        """
        fetch = [i for i in self.between("switcher_nmi", "switcher_mend")
                 if i in self.fetches]
        for offset in fetch:
            self.stop_at(self.round)
            if not self.strike("nmi", self.round - self.base):
                continue
            self.stop_at(self.at(offset))
            if not self.strike("mce", offset):
                continue
            self.provoke("nmi")
            stub = self.at(16 * NMI)
            self.stop_at(stub)
            self.tell("hit", "nmi", "third", "own")

    def run(self, plan):
        self.stop_at(self.at(self.symbols["switcher_enter"]))
        self.find_handlers()
        met = self.met()
        for kind, *what in plan["sweeps"]:
            if what[0] == "all":
                self.sweep(kind, met)
            elif what[0] == "calls":
                # (A step from the last instruction ends in ring 3.)
                self.sweep(kind, [i for i in self.between(
                    "switcher_syscall", "switcher_nmi")
                    if i not in plan["last"]])
            else:
                self.nested(kind, what[1])
        # This Guest has done its duty.
        self.stop_at(self.round)
        gdb.execute("set *(unsigned long long *)"
                    f"{self.symbols['enough']} = 1", to_string=True)
        for kind in plan["fatal"]:
            self.fatal(kind)
        if plan["fatal"]:
            self.lost()
        self.tell("end")


def main():
    plan = json.loads(os.environ["ACCIDENTS"])
    accidents = Accidents(plan)
    try:
        accidents.run(plan)
    except (Gone, gdb.error) as error:
        accidents.tell("gone", error)
    gdb.execute("detach", to_string=True)


main()
