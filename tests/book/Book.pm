# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests of the book have in common: the document that all editions
# print, as pandoc's JSON, and how to walk through it.
package Book;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use JSON::PP;
use Test::More;

our @EXPORT = qw(ast walk text attributes classes chunks sources place slurp
		 none);

chdir dirname(abs_path(__FILE__)) . '/../..' or die "no such directory: $!";
binmode $_, ':utf8' for *STDOUT, *STDERR, Test::More->builder->output,
	Test::More->builder->failure_output, Test::More->builder->todo_output;

sub slurp {
	my ($path) = @_;
	open my $file, '<:utf8', $path or BAIL_OUT("$path: $!: run make check-book");
	local $/;
	return scalar <$file>;
}

# The document as it is now: a reference to the list of its blocks.
my $ast;
sub ast {
	return $ast if $ast;
	system('book/make json >&2') == 0 or BAIL_OUT('book/make json failed');
	return $ast = JSON::PP->new->decode(slurp('book/out/quest.json'))->{blocks};
}

# Call for each element below (a hash with t and c); what it returns decides:
# false stops there, true goes on with the inside.
sub walk {
	my ($node, $call) = @_;
	if (ref $node eq 'ARRAY') {
		walk($_, $call) for @$node;
	} elsif (ref $node eq 'HASH') {
		return if defined $node->{t} && !$call->($node);
		walk($node->{c}, $call) if ref $node->{c};
	}
	return;
}

# Where pandoc keeps the attributes of an element: [ id, classes, [ [key, value] ... ] ].
my %at = (Div => 0, Span => 0, CodeBlock => 0, Code => 0, Header => 1, Link => 0,
	  Image => 0, Table => 0);
sub attributes {
	my ($e) = @_;
	my $at = $at{$e->{t}};
	return {} if !defined $at;
	my ($id, undef, $list) = @{$e->{c}[$at]};
	return { '' => $id, map { @$_ } @$list };
}

sub classes {
	my ($e) = @_;
	my $at = $at{$e->{t}};
	return defined $at ? map { $_ => 1 } @{$e->{c}[$at][1]} : ();
}

# The words of an element, without code and citations.
sub text {
	my ($node) = @_;
	my $text = '';
	walk($node, sub {
		my ($e) = @_;
		$text .= $e->{c} if $e->{t} eq 'Str';
		$text .= ' ' if $e->{t} =~ /^(?:Space|SoftBreak|LineBreak)$/;
		$text .= "\x{25a1}" if $e->{t} =~ /^(?:Code|Math|Cite)$/;
		return $e->{t} !~ /^(?:Code|CodeBlock|Math|Cite|Note|Raw\w+)$/;
	});
	return $text;
}

# All chunks in order: { name, file, line, ..., text }.  In the text is what
# the reader has put there: E000 label E001 name E002 is a use of a chunk,
# E003 label E001 name E002 an identifier.
my @chunks;
sub chunks {
	walk(ast(), sub {
		my ($e) = @_;
		my %class = classes($e);
		return 1 if !$class{chunk};
		push @chunks, { %{attributes($e)}, text => $e->{c}[1][0]{c}[1] };
		return 0;
	}) if !@chunks;
	return @chunks;
}

# The sources of the book, in no order: path -> text.
my %source;
sub sources {
	%source = map { $_ => slurp($_) } glob('quest/*/*.nw book/*.nw book/title.yaml')
		if !%source;
	return \%source;
}

# Where these words stand in the sources, as file:line.
sub place {
	my ($words) = @_;
	my $quoted = qr/[`\[]+[^`\[\]]+[`\]]+(?:\{[^}]*\})?/;
	my $pattern = join '[\s>*_]+', map {
		join "(?:$quoted)", map { my $w = quotemeta; $w =~ s/\\['\x{2019}]/['\x{2019}]/g; $w }
			split /\x{25a1}/, $_, -1
	} split ' ', $words;
	my $sources = sources();
	for my $path (sort keys %$sources) {
		next if $sources->{$path} !~ /(?<!\w)(?:\\|[*_])?$pattern(?!\w)/;
		return $path . ':' . (1 + substr($sources->{$path}, 0, $+[0]) =~ tr/\n//);
	}
	return '?';
}

# One test: this list of complaints is empty.
sub none {
	my ($name, @complaints) = @_;
	my $ok = ok !@complaints, $name;
	my @some = @complaints > 25 ? (@complaints[0 .. 19], '...') : @complaints;
	diag(scalar(@complaints) . ":") if !$ok;
	diag "  $_" for @some;
	return $ok;
}

1;
