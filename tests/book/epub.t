#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The EPUB: epubcheck is content with it, all chapters and chunks are there, every link
# leads to what it names, and readers who do not see the pages get what they need.
use strict;
use warnings;
use utf8;
use File::Temp qw(tempdir);
use FindBin qw($Bin);
use lib $Bin;
use Book;
use Test::More;

my $epub = 'book/out/quest.epub';

# It is made here, unless it is newer than all that it is made of.
my @from = grep { -e } 'book/out/quest.json', map { "book/$_" }
	qw(make epub.lua epub.css code.lua figures.lua cover.tex);
my $made = (stat $epub)[9] // 0;
if (!-e 'book/out/quest.json' || grep { (stat)[9] > $made } @from) {
	diag 'making the EPUB, a minute the first time';
	is system('book/make epub > /dev/null'), 0, 'book/make epub' or BAIL_OUT('no EPUB');
}

# (Without its wrapper, for which a machine has to be told how to start a .jar.)
my $jar = '/usr/share/java/epubcheck.jar';
-e $jar or BAIL_OUT("$jar is not there: build/packages check-book");
my $verdict = `java -jar $jar $epub 2>&1`;
is $?, 0, 'epubcheck is content' or diag $verdict;
like $verdict, qr/^No errors or warnings detected/m, '... and does not warn' or diag $verdict;

my $dir = tempdir(CLEANUP => 1);
is system('unzip', '-q', $epub, '-d', $dir), 0, 'it can be unpacked';

# --- Pages: file => { id => what follows it } -------------------------------------------

sub plain {
	my ($html) = @_;
	$html =~ s/<[^>]*>//g;
	my %sign = (amp => '&', lt => '<', gt => '>', quot => '"', '#39' => "'");
	$html =~ s/&(amp|lt|gt|quot|#39);/$sign{$1}/g;
	return $html;
}

my (%page, %id, %home, @twice);
for my $path (glob "$dir/EPUB/nav.xhtml $dir/EPUB/text/*.xhtml") {
	my $html = slurp($path);
	(my $name = $path) =~ s{.*/EPUB/}{};
	$page{$name} = $html;
	while ($html =~ /<\w+\b[^>]*?\sid="([^"]+)"/g) {
		push @twice, "$name#$1" if $id{$name}{$1}++;
		$home{$1} = $name;
	}
}
none 'no name is given twice in a file', @twice;

my ($links, @dead) = (0);
for my $name (sort keys %page) {
	while ($page{$name} =~ /<a\b[^>]*?\shref="([^"]*)"/g) {
		my $target = $1;
		next if $target =~ /^[a-z]+:/;
		$links++;
		my ($file, $at) = $target =~ /^([^#]*)(?:#(.*))?$/;
		$file = $file eq '' ? $name : $name =~ m{^text/} && $file !~ m{/} ? "text/$file" : $file;
		push @dead, "$target in $name"
			if !$page{$file} || defined $at && !$id{$file}{$at};
	}
}
cmp_ok $links, '>', 5000, "there are links: $links";
none 'every link leads somewhere', @dead;

# --- Chapters ---------------------------------------------------------------------------

