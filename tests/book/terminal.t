#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The terminal edition: each part fits terminals of three widths, has all of its chunks,
# has colours where they are wanted and nowhere else, and goes through the pager.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use FindBin qw($Bin);
use Test::More;

chdir "$Bin/../.." or die;
delete @ENV{qw(NO_COLOR CLICOLOR_FORCE COLUMNS LC_CTYPE LANG PAGER LESS MAKEFLAGS MAKELEVEL)};
$ENV{TERM} = 'xterm';
$ENV{LC_ALL} = 'C.UTF-8';

# What a command prints, in this environment. (That it takes some seconds it says on
# the other channel, to people.)
sub printed {
	my ($environment, @command) = @_;
	local @ENV{keys %$environment} = values %$environment;
	note join ' ', (map { "$_=$environment->{$_}" } sort keys %$environment), @command;
	open(my $stderr, '>&', \*STDERR) or die "stderr: $!";
	open(STDERR, '>', '/dev/null') or die "/dev/null: $!" unless $ENV{TEST_VERBOSE};
	my $pid = open(my $from, '-|', @command);
	open(STDERR, '>&', $stderr) or die "stderr: $!";
	die "$command[0]: $!" unless $pid;
	local $/;
	my $text = <$from> // '';
	close $from or diag "@command ended with status " . ($? >> 8);
	return $text;
}

