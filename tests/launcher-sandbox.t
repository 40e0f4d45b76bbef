#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Launcher's cage: what a Launcher could do that its Guest has taken over.
# tests/launcher/take-over.c makes its threads do it; the module is played by
# tests/launcher/fake-module.c.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Cases;
use Fake;
use Test::More;

my $dir = fake_dir();
$ENV{XDG_RUNTIME_DIR} = $dir;
my $here = abs_path(dirname(__FILE__));
system('gcc', qw(-O2 -shared -fPIC -Wall -Wextra -Werror -Wno-unused-result),
       "-I$here/../host/include", '-o', "$dir/take-over.so",
       "$here/launcher/take-over.c", '-ldl') == 0 or die "cannot compile\n";

sub attempt {
	my ($class, $what, @options) = @_;
	unlink "$dir/file";
	if ($what eq 'unlink') {
		open my $file, '>', "$dir/file" or die "file: $!";
	}
	my $pid = start(guest => $class eq 'main' ? 'reboots' : 'talks', options => \@options,
			setup => sub {
				$ENV{TAKE_OVER} = "$class $what";
				$ENV{TAKE_OVER_FILE} = "$dir/file";
				$ENV{PRELOAD_FIRST} = "$dir/take-over.so";
			});
	my $status = finish($pid) // 'timeout';
	my ($returned) = slurp("$dir/err") =~ / returned (-?\d+)/;
	is(!-e "$dir/file", $what ne 'unlink', "$class: no file appeared or disappeared")
		if $what eq 'unlink' || $what eq 'create';
	return ($status, $returned);
}

my @attempts = do {
	open my $in, '<', "$here/launcher/take-over.c" or die "take-over.c: $!";
	local $/;
	<$in> =~ /\{ "([\w-]+)", try_/g;
};
cmp_ok(scalar @attempts, '>', 30, 'there is a lot to try: ' . @attempts);

# With the cage open they do what they should: the test can tell the difference.
for my $class (qw(vcpu queue main)) {
	my ($status, $returned) = attempt($class, 'open', '--sandbox', 'off');
	is($status, 77, "an open cage: $class opens a file");
	cmp_ok($returned // -1, '>=', 0, '... which succeeds');
	($status, $returned) = attempt($class, 'fork', '--sandbox', 'off');
	cmp_ok($returned // -1, '>', 0, "an open cage: $class forks");
	($status, $returned) = attempt($class, 'code', '--sandbox', 'off');
	cmp_ok(abs($returned // 0), '>', 4096, "an open cage: $class maps code");
}

# The main thread may still open one file and remove one, and Landlock looks which;
# a kernel without it cannot. A thread cannot be told from a process in clone3, so
# there is no such call.
my $landlock = syscall(444, 0, 0, 1) > 0;
my %instead = (
	'main open' => [77, -13], 'main create' => [77, -13], 'main unlink' => [77, -13],
	'main clone3' => [77, -38], 'vcpu clone3' => [77, -38],
	map { ("$_ nothing" => [77, 0]) } qw(main vcpu queue),
);
for my $class (qw(vcpu queue main)) {
	for my $what (@attempts) {
		my $expected = $instead{"$class $what"};
		SKIP: {
			skip "$class $what: this kernel has no Landlock", 1
				if $expected && ($expected->[1] // 0) == -13 && !$landlock;
			my ($status, $returned) = attempt($class, $what);
			if ($expected) {
				is("$status, " . ($returned // 'nothing'),
				   "$expected->[0], $expected->[1]", "D20: $class $what, as it should be");
			} else {
				is($status, -31, "D20: $class $what, the Launcher dies of it");
			}
		}
	}
}
done_testing;
