# Processes that each connect once, as workloads that have just been started do: perl, because forking it is cheap.
#   racers.pl SOCKET REQUEST-FILE LANES SECONDS    as many as it can, LANES at a time; prints how many were answered
#   racers.pl SOCKET REQUEST-FILE COUNT hold       COUNT of them, which stay; prints a line when all were answered
use strict;
use warnings;
use IO::Socket::UNIX;
use Time::HiRes qw(time);

my ($path, $file, $lanes, $seconds) = @ARGV;
open(my $in, '<:raw', $file) or die "$file: $!";
my $request = do { local $/; <$in> };
my $hold = $seconds eq 'hold';
my $end = $hold ? 0 : time + $seconds;
my $end_of_children = $hold ? 16 : $lanes;
my ($started, $running, $answered) = (0, 0, 0);

# Until the first SVID: its SPIFFE ID is in the message as it is.
sub ask {
    my $socket = IO::Socket::UNIX->new(Peer => $path) or return complain("cannot connect: $!");
    alarm 20;
    syswrite $socket, $request;
    my $got = '';
    while (index($got, 'spiffe://') < 0) {
        sysread($socket, $got, 65536, length $got) or return complain('closed after ' . length($got) . " bytes: $!");
    }
    alarm 0;
    return $socket;
}

sub complain { warn "@_\n"; return }

sub race {
    my $pid = fork // die "fork: $!";
    return if $pid;
    exit(ask() ? 0 : 1);
}

sub reap { my $pid = wait; if ($pid > 0) { $running--; $answered++ if $? == 0 } }

if ($hold) {
    pipe(my $read, my $write) or die;
    for my $child (1 .. $lanes) {
        if (!fork) { my $socket = ask() or exit 1; syswrite $write, '.'; sleep 600; exit 0 }
        # A few at a time: this is about those who are there, not about those who come.
        if ($child % $end_of_children == 0) { my $dots = ''; sysread($read, $dots, $end_of_children - length $dots, length $dots) while length $dots < $end_of_children }
    }
    $| = 1;
    print "held\n";
    $SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; kill 'TERM', -getpgrp; exit 0 };
    sleep 600;
} else {
    # A server that is gone answers nobody: ten who got nothing are enough.
    while (time < $end && $started - $running - $answered < 10) {
        while ($running < $lanes) { race(); $running++; $started++ }
        reap();
    }
    reap() while $running > 0;
    print "$answered $started\n";
}
