#!/usr/bin/perl
# A program of a language that has no runtime here: the Procfile says how it is started.
use strict;
use warnings;
use IO::Socket::INET;

$| = 1;
$SIG{TERM} = sub { exit 0 };
my $port = $ENV{PORT};
my $server = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => $port, Listen => 64, ReuseAddr => 1)
  or die "cannot listen on port $port: $!\n";
print "procfile example: ready on port $port\n";

while (my $client = $server->accept) {
  my $request = <$client> // next;
  while (defined(my $line = <$client>)) { last if $line =~ /^\r?\n$/ }
  $request =~ s/\s+$//;
  print "procfile example: $request\n";
  my $text = "Hello from a Procfile\n";
  print $client "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\n",
    "content-length: ", length $text, "\r\nconnection: close\r\n\r\n", $text;
  close $client;
}
