#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Launcher's manners: help, versions, usage errors, exit statuses, and what
# it says when there is no module.  Needs no /dev/lguest and builds nothing.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use lib dirname(abs_path(__FILE__));
use Fake qw(make_kernel);
use File::Temp qw(tempdir);
use Test::More;

my $top = dirname(__FILE__) . '/..';
my $lguest = $ENV{LGUEST} // "$top/host/launcher/lguest";
die "$lguest is missing: run make launcher\n" if !-x $lguest;
my $dir = tempdir(CLEANUP => 1);

# A string is a shell command with $L for the Launcher.
sub run {
	my ($command) = @_;
	local $ENV{L} = $lguest;
	my $out = `($command) 2>$dir/err </dev/null`;
	my $status = $? & 127 ? -($? & 127) : $? >> 8;
	local (@ARGV, $/) = "$dir/err";
	return ($status, $out, scalar(<>) // '');
}

sub says {
	my ($what, $command, $status, $out, $err) = @_;
	my ($s, $o, $e) = run($command);
	my $good = ok($s == $status && $o =~ $out && $e =~ $err, $what);
	diag("$command\nstatus $s\nstdout: $o\nstderr: $e") if !$good;
}

my $none = qr/\A\z/;

# --- Help -------------------------------------------------------------------------

says('--help', '$L --help', 0,
     qr/^usage: lguest COMMAND.*^  run .*^  version .*^exit status:.*^  0 .*^  128\+n/ms, $none);
says('help', '$L help', 0, qr/^usage: lguest COMMAND/, $none);
says('no words', '$L', 2, $none, qr/^usage: lguest COMMAND/);
says('run --help', '$L run --help', 0,
     qr/^usage: lguest run.*--kernel FILE.*--initrd.*--memory SIZE.*--console.*exit status/s, $none);
says('run -h', '$L run -h', 0, qr/^usage: lguest run/, $none);
says('--help after other options', '$L run --memory 64M --help', 0, qr/^usage/, $none);
says('version', '$L version', 0,
     qr/\Alguest \S+ \(module interface \d+, Guest interface \d+\)\n\z/, $none);
says('--version', '$L --version', 0, qr/^lguest /, $none);

# Each option that --help knows is in the manual, and the other way round.
{
	my (undef, $help) = run('$L run --help');
	my %help = map { $_ => 1 } $help =~ /^  --([\w-]+)/mg;
	my $manual = "$top/host/launcher/lguest.1";
	ok(-e $manual, 'there is a manual');
	open my $in, '<', $manual or die "$manual: $!";
	my $text = do { local $/; <$in> };
	$text =~ s/\\-/-/g;
	my @missing = grep { $text !~ /--\Q$_\E\b/ } sort keys %help;
	is("@missing", '', 'the manual has every option');
	my @unknown = grep { !$help{$_} && $_ ne 'help' }
		$text =~ /--([a-z][\w-]*)/g;
	is("@unknown", '', 'and no other');
	SKIP: {
		skip 'no man here', 1 if system('command -v man >/dev/null 2>&1') != 0;
		is(`MANROFFSEQ= LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l -Tutf8 $manual 2>&1 >/dev/null`,
		   '', 'and man has nothing to complain of');
	}
}

# --- Usage errors: one line, status 2 ------------------------------------------------

my @wrong = (
	['launch', qr/no command 'launch'/],
	['--frob', qr/no command '--frob'/],
	['version now', qr/nobody asked for 'now'/],
	['help run', qr/nobody asked for 'run'/],
	['run', qr/which --kernel\?/],
	['run vmlinux', qr/nobody asked for 'vmlinux'/],
	['run --kernel', qr/'--kernel' needs a value/],
	['run --frob', qr/no option '--frob'/],
	['run -x', qr/no option '-x'/],
	['run --kern vmlinux', qr/no option '--kern'/],
	['run --kern=vmlinux', qr/no option '--kern=vmlinux'/],
	['run --stats=1', qr/'--stats=1' takes no value/],
	['run --kernel a b', qr/nobody asked for 'b'/],
	['run --memory 64', qr/at least 32M/],
	['run --memory 31M', qr/at least 32M/],
	['run --memory lots', qr/is not a size/],
	['run --memory -64M', qr/is not a size/],
	['run --memory "" ', qr/is not a size/],
	['run --memory 64MB', qr/is not a size/],
	['run --memory 64.5M', qr/is not a size/],
	['run --memory 99999999999999999999', qr/is not a size/],
	['run --memory 16777216T', qr/is not a size/],
	['run --memory 67108865', qr/multiple of 4K/],
	['run --memory 1000T', qr/the Host has only \d+M/],
	['run --vcpus 2', qr/more than 1 vCPU is not possible yet/],
	['run --vcpus 0', qr/not a number of processors/],
	['run --vcpus two', qr/not a number of processors/],
	['run --vcpus 1x', qr/not a number of processors/],
	['run --console stdout', qr/must be stdio, .* or none/],
	['run --console to=stdout', qr/must be stdio, .* or none/],
	['run --console to', qr/must be stdio, .* or none|'to' needs a value/],
	['run --console stdio,frob=1', qr/'frob=1' is not known/],
	['run --console stdio,', qr/'' is not known/],
	['run --console stdio,to=stdio', qr/'to' is there twice/],
	['run --console to=stdio,,', qr/must be stdio, .* or none/],
	['run --kernel /nonexistent', qr{^lguest: /nonexistent: cannot open: No such file}],
);
for (@wrong) {
	my ($words, $err) = @$_;
	says($words, "\$L $words", 2, $none, qr/\A(?=lguest: [^\n]*\n\z).*$err/s);
}

says('a command without a kernel', '$L run -- true', 125, $none, qr/\Alguest: which --kernel\?[^\n]*\n\z/);
says('a command with a kernel that is none', '$L run --kernel /nonexistent -- true --help', 125, $none,
     qr{\Alguest: /nonexistent: cannot open: No such file[^\n]*\n\z});

# --- A file with options -----------------------------------------------------------

sub config {
	my ($text) = @_;
	open my $out, '>', "$dir/config" or die "config: $!";
	print $out $text;
	close $out;
	return "run --config $dir/config";
}
my @configs = (
	['{"kernel": "/nonexistent"}', qr{/nonexistent: cannot open}],
	['{"kernel": "/nonexistent", "memory": "31M"}', qr/at least 32M/],
	['{"memory": "64M", "kernel": ["/one", "/nonexistent"], "vcpus": 1}', qr{/nonexistent: cannot}],
	['{"vcpus": 2}', qr/more than 1 vCPU is not possible yet/],
	['{"memory": 67108864}', qr/'memory' is not a number/],
	['{"console": ["stdio", "stdio", "stdout"]}', qr/must be stdio, .* or none/],
	['{"stats": "yes"}', qr/'stats' must be true or false/],
	['{"kernel": "/nonexistent", "root": "/"}', qr/--root is for a command/],
	['{"kernel": {"path": "x"}}', qr/'kernel' must be a string/],
	['{"kernel": [["x"]]}', qr/'kernel' must be a string/],
	['{"kernel": null}', qr/'kernel' must be a string/],
	['{"frob": "x"}', qr/there is no option 'frob'/],
	['{"config": "x"}', qr/there is no option 'config'/],
	['{"kernel": "a", "kernel": "b"}', qr/config:1: dup/],
	["{\n\n\"kernel\": }", qr/config:3: /],
	['["kernel"]', qr/config:1: is not an object/],
	['', qr/config:1: /],
	['{"kernel": "a\u0000b"}', qr/config:1: /],
	['{"stats": false, "dry-run": true}', qr/which --kernel\?/],
);
for (@configs) {
	my ($text, $err) = @$_;
	says("config $text", '$L ' . config($text), 2, $none, qr/\A(?=lguest: [^\n]*\n\z).*$err/s);
}
says('no such config', "\$L run --config $dir/none", 2, $none, qr/none:-1: unable to open/);
says('two configs', '$L ' . config('{}') . " --config $dir/config", 2, $none, qr/there is one already/);
says('what comes later wins', '$L ' . config('{"kernel": "/one"}') . ' --kernel /nonexistent', 2, $none,
     qr{/nonexistent: cannot open});

# --- Other trouble ---------------------------------------------------------------------

says('help to a full disk', '$L --help >/dev/full', 1, $none,
     qr/^lguest: cannot write to standard output: No space left/);
says('all standard files closed', '$L --help >&- 2>&- <&-', 0, $none, $none);

# A kernel that could run, if there were a module.
my $good = make_kernel("$dir/vmlinux");
says('a dry run', "\$L run --dry-run --kernel $good", 0, qr/^entry: 0xffffffff81000000$/m, $none);
says('a dry run to a full disk', "\$L run --dry-run --kernel $good >/dev/full", 1, $none,
     qr/cannot write/);
SKIP: {
	skip 'there is a /dev/lguest', 1 if -e '/dev/lguest';
	says('no module', "\$L run --kernel $good", 1, $none,
	     qr{\Alguest: cannot open /dev/lguest: No such file or directory; is the module loaded\?[^\n]*\n\z});
}
says('too little address space', "ulimit -v 60000; \$L run --dry-run --kernel $good", 1, $none,
     qr/^lguest: cannot get 64 MB of memory for the Guest: Cannot allocate memory\n/)
	if !defined $ENV{LGUEST};	# sanitizers want terabytes

done_testing();
