#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The tangler, on a quest that holds every case that has bitten somebody:
# the plain code is notangle's, byte for byte; the code with #line compiles,
# and every message and every debugger names the line of the book.

set -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir -p quest/1-a tangle

n=0
ok() {
	rm -f err
	n=$((n + 1))
	if "${@:2}" >out 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# /' out
	fi
}
lineof() { grep -n "$1" quest/1-a/a.nw | head -1 | cut -d: -f1; }

cat >quest/1-a/a.nw <<'END'
# A test

Prose with [[code]] and @<<no chunk>>.

<<host/a.c>>=
// SPDX-License-Identifier: GPL-2.0-or-later
<<the headers that we need>>

#define TWICE(x) do {	\
	<<a line of a macro>>
	x;		\
} while (0)

#ifdef NEVER
<<a chunk that the compiler skips>>
int never = undeclared;
#else
int always = __LINE__; /* always */
#endif
int after_endif = __LINE__; /* after_endif */

/* A comment, with a chunk in it:
 * <<some words of prose>>
 * and "no string, isn't it: */
int after_comment = __LINE__; /* after_comment */

#define ADD(a, b) ((a) + (b))

int main(void)
{
	int i, sum = 0;

	for (i = 0; i < 3; i++) {
		if (i == 1) {
			<<a deeply nested thought>>
		} else
			<<something for the other case>>
	}
	sum = ADD(sum,
		<<the second argument of a macro>>
		);
	TWICE(sum--);
	const char *s = "/* no comment";
	return sum == 14 && __LINE__ == after_main && s[0] ? 0 : 1;
}
@

Prose.

<<the headers that we need>>=
#include <stdio.h>
<<nothing at all yet>>
enum { after_main = 45 };
@

<<nothing at all yet>>=
@

<<a line of a macro>>=
x;		\
<<a line within that line>>
@

<<a line within that line>>=
sum++; /* it is macro text */	\
@

<<a chunk that the compiler skips>>=
int not_here = undeclared;

int nor_here = undeclared;
@

<<some words of prose>>=
these are words
 * and these too
@

<<a deeply nested thought>>=
switch (i) {
case 1:
	<<what one is worth>>
	break;
}
@

<<what one is worth>>=
sum += 7;

@

More is added later.

<<what one is worth>>=
if ((sum << 1) != 0)
	sum += 1;	// it's one
@

<<something for the other case>>=
sum += 2;
@

<<the second argument of a macro>>=
/* a comment (with a parenthesis */
3
@

<<host/b.S>>=
/* SPDX-License-Identifier: GPL-2.0-or-later */
	.text
	.macro	twice reg
	<<what is done twice>>
	<<what is done twice>>
	.endm
	.globl	b
b:	twice	%rax		# don't stop here
	<<leave the assembly>>
@

<<what is done twice>>=
inc	\reg
@

<<leave the assembly>>=
ret	/* leave */
@

<<host/Kbuild>>=
ifdef X
	<<make something of it>>
endif
@

<<make something of it>>=
@echo $@

@echo again
@
END

echo 1..14
ok "the quest is tangled" "$top/tangle/tangle"
ok "plainly too" "$top/tangle/tangle" --plain plain
same() {
	for f in a.c b.S Kbuild; do
		notangle -t8 -Rhost/$f quest/*/*.nw | cmp - plain/host/$f || return
	done
}
ok "plain code is what notangle makes" same
stripped() {
	for f in a.c b.S; do
		grep -v '^#line ' host/$f | grep -v '^/\* Tangled' |
			grep -vE '^	*/\* [a-z ]+ \*/$' | diff -u plain/host/$f - || return
	done
}
ok "#line and names of chunks are all that is added" stripped
ok "what is no C is tangled plainly" cmp host/Kbuild plain/host/Kbuild
ok "C compiles" gcc -std=c11 -g -Wall -Wextra -Werror -o a host/a.c
sed -i "s/after_main = [0-9]*/after_main = $(lineof 'return sum == 14')/" quest/1-a/a.nw
"$top/tangle/tangle" >/dev/null && gcc -gdwarf-4 -o a host/a.c
ok "macros mean what they say, and __LINE__ is the book's" ./a
ok "assembly assembles" gcc -g -c -o b.o host/b.S

lines() {
	local v
	for v in always after_endif after_comment; do
		gcc -E host/a.c | grep -q "int $v = $(lineof "/\* $v \*/");" || {
			echo "$v: want $(lineof "/\* $v \*/")"; gcc -E host/a.c | grep "$v"
			return 1
		}
	done
}
ok "lines are right after #endif and comments" lines
debugger() {
	addr=$(objdump -d --no-show-raw-insn a | awk '/addl .*\$0x7,/ { print $1; exit }')
	got=$(addr2line -e a "0x${addr%:}" | sed 's/ .*//; s,.*/quest/,quest/,')
	want=quest/1-a/a.nw:$(lineof 'sum += 7;')
	echo "got $got, want $want"
	[ "$got" = "$want" ] || return
	got=$(objdump -dl b.o | grep -B1 -w ret | head -1)
	echo "$got"
	[[ $got == *quest/1-a/a.nw:$(lineof 'leave \*/') ]]
}
ok "the debugger reads the book" debugger
sed 's/sum += 7;/sum += seven;/' -i quest/1-a/a.nw
"$top/tangle/tangle" >/dev/null
error() {
	gcc -o a host/a.c 2>err
	cat err
	grep -q "^quest/1-a/a.nw:$(lineof seven):[0-9]*: error:.*seven" err
}
ok "an error names the line of the book" error

before=$(stat -c %y host/b.S)
unchanged() {
	"$top/tangle/tangle" || return
	[ "$(stat -c %y host/b.S)" = "$before" ]
}
ok "what did not change is not written" unchanged
sed -i 's/host\/b.S/host\/c.S/' quest/1-a/a.nw
stale() { "$top/tangle/tangle" && [ ! -e host/b.S ] && [ -e host/c.S ]; }
ok "what is no longer in the book goes away" stale
printf '<<host/d.c>>=\n<<there is no such chunk>>\n@\n\n<<tests/e.c>>=\nx\n@\n' >quest/1-a/b.nw
refuses() {
	! "$top/tangle/tangle" 2>err >/dev/null || return
	cat err
	grep -q 'quest/1-a/b.nw:2: chunk <<there is no such chunk>> is not' err &&
		grep -q 'tests/e.c' err && [ ! -e host/d.c ] && [ ! -e tests ]
}
ok "undefined chunks and strange places are refused" refuses