my @chapters;
walk(ast(), sub {
	my ($e) = @_;
	push @chapters, $e if $e->{t} eq 'Header' && $e->{c}[0] == 1;
	return 1;
});
my ($toc) = $page{'nav.xhtml'} =~ m{<nav epub:type="toc"(.*?)</nav>}s;
none 'all ' . @chapters . ' chapters are in the table of contents', grep {
	$toc !~ /#\Q$_\E"/
} map { $_->{c}[1][0] } @chapters;
my %file = map { $home{$_->{c}[1][0]} // '?' => 1 } @chapters;
is scalar keys %file, scalar @chapters, '... and each has a file of its own';
is_deeply [$toc =~ /Part<?[^<]*? (\d)/g], [1 .. 7], '... and so are the seven parts';
none 'each page has a title', grep { $page{$_} !~ m{<title>(?!ch\d)[^<]+</title>} } keys %page;

# --- Chunks: what is printed is what noweb says --------------------------------------------

my @chunks = chunks();
my %chunk = map { $_->{''} => $_ } @chunks;
sub shown { my ($name) = @_; $name =~ s/\[\[(.*?)\]\]/$1/g; return $name }

# The text of a chunk as it should look, from what the document has.
sub expected {
	my ($c) = @_;
	my $text = '';
	for my $line (split /\n/, $c->{text}, -1) {
		my $column = 0;
		while ($line =~ /\G(?:\x{e000}([^\x{e001}]*)\x{e001}([^\x{e002}]*)\x{e002}
				|\x{e003}[^\x{e001}]*\x{e001}([^\x{e002}]*)\x{e002}|(.))/gx) {
			my ($label, $use, $ident, $sign) = ($1, $2, $3, $4);
			if (defined $use) {
				$text .= '⟨' . shown($use) . ($chunk{$label} ? " $chunk{$label}{num}" : '') . '⟩';
				$column += length $use;
			} elsif (defined $ident) {
				$text .= $ident;
				$column += length $ident;
			} elsif ($sign eq "\t") {
				my $blanks = 8 - $column % 8;
				$text .= ' ' x $blanks;
				$column += $blanks;
			} else {
				$text .= $sign;
				$column++;
			}
		}
		$text .= "\n";
	}
	chomp $text;
	return $text;
}

my (@missing, @other, @unlinked, @astray, %links_to);
my $uses = 0;
for my $c (@chunks) {
	my $at = "$c->{num} <<$c->{name}>>";
	my $html = $page{$home{$c->{''}} // ''} // '';
	my ($whole) = $html =~ m{<div id="\Q$c->{''}\E" class="chunk">(.*?</pre>(?:\s*<div class="foot">.*?</div>)?)}s;
	if (!$whole) {
		push @missing, $at;
		next;
	}
	my ($head) = $whole =~ m{<div class="head">(.*?)</div>}s;
	push @missing, $at if plain($head) !~ /^\s*\Q$c->{num}\E ⟨\Q@{[shown($c->{name})]}\E⟩\+?≡/;
	my ($code) = $whole =~ m{<pre class="code"><code>(.*)</code></pre>}s;
	push @other, $at if plain($code) ne expected($c);
	while ($whole =~ m{<a [^>]*?class="use"[^>]*>(.*?)</a>}gs) {
		my ($text, $tag) = (plain($1), $&);
		my ($to) = $tag =~ /href="[^"]*#([^"]+)"/;
		$uses++;
		push @astray, "$text in $at" if !$chunk{$to} ||
			$text ne '⟨' . shown($chunk{$to}{name}) . " $chunk{$to}{num}⟩";
	}
	for my $where (qw(uses next first)) {
		next if $where eq 'first' && $c->{prev} eq '';
		for my $label (split ' ', $c->{$where}) {
			push @unlinked, "$at: $where" if $whole !~ /href="[^"]*#\Q$label\E"/;
		}
	}
}
none 'all ' . @chunks . ' chunks are there, with number and name', @missing;
none '... and their text is that of the quest', @other;
cmp_ok $uses, '>', 1000, "... which uses other chunks: $uses times";
none '... and each use is a link to the chunk that it names', @astray;
none '... and each chunk leads to where it is used and goes on', @unlinked;

# --- Figures, and who does not see them -------------------------------------------------------

my $figures = 0;
walk(ast(), sub {
	my ($e) = @_;
	my %class = classes($e);
	$figures++ if $e->{t} eq 'CodeBlock' && ($class{tikz} || $class{dot});
	return 1;
});
my (@dumb, @lost);
my $images = 0;
for my $name (grep { m{^text/ch} } sort keys %page) {
	while ($page{$name} =~ /<img\b[^>]*>/g) {
		my $tag = $&;
		$images++;
		push @dumb, "$tag in $name" if $tag !~ /\salt="[^"]+"/;
		my ($source) = $tag =~ /\ssrc="([^"]+)"/;
		push @lost, "$tag in $name" if !-s "$dir/EPUB/text/$source";
	}
}
cmp_ok $images, '>=', $figures, "all $figures figures are there";
none '... with their alternative texts', @dumb;
none '... and their drawings', @lost;

my $opf = slurp("$dir/EPUB/content.opf");
for my $property (qw(accessMode accessModeSufficient accessibilityFeature accessibilityHazard
		accessibilitySummary)) {
	like $opf, qr{<meta property="schema:$property">[^<]+</meta>}, "it says $property";
}
like $opf, qr{<dc:$_\b[^>]*>[^<]+</dc:$_>}, "it has a $_"
	for qw(title language rights identifier creator);
like $opf, qr/properties="cover-image"/, '... and a cover';
like `unzip -Z1 $epub`, qr/\Amimetype\n/, 'what it is comes first in it';

done_testing;
