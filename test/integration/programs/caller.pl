# A workload that is nothing but a socket: connects, sends the bytes it is given in hex, prints the SPIFFE IDs it is sent,
# one for each line, "closed" at the end of the connection, and goes when its standard input ends.
use strict; use warnings; use IO::Socket::UNIX; use IO::Select;
$| = 1;
my ($path, $request) = @ARGV;
my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
print $socket pack('H*', $request); $socket->flush;
my ($seen, %told) = ('');
my $select = IO::Select->new($socket, \*STDIN);
while (my @ready = $select->can_read(60)) {
  for my $handle (@ready) {
    exit 0 if $handle == \*STDIN;
    my $n = sysread($socket, my $more, 65536);
    if (!$n) { print "closed\n"; $select->remove($socket); next }
    $seen .= $more;
    while ($seen =~ m{\x0a.(spiffe://[a-z0-9.-]+/[a-zA-Z0-9/_-]+)\x12}gs) { print "$1\n" unless $told{$1}++ }
  }
}
