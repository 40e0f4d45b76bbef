#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The Debian packages: they are built, installed in a fresh Debian of its own (a
# chroot, where DKMS builds the module for the stock kernel), run, and removed again;
# and nothing of them is left.
#
# Needs root for the chroot, and the Debian mirror of this machine the first time; what
# it has fetched is kept in ${XDG_CACHE_HOME:-~/.cache}/lguest.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use FindBin qw($Bin);
use lib $Bin;
use Test::More;
use Try;

plan skip_all => 'a chroot needs root' if $> != 0;

my $scratch = scratch();

# Returns the status and what was printed.
sub run {
	my (@command) = @_;
	my $pid = open(my $from, '-|') // die "fork: $!";
	if (!$pid) {
		open STDERR, '>&', \*STDOUT;
		open STDIN, '<', '/dev/null';
		exec @command;
	}
	local $/;
	my $text = <$from> // '';
	close $from;
	return ($? >> 8, $text);
}

my ($status, $text) = run('make', '-C', $TOP, 'deb');
is $status, 0, 'make deb' or diag $text;
my @debs = grep { !/dbgsym/ } glob "$TOP/build/out/deb/*.deb";
is scalar @debs, 2, 'makes two packages';

# A Debian with what ours depend on, so that no network is needed later.
my $packages = join ',', qw(dkms linux-headers-amd64 libbz2-1.0 libcap-ng0 libjansson4
	liblz4-1 liblzma5 libseccomp2 libzstd1 zlib1g kmod systemd-standalone-sysusers
	liburing2);
my $cache = ($ENV{XDG_CACHE_HOME} // "$ENV{HOME}/.cache") . '/lguest';
my $key = substr sha256_hex($packages . slurp('/etc/debian_version')), 0, 12;
my $tar = "$cache/chroot-$key.tar";
if (!-e $tar) {
	note 'fetching a Debian, some minutes';
	system 'mkdir', '-p', $cache;
	($status, $text) = run('mmdebstrap', '--mode=root', '--format=tar', '--variant=apt',
		"--include=$packages", 'bookworm', "$tar.new");
	is $status, 0, 'a Debian is made' or diag $text;
	rename "$tar.new", $tar;
}
my $root = "$scratch/root";
mkdir $root;
($status, $text) = run('tar', '-C', $root, '-xf', $tar);
is $status, 0, '... and unpacked' or BAIL_OUT($text);
system 'cp', @debs, "$root/tmp";

# With /proc and /dev, which DKMS needs, and which nobody else sees.
sub inside {
	return run('unshare', '--mount', '--pid', '--fork', 'sh', '-c',
		   'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" &&
		   exec chroot "$0" "$@"', $root, 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
		   'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C', @_);
}

# All files, without what dpkg and DKMS note down about what they did.
sub files {
	my (undef, $all) = inside('find', '/', '-xdev', '(', '-path', '/var/log', '-o', '-path',
		'/var/lib/dpkg', '-o', '-path', '/var/cache', '-o', '-path', '/proc', '-o',
		'-path', '/tmp', ')', '-prune', '-o', '-print');
	return map { $_ => 1 } split /\n/, $all;
}

my %before = files();
($status, $text) = inside('sh', '-c', 'dpkg -i /tmp/*.deb');
is $status, 0, 'both can be installed' or diag $text;
($status, $text) = inside('dkms', 'status', 'lguest');
like $text, qr{lguest/\S+, 6\.1\.\S+, x86_64: installed}, 'DKMS has built the module';
my ($module) = split /\n/, (inside('find', '/lib/modules', '-name', 'lg.ko*'))[1];
($status, $text) = inside('modinfo', '-F', 'vermagic', $module // 'none');
like $text, qr/^6\.1\.\S+ SMP preempt mod_unload/, '... for the stock kernel';
($status, $text) = inside('lguest', 'version');
is $status, 0, 'lguest runs';
($status, $text) = inside('lguest', 'run', '--kernel', '/dev/null');
is $status, 2, '... and looks at its kernel';
like((inside('getent', 'group', 'lguest'))[1], qr/^lguest:/, 'there is a group lguest');
ok -e "$root/usr/lib/udev/rules.d/60-lguest.rules", 'and a rule for /dev/lguest';
ok -e "$root/usr/share/man/man1/lguest.1.gz", 'a manual';
ok -e "$root/usr/share/bash-completion/completions/lguest", 'and a completion';

($status, $text) = inside('dpkg', '--purge', 'lguest', 'lguest-dkms');
is $status, 0, 'both can be removed' or diag $text;
my @left = grep { !$before{$_} } sort keys %{{files()}};
# A group is never taken away: files of its members may still be there.
@left = grep { !m{^/etc/(group|gshadow)-$|^/(usr/)?lib/modules/[^/]+/modules\.} } @left;
is "@left", '', 'and nothing is left of them';
done_testing;
