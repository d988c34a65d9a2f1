# Connections that die: ROUNDS processes of COUNT connections each; every connection sends the request up to a point of
# its own, some hang up, the others lose their process. Prints how many connections there were.
use strict; use warnings; use IO::Socket::UNIX; use POSIX ();
my ($path, $request, $rounds, $count, $seed) = @ARGV;
my $bytes = pack 'H*', $request;
my $made = 0;
for my $round (1 .. $rounds) {
  my $child = fork() // die "fork: $!";
  if (!$child) {
    srand($seed * 1_000_003 + $round);
    my @open;
    for (1 .. $count) {
      my $socket = IO::Socket::UNIX->new(Peer => $path) or POSIX::_exit(1);
      my $part = int rand(length($bytes) + 1);
      syswrite $socket, $bytes, $part if $part;
      sysread $socket, my $answer, 65536 if $part == length($bytes);
      rand() < 0.5 ? close($socket) : push(@open, $socket);
    }
    kill 'KILL', $$ if rand() < 0.5;
    POSIX::_exit(0);
  }
  waitpid $child, 0;
  die "a caller could not connect\n" if ($? >> 8) == 1;
  $made += $count;
}
print "$made\n";
