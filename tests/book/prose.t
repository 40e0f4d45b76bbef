#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The prose of the book, without its code: spelling, by aspell and by book/words;
# no word twice in a row; no words that look down on the reader; no references
# that only paper understands.
#
# WORDS=1 prove -v tests/book/prose.t prints the unknown words as lines for book/words.
use strict;
use warnings;
use FindBin qw($Bin);
use lib $Bin;
use Book;
use IPC::Open2;
use POSIX ();
use Test::More;

# --- All that is read ----------------------------------------------------------

my @prose;			# texts, one a paragraph, cell, heading, note, ...

# Text that the document holds as Markdown: captions and titles.
sub markdown {
	my ($text) = @_;
	return if !defined $text;
	$text =~ s/\[\[.*?\]+\]|`[^`]*`(?:\{[^}]*\})?|\$[^\$]+\$/\x{25a1}/g;
	$text =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
	push @prose, $text =~ s/(?<!\w)[*_]+|[*_]+(?!\w)//gr;
	return;
}

walk(ast(), sub {
	my ($e) = @_;
	my ($a, %class) = (attributes($e), classes($e));

	return 0 if $class{chunk} || $class{nwindex} || ($a->{''} // '') eq 'refs';
	markdown($a->{$_}) for qw(caption alt title inwhich);
	push @prose, text($e->{c}) if $e->{t} =~ /^(?:Para|Plain|Header)$/;
	push @prose, text($_) for $e->{t} eq 'LineBlock' ? @{$e->{c}} : ();
	return $e->{t} ne 'CodeBlock';
});
s/\x{2019}/'/g, s/\s+/ /g for @prose;
push @prose, map { /^(?:title|subtitle|subject|description): *(.*)/ ? $1 : () }
	split /\n/, sources()->{'book/title.yaml'};
cmp_ok scalar(@prose), '>', 1000, 'there is something to read';

# Some words around a find, and where they stand.
sub around {
	my ($text, $from, $to) = @_;
	my ($before) = substr($text, 0, $from) =~ /((?:\S+ +){0,3}\S*)$/;
	my ($after) = substr($text, $to) =~ /^(\S*(?: +\S+){0,3})/;
	my $words = $before . substr($text, $from, $to - $from) . $after;
	my $place = place($words);
	$place = place(substr($text, $from, $to - $from)) . ' or after' if $place eq '?';
	return "$place: ... $words ...";
}

# --- Spelling ------------------------------------------------------------------

# A name with a capital in book/words has one always; other words may have one.
my @listed = grep { !/^#/ } split /\n/, slurp('book/words');
my %listed = map { $_ => 1 } @listed;
is_deeply \@listed, [ sort { lc $a cmp lc $b || $a cmp $b } @listed ],
	'book/words is sorted';
is scalar(keys %listed), scalar(@listed), '... and has no word twice';

# What has a digit, a dot or a like sign inside, or begins with a slash or a dot, is a name.
sub words_of {
	my ($text) = @_;
	my @words;
	for (split /[\s,()\x{2013}\x{2014}"\x{201c}\x{201d}]+/, $text) {
		next if m{^[/.]\w|\w[.=_:@]\w|\d|\x{25a1}};
		my ($whole) = /^[^\p{L}]*(.*?)[^\p{L}]*$/;
		push @words, $listed{$whole} ? $whole : split m{[^\p{L}']+};
	}
	s/^'+//, s/'+$//, s/'s$// for @words;
	return grep { length } @words;
}

sub unknown {
	my %seen = map { $_ => 1 } map { words_of($_) } @_;
	my @words = grep { !$listed{$_} && !$listed{lcfirst $_} && !$listed{lc $_} }
		sort keys %seen;
	my $pid = open2(my $from, my $to, qw(aspell list --lang=en_GB --encoding=utf-8),
			'--ignore=1', '--ignore-case=false');
	binmode $_, ':utf8' for $from, $to;
	my $writer = fork // BAIL_OUT("fork: $!");
	if (!$writer) {
		close $from;
		print $to "$_\n" for @words;
		close $to;
		POSIX::_exit(0);
	}
	close $to;
	my %unknown = map { chomp; $_ => 1 } <$from>;
	waitpid $_, 0 for $writer, $pid;
	BAIL_OUT('aspell does not run: build/packages book') if $?;
	return \%unknown;
}

my $unknown = unknown(@prose);
if ($ENV{WORDS}) {
	print "$_\n" for sort { lc $a cmp lc $b || $a cmp $b } keys %$unknown;
}
my (@misspelt, %told);
for my $text (@prose) {
	for my $word (words_of($text)) {
		next if !$unknown->{$word} || $told{$word}++;
		my ($at) = $text =~ /(?<!\p{L})\Q$word\E(?!\p{L})/ ? $-[0] : index $text, $word;
		push @misspelt, "\"$word\" at " . around($text, $at, $at + length $word);
	}
}
none('every word is in aspell\'s British dictionary or in book/words', @misspelt);
my $seen = unknown('teh', 'color', 'initialize', 'colour');
is join(' ', sort keys %$seen), 'color initialize teh',
	'(a misspelt word would be seen, and an American one)';

# --- Style ---------------------------------------------------------------------
#
# Each rule with what is wrong, an example that it must find, and one that it
# must leave alone.

my @rules = (
	[ 'no word stands twice in a row', qr/\b(?!(?:had|that)\b)(\p{L}+) \1\b/i,
	  'in the the window', 'all that that means' ],
	[ 'no word looks down on the reader',
	  qr/\b(?:simply|obviously|of course|needless to say|as everyone knows|trivially)\b/i,
	  'Of course this works', 'a simple course' ],
	# "just" may be about time
	[ 'nor does "just"',
	  qr/(?<!\bhas )(?<!\bhad )(?<!\bhave )\bjust\b(?! (?:as|before|after|now|then|when)\b)/i,
	  'It just works', 'a client that has just gone' ],
	[ 'no reference depends on where a page ends',
	  qr/\boverleaf\b|\b(?:the|this|on) (?:above|below)(?= \w)(?! (?:the|it|this)\b)|
	     \b(?:as|see|seen|shown|described|explained|defined|mentioned|listed|said|given|
		table|figure|code|chunk|list|example|section|chapter)\ (?:above|below)\b
		(?!\ (?:the|it|that|them|this|a|our)\b)|
	     \b(?:is|are|stands?|follows?)\ below:|
	     \b(?:see|on|over)\ (?:the\ )?(?:next|previous|opposite|facing|last|following)\ page
		(?!s?\ of\b)/xi,
	  'the code below does so', 'what is below the directory' ],
	[ 'no word is American that aspell lets pass', qr/\b(?:toward|gotten|anyplace)\b/i,
	  'toward the Host', 'towards the Host' ],
);
for my $rule (@rules) {
	my ($name, $wrong, $bad, $good) = @$rule;
	my @found;
	for my $text (@prose) {
		push @found, around($text, $-[0], $+[0]) while $text =~ /$wrong/g;
	}
	none($name, @found);
	ok $bad =~ $wrong && $good !~ $wrong, "(\"$bad\" would be seen)";
}
done_testing;