sub widest {
	my ($text) = @_;
	my ($most, $where) = (0, '');
	$text =~ s/\e\[[\d;]*m//g;
	for (split /\n/, $text) {
		($most, $where) = (length, $_) if length > $most;
	}
	return ($most, $where);
}

# --- All seven parts ------------------------------------------------------------------

my %beer;
for my $columns (40, 80, 120) {
	my $text = printed({ COLUMNS => $columns }, qw(make --no-print-directory Beer));
	$beer{$columns} = $text;
	my ($most, $where) = widest($text);
	cmp_ok $most, '<=', $columns, "no line is longer than $columns columns" or diag $where;
	unlike $text, qr/\e/, '... and there are no colours for a file';
}
cmp_ok +(widest($beer{120}))[0], '<', 101, 'prose does not use all of a wide terminal';
# Only narrow terminals break lines of code; at 80, lines of a patch that are wider still.
cmp_ok scalar(() = $beer{40} =~ /^│↪/mg), '>', 100, 'lines of code are broken at 40 columns';
cmp_ok scalar(() = $beer{80} =~ /^│↪/mg), '<', 5, '... and hardly any at 80';

my %part = (1 => 'Preparation', 2 => 'Guest', 3 => 'Drivers', 4 => 'Launcher', 5 => 'Host',
	6 => 'Switcher', 7 => 'Mastery');
for my $n (sort keys %part) {
	my $name = $part{$n};
	my $text = printed({ COLUMNS => 80 }, qw(make --no-print-directory), $name);
	ok length $text > 1000 && index($beer{80}, $text) >= 0, "$name is a part of all seven";
	my (@names, @titles);
	for my $file (glob "quest/$n-*/*.nw") {
		open my $quest, '<', $file or die "$file: $!";
		my $in_code;
		while (<$quest>) {
			$in_code = 0 if /^@(\s|$)/;
			$in_code = push @names, $1 if /^<<(.*)>>=$/;
			push @titles, $1 if !$in_code && /^# ([^{`]*?)\s*(\{.*)?$/;
		}
	}
	# A name may be longer than a line, and its number may be beside it.
	(my $flat = $text) =~ s/ +[A-Z]\d+$//mg;
	$flat =~ s/\s+/ /g;
	my @missing = grep {
		(my $x = $_) =~ s/\[\[(.*?)\]\]/$1/g;
		index($flat, "⟨$x⟩") < 0;
	} @names;
	is_deeply \@missing, [], '... and has its ' . scalar @names . ' chunks';
	is_deeply [grep { $text !~ /^\Q$_\E\s+$name \d+ of \d+$/m } @titles], [],
		'... and its ' . scalar @titles . ' chapters';
}
is printed({ COLUMNS => 80 }, qw(make --no-print-directory Switcher!)),
	printed({ COLUMNS => 80 }, qw(make --no-print-directory Switcher)),
	'make Switcher! is make Switcher';

# --- What is left to do -------------------------------------------------------------------

my ($end) = $beer{80} =~ /^(Between you and the beer\n.*)\z/ms;
ok $end, 'make Beer says what is left';
my $trials = 0;
for my $file (glob 'quest/*/*.nw') {
	open my $quest, '<', $file or die "$file: $!";
	while (<$quest>) { $trials++ if /^:::+ *(trial|\{.*\.trial\b.*)/; }
}
is scalar(() = ($end // '') =~ /^  ☐ /mg), $trials, "... which is $trials trials";
like $end // '', qr/make\s+test/, '... and how to tell that they are passed' if $trials;

# --- Colours, signs, the pager ----------------------------------------------------------------

my $forced = printed({ COLUMNS => 80, CLICOLOR_FORCE => 1 }, qw(book/terminal Switcher));
like $forced, qr/\e\[1;36m⟨[^⟩]*⟩\+?≡\e\[0m/, 'names of chunks have a colour';
like $forced, qr/\e\[35m#define\e\[0m/, '... and so have words of C';
(my $bare = $forced) =~ s/\e\[[\d;]*m//g;
$bare =~ s/ +$//mg;
is $bare, printed({ COLUMNS => 80 }, qw(book/terminal Switcher)), '... and nothing else changes';
unlike printed({ COLUMNS => 80, CLICOLOR_FORCE => 1, NO_COLOR => 1 },
	qw(book/terminal Switcher)), qr/\e/, 'NO_COLOR is stronger';

my $ascii = printed({ COLUMNS => 80, LC_ALL => 'C' }, qw(book/terminal Switcher));
unlike $ascii, qr/[^\x00-\x7f]/, 'where the locale has no other signs, all is ASCII';
like $ascii, qr/^<<[^>]*>>=/m, '... and names look as they do in the quest';
cmp_ok +(widest($ascii))[0], '<=', 80, '... and lines are no longer';

# script(1) is a terminal for whoever runs in it.
sub on_a_terminal {
	my ($environment, $command) = @_;
	my $text = printed($environment, 'script', '-qec', "stty cols 64; $command 2> /dev/null", '/dev/null');
	$text =~ s/\r//g;
	return $text;
}
my $paged = on_a_terminal({ PAGER => 'sed s/^/page:/' }, 'book/terminal Drivers');
unlike $paged, qr/^(?!page:).+/m, 'on a terminal, the pager gets all lines';
like $paged, qr/\e\[/, '... with colours';
cmp_ok +(widest($paged =~ s/^page://gmr))[0], '==', 64, '... of its width';
my $dumb = on_a_terminal({ TERM => 'dumb', PAGER => 'sed s/^/page:/' }, 'book/terminal Drivers');
unlike $dumb, qr/\e|^page:/m, 'a dumb terminal gets neither';
unlike on_a_terminal({ NO_COLOR => 1, PAGER => 'cat' }, 'book/terminal Drivers'), qr/\e/,
	'NO_COLOR is honoured there';

# --- A puppy -------------------------------------------------------------------------------------

my $puppy = printed({}, qw(make --no-print-directory Puppy));
like $puppy, qr/o    o/, 'make Puppy has two eyes';
like $puppy, qr/UU/, '... and a tongue';
cmp_ok +(widest($puppy))[0], '<', 80, '... and fits every terminal';
my $nobody = `book/terminal Nobody 2>&1`;
is $? >> 8, 2, 'there is no part Nobody';
like $nobody, qr/^usage:.*Preparation/s, '... and the usage says which there are';

done_testing;
