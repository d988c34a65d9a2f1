# Processes of as many users, each with one stream: perl, because forking it is cheap.
#   tenants.pl SOCKET REQUEST-FILE COUNT FIRST-UID     a line for each message: NUMBER MILLISECONDS AUTHORITY…, one for each SVID
use strict;
use warnings;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($path, $file, $count, $first) = @ARGV;
open(my $in, '<:raw', $file) or die "$file: $!";
my $request = do { local $/; <$in> };
my $at_once = 16;

pipe(my $read, my $write) or die;
for my $number (0 .. $count - 1) {
    if (!fork) { follow($number); exit 1 }
    # A few at a time: this is about those who are there, not about those who come.
    next if ($number + 1) % $at_once;
    my $dots = '';
    sysread($read, $dots, $at_once - length $dots, length $dots) while length $dots < $at_once;
}
$SIG{TERM} = sub { $SIG{TERM} = 'IGNORE'; kill 'TERM', -getpgrp; exit 0 };
sleep 600;

sub follow {
    my ($number) = @_;
    my $uid = $first + $number;
    $) = "$uid $uid";
    POSIX::setgid($uid);
    POSIX::setuid($uid);
    my $socket = IO::Socket::UNIX->new(Peer => $path) or return warn "cannot connect: $!\n";
    syswrite $socket, $request;
    my ($heard, $data, $known) = ('', '', 0);
    while (sysread($socket, $heard, 65536, length $heard)) {
        while (length $heard >= 9) {
            my $length = unpack 'N', "\0" . substr $heard, 0, 3;
            last if length $heard < 9 + $length;
            my $frame = substr $heard, 0, 9 + $length, '';
            $data .= substr $frame, 9 if ord(substr $frame, 3, 1) == 0;
        }
        while (length $data >= 5) {
            my $length = unpack 'N', substr $data, 1, 4;
            last if length $data < 5 + $length;
            my $message = substr $data, 0, 5 + $length, '';
            tell_of($number, substr $message, 5);
            syswrite $write, '.' unless $known++;
        }
    }
    warn "the stream of $uid ended\n";
}

sub tell_of {
    my ($number, $message) = @_;
    my $ms = clock_gettime(CLOCK_MONOTONIC) * 1000;
    my @authorities = map { authority_of($_->[1]) } grep { $_->[0] == 1 } fields($message);
    # Shorter than what a pipe takes whole.
    syswrite STDOUT, join(' ', $number, $ms, @authorities) . "\n";
}

# Of an X509SVID: in its certificate, the key identifier of who signed it (RFC 5280 section 4.2.1.1).
sub authority_of {
    my ($chain) = map { $_->[1] } grep { $_->[0] == 2 } fields($_[0]);
    return $chain =~ /\x06\x03\x55\x1d\x23\x04\x18\x30\x16\x80\x14(.{20})/s ? unpack 'H*', $1 : 'nobody';
}

# Length-delimited fields of a protobuf message, which are all that these messages have.
sub fields {
    my ($message) = @_;
    my ($at, @found) = (0);
    while ($at < length $message) {
        my $tag = varint($message, \$at);
        my $length = varint($message, \$at);
        push @found, [$tag >> 3, substr $message, $at, $length];
        $at += $length;
    }
    return @found;
}

sub varint {
    my ($message, $at) = @_;
    my ($value, $shift) = (0, 0);
    while (1) {
        my $byte = ord substr $message, $$at++, 1;
        $value |= ($byte & 0x7f) << $shift;
        return $value if $byte < 0x80;
        $shift += 7;
    }
}
