#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing in the book leads nowhere: links, paths of the repository and targets
# of make that the prose names, in all of the document that the editions print.
# And what a chapter and a figure must have for those who see it otherwise: alt
# texts, captions, computed times.
#
# No network: of addresses elsewhere only the form is looked at.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Book;
use Test::More;

# Commands of the prose that are not for this repository's make.
my %foreign = ('make check' => 'what somebody runs in a Guest');
# What stands in our directories only when it has been built.
my $built = qr{^(?:build|book|tests/\w+)/out\b|^host/lg\.ko$|^host/launcher/(?:lguest|messenger)$};
my $ALT = 120;			# characters

# --- What there is -------------------------------------------------------------

my (%id, @twice, @links, @elsewhere, @figures, @code, @consoles, @chapters, $goal);
my $chapter = '?';

walk(ast(), sub {
	my ($e) = @_;
	my ($t, $a, %class) = ($e->{t}, attributes($e), classes($e));

	if (length($a->{''} // '')) {
		push @twice, "#$a->{''} in \"$chapter\"" if $id{$a->{''}}++;
	}
	if ($t eq 'Header' && $e->{c}[0] == 1) {
		$chapter = text($e->{c});
		push @chapters, { title => $chapter };
	}
	if ($t eq 'Link') {
		my $target = $e->{c}[2][0];
		if ($target =~ /^#(.*)/) {
			push @links, [ $1, $chapter, $target ];
		} else {
			push @elsewhere, "$target in \"$chapter\"" if $target !~
				m{^https?://[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::\d+)?(?:/[^\s<>"{}|\\^`]*)?$};
		}
	}
	# labels of chunks: where a name leads, and what stands under a chunk
	push @links, map { [ $_, $chapter, "a reference ($t)" ] }
		map { split ' ', $a->{$_} // '' } qw(ref prev next first uses defs);
	push @{$chapters[-1]{goals}}, $e if $class{goal} && @chapters;
	push @figures, [ $a, $chapter ] if $t eq 'Image' || $class{tikz} || $class{dot};
	push @consoles, [ $e->{c}[1], $chapter ] if $class{console};
	push @code, [ $e->{c}[1], $chapter ] if $t eq 'Code' && !$class{chunkname};
	return 1;
});

# --- Links ---------------------------------------------------------------------

cmp_ok scalar(@links), '>', 1000, 'there are links';
none('every link within the book leads to a place',
     map { "$_->[2] in \"$_->[1]\"" } grep { !$id{$_->[0]} } @links);
none('no place has the name of another', @twice);
none('every address elsewhere is well-formed', @elsewhere);

# --- Figures -------------------------------------------------------------------

cmp_ok scalar(@figures), '>', 20, 'there are figures';
sub figures_where {
	my ($wrong) = @_;
	return map { my ($a, $in) = @$_; "$a->{''} in \"$in\": " . ($a->{alt} // '') }
		grep { $wrong->($_->[0]) } @figures;
}
none('every figure has a name', figures_where(sub { $_[0]{''} !~ /^fig:./ }));
none('... a caption', figures_where(sub { ($_[0]{caption} // '') !~ /\w/ }));
none('... and an alt text', figures_where(sub { ($_[0]{alt} // '') !~ /\w+ \w+/ }));
none("... of at most $ALT characters", figures_where(sub { length($_[0]{alt} // '') > $ALT }));
none('... that says it in words alone',
     figures_where(sub { ($_[0]{alt} // '') =~ /[`\\\$*]|\[\[/ }));

# --- Paths ---------------------------------------------------------------------

my %tangled;
for my $path (map { chomp; $_ } `tangle/tangle --list`) {
	do { $tangled{$path} = 1 } while $path =~ s{/[^/]*$}{};
}
my $paths = 0;
sub lost_path {			# in this text, if one is
	my ($text) = @_;
	while ($text =~ m{(?<![\w/.~-])((?:build|quest|tests|host|guest|switcher|tangle|book|debian)
			  /[\w./*-]*)}gx) {
		my $path = $1 =~ s{[/.]+$}{}r;
		$paths++;
		return $path if $path !~ $built && !$tangled{$path} && !grep { -e } glob $path;
	}
	return;
}
none('every path of the repository that the prose names is there',
     map { "$_->[0] in \"$_->[1]\"" } grep { lost_path($_->[0]) } @code);
cmp_ok $paths, '>', 50, '(and it names some)';
ok lost_path('tests/nothing.t --all') && !lost_path('build/try --host'),
	'(a path that is not there would be seen)';

# --- Targets of make -------------------------------------------------------------

my (%target, $comment);
for (split /\n/, `make -pRrq help 2>&1`) {	# all that make knows, for its list
	$comment = 1 if /^# Not a target/;
	$target{$1} = 1 if /^([\w!-]+):/ && !$comment;
	$comment = 0 if !/^#/;
}
ok $target{help} && !$target{nonsense}, 'the Makefile can be read';

my $commands = 0;
sub lost_target {
	my ($line) = @_;
	return if $line !~ /^(?:\$ )?make ((?:[\w=:!.\/*-]+|'[^']*')(?: [^#&|;]+)?)/;
	return if $foreign{"make $1"};
	$commands++;
	for my $word (split ' ', $1 =~ s/=(?:'[^']*'|\S+)/=/gr) {
		return $word if $word !~ /=$|^-/ && !$target{$word};
	}
	return;
}
none('every target of make that the prose names is there',
     map { my ($text, $in) = @$_; map { "$_ in \"$in\"" } grep { lost_target($_) } split /\n/, $text }
	@code, @consoles);
cmp_ok $commands, '>', 5, '(and it names some)';
ok lost_target("make book X='a b' nonsense") && !lost_target("\$ make test TESTS='a b'"),
	'(a target that is not there would be seen)';

# --- Chapters ------------------------------------------------------------------

my (@no_goal, @no_time);
for my $chapter (grep { $_->{goals} } @chapters) {
	push @no_goal, $chapter->{title} if @{$chapter->{goals}} != 1;
	my $time = '';
	walk($chapter->{goals}, sub {
		my ($e) = @_;
		my %class = classes($e);
		$time .= text($e->{c}) if $class{time};
		return 1;
	});
	push @no_time, "$chapter->{title} (write [x]{.time} in its goal box)"
		if $time !~ /\d+ minutes|hour/;
}
my %files = map { $_ => 1 } glob('quest/*/*.nw');
is scalar(grep { $_->{goals} } @chapters), scalar(keys %files),
	'each file of the quest has a goal box';
none('... and only one', @no_goal);
none('... with the time that reading it takes, computed', @no_time);
done_testing;
