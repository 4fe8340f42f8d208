# SPDX-License-Identifier: Apache-2.0
# One VM with the guest of tests/live/guest, and everything that is joined to it: streams in both directions, a peer on the
# network, the control UART, the supervisor's messages. pump() moves the bytes of all of them.
package Vm;
use strict;
use warnings;
use Errno qw(EAGAIN EINTR EPIPE ECONNRESET);
use Fcntl;
use IO::Socket::UNIX;
use Socket;
use POSIX ();
use Time::HiRes qw(time);
use Streams;

our %MODEL = (uart0 => 'pl011', rtc => 'pl031', disk0 => 'virtio-blk', net0 => 'virtio-net', con0 => 'virtio-console',
	rng0 => 'virtio-rng');
my $AHEAD = 8192;      # bytes of input that are made ahead
my $ON_THE_WAY = 16384;
my $NET_QUEUE = 262144; # beyond that frames are dropped, as on any wire
my $DATA = pack 'C*', map { ($_ * 167 >> 3) & 255 } 0 .. 4095;

# new(bindir, guest, dir, option...): starts it, and returns when the guest is ready.
sub new {
	my ($class, $bindir, $guest, $dir, %o) = @_;
	my $self = bless {
		bin => $bindir, dir => $dir, o => \%o, log => '', messages => [], pid => {}, errors => [], status => {},
		control => '', said => 0, resent => 0, frames => 0, net_in => '', net_out => '', shorts => [], deaths => {},
		serves => {}, done => 0, child_out => '',
		uart => Streams->new('uart0, output', 0x2222), uart_in => Streams->new('uart0, input', 0x1111),
		con => Streams->new('con0, output', 0x4444), con_in => Streams->new('con0, input', 0x3333),
	}, $class;
	$self->{out} = { map { $_ => '' } qw(uart con ctl) };
	$self->{in_sent} = { uart => 0, con => 0 };
	$self->{in_stop} = 1;    # the guest's first write to LCR_H empties the FIFO
	$self->start($guest);
	return $self;
}

sub config {
	my ($self, $guest) = @_;
	my %o = %{$self->{o}};
	my $each = "deadline: 60s, restart_window: 0s, ";
	my $ring = "packed: $o{packed}, event_idx: $o{event_idx}, indirect: $o{indirect}";
	my $virtio = "$each dma: $o{dma}";
	open my $f, '>', "$self->{dir}/disk.img" or die;
	truncate $f, 2048 * 4096;
	close $f;
	open $f, '>', "$self->{dir}/vm.yaml" or die;
	print $f <<"END";
machine: aarch64-virt
engine: soft
memory: 64M
cpus: 1
kernel: $guest
devices:
  - {name: uart0, model: pl011, $each options: {chardev: stdio}}
  - {name: rtc, model: pl031, deadline: 60s, restart_window: 0s}
  - {name: disk0, model: virtio-blk, $virtio, options: {path: $self->{dir}/disk.img, queue_size: 64, cache: $o{cache}, aio: $o{aio}, $ring}}
  - {name: net0, model: virtio-net, $virtio, options: {net: "socket:$self->{dir}/net", $ring}}
  - {name: con0, model: virtio-console, $virtio, options: {chardev: pty, $ring}}
  - {name: rng0, model: virtio-rng, $virtio, options: {$ring}}
  - {name: ctl, model: pl011, address: 0x09040000, irq: 8, options: {chardev: console}}
END
	close $f;
}

sub nonblock {
	my ($fh) = @_;
	my $flags = fcntl($fh, F_GETFL, 0);
	fcntl($fh, F_SETFL, $flags | O_NONBLOCK);
	binmode $fh;
	return $fh;
}

# spawn(stdin, stdout, stderr, command...): its pid.
sub spawn {
	my ($in, $out, $err, @command) = @_;
	my $pid = fork;
	die "fork: $!" unless defined $pid;
	return $pid if $pid;
	open STDIN, '<&', $in;
	open STDOUT, '>&', $out;
	open STDERR, '>&', $err;
	exec @command or POSIX::_exit(127);
}

sub start {
	my ($self, $guest) = @_;
	$self->config($guest);
	my $listen = IO::Socket::UNIX->new(Local => "$self->{dir}/net", Listen => 4) or die "net: $!";
	pipe my $in_r, my $in_w or die;
	pipe my $out_r, my $out_w or die;
	pipe my $err_r, my $err_w or die;
	$self->{sup} = spawn($in_r, $out_w, $err_w, "$self->{bin}/outrigger", 'run', "$self->{dir}/vm.yaml", '--name', 'live');
	close $_ for $in_r, $out_w, $err_w;
	$self->{fh} = { uart_r => nonblock($out_r), uart_w => nonblock($in_w), err => nonblock($err_r), listen => nonblock($listen) };
	$self->until(sub { $self->{log} =~ /running: / || $self->{done} }, 60, 'the VM runs') or return;
	my $path = "$ENV{XDG_RUNTIME_DIR}/outrigger/live/console.ctl";
	$self->{fh}{ctl_r} = $self->{fh}{ctl_w} = nonblock(IO::Socket::UNIX->new(Peer => $path) // die "$path: $!");
	# Not `outrigger console`, whose clients may be too slow and lose bytes.
	$self->{log} =~ m{(/dev/pts/\d+)} or die "no pty in: $self->{log}";
	system('stty', '-F', $1, 'raw', '-echo') == 0 or die "stty: $?";
	sysopen my $pty, $1, O_RDWR | O_NOCTTY or die "$1: $!";
	$self->{fh}{con_r} = $self->{fh}{con_w} = nonblock($pty);
	$self->until(sub { $self->{ready} }, 60, 'the guest is ready');
	$self->{in_stop} = 0;
	$self->pids;
}

sub bad {
	my ($self, $text) = @_;
	push @{$self->{errors}}, $text;
}

# pids: of all processes, by `ps`.
sub pids {
	my ($self) = @_;
	my ($code, $text) = $self->command(30, 'ps', '--json', 'live');
	$self->{hv} = $1 if $text =~ /"hv": \{\s*"pid": (\d+)/;
	while ($text =~ /"name": "(\w+)",\s*"pid": (\d+)[^{}]*?"state": "(\w+)"/g) {
		$self->{pid}{$1} = $2;
		$self->{state}{$1} = $3;
	}
	return $code == 0 && keys %{$self->{pid}} == 7;
}

# ---- what comes in ----------------------------------------------------------------------------------------

sub line_err {
	my ($self, $line) = @_;
	$self->{log} .= "$line\n";
	if ($line =~ /(\w+) \(\S+, pid (\d+)\) ended with (.*?): it is started/) {
		$self->{deaths}{$1}++;
	} elsif ($line =~ /(\w+): \S+ spawned, pid (\d+)/) {
		$self->{spawned}{$1} = $2;
	} elsif ($line =~ /(\w+) \(\S+\) serves again after [\d.]+ ms, pid (\d+)/) {
		$self->{pid}{$1} = $2;
		$self->{serves}{$1}++;
	}
	$self->bad($line) if $line =~ /quarantined| is dead|cannot be started|policy:/;
	substr($self->{log}, 0, 32768, '') if length $self->{log} > 65536;
}

sub line_ctl {
	my ($self, $line) = @_;
	if ($line =~ /^ready/) {
		$self->{ready} = 1;
	} elsif ($line =~ /^E (.*)/) {
		$self->bad("the guest says: $1");
	} elsif ($line =~ /^L (\w+) (\d+) (\d+)/) {
		push @{$self->{"$1_in"}{lost}}, [$2, $3];
	} elsif ($line =~ /^R net (\d+)/) {
		$self->{resent} += $1;
	} elsif ($line =~ /^([SQ]) (.*)/) {
		$self->{status} = { map { split /=/ } split / /, $2 };
		$self->{said}++;
		$self->{quit} = 1 if $1 eq 'Q';
	} else {
		$self->bad("the guest's control line makes no sense: $line");
	}
}

sub lines {
	my ($self, $key, $data, $take) = @_;
	$self->{"part_$key"} .= $data;
	$take->($self, $1) while $self->{"part_$key"} =~ s/^(.*?)\r?\n//;
}

sub frame {
	my ($self, $f) = @_;
	my $seq = unpack 'V', substr $f, 34, 4;
	my $n = 46 + (($seq * 2654435761) & 0xffffffff) % 1354;
	my $want = substr $DATA, ($seq * 31 + 4) % 2048, $n - 4;
	if (length $f != 34 + $n || substr($f, 38) ne $want) {
		$self->bad(sprintf 'net0: frame %d of %d bytes is not what the guest sent', $seq, length $f);
		return;
	}
	$self->{frames}++;
	$self->{net_out} .= pack('N', length $f) . $f if length $self->{net_out} < $NET_QUEUE;
}

sub came {
	my ($self, $key, $data) = @_;
	if ($key eq 'err') {
		$self->lines('err', $data, \&line_err);
	} elsif ($key eq 'ctl_r') {
		$self->lines('ctl', $data, \&line_ctl);
	} elsif ($key eq 'uart_r') {
		$self->{uart}->take($data);
	} elsif ($key eq 'con_r') {
		$self->{con}->take($data);
	} elsif ($key eq 'cmd') {
		$self->{child_out} .= $data;
	} elsif ($key eq 'net') {
		$self->{net_in} .= $data;
		while (length $self->{net_in} >= 4) {
			my $n = unpack 'N', $self->{net_in};
			if ($n > 70000) {
				$self->bad("net0: a frame of $n bytes");
				$self->{net_in} = '';
				last;
			}
			last if length $self->{net_in} < 4 + $n;
			$self->frame(substr $self->{net_in}, 4, $n);
			substr $self->{net_in}, 0, 4 + $n, '';
		}
	}
	for (qw(uart con)) {
		$self->bad($_) for splice @{$self->{$_}{errors}};
	}
}

# ---- the loop -------------------------------------------------------------------------------------------------

sub feed {
	my ($self) = @_;
	for my $s (qw(uart con)) {
		next if $self->{in_stop} || length $self->{out}{$s} > 4096;
		my $st = $self->{"${s}_in"};
		# No more on the way than the guest takes within seconds, also on a machine that is slow.
		if ($st->{pos} - ($self->{status}{"${s}_in"} // 0) > $ON_THE_WAY) {
			if (time > ($self->{asked} // 0) + 0.2) {
				$self->{asked} = time;
				$self->{out}{ctl} .= 's';
			}
			next;
		}
		$self->{out}{$s} .= $st->bytes($st->{pos}, $AHEAD);
		$st->{pos} += $AHEAD;
	}
}

sub gone {
	my ($self, $key) = @_;
	my $fh = delete $self->{fh}{$key};
	$self->{done} = 1 if $key eq 'err';
}

sub pump {
	my ($self, $seconds) = @_;
	if (my $at = $self->{at}) {    # [time, what is then to be done]
		if (time >= $at->[0]) {
			delete $self->{at};
			$at->[1]->();
		} elsif ($at->[0] - time < $seconds) {
			$seconds = $at->[0] - time;
		}
	}
	$self->feed;
	my ($r, $w) = ('', '');
	my $fh = $self->{fh};
	my %out = (uart_w => \$self->{out}{uart}, con_w => \$self->{out}{con}, ctl_w => \$self->{out}{ctl}, net => \$self->{net_out});
	for my $key (keys %$fh) {
		vec($r, fileno $fh->{$key}, 1) = 1 if $key !~ /_w$/;
		vec($w, fileno $fh->{$key}, 1) = 1 if $out{$key} && length ${$out{$key}};
	}
	return if select($r, $w, undef, $seconds) <= 0;
	for my $key (keys %$fh) {
		next unless $fh->{$key};
		my $n = fileno $fh->{$key};
		if ($key eq 'listen') {
			next unless vec($r, $n, 1);
			my $c = $fh->{listen}->accept or next;
			if ($fh->{net}) { push @{$self->{spare}}, $c } else { $fh->{net} = nonblock($c) }
			next;
		}
		if ($key !~ /_w$/ && vec($r, $n, 1)) {
			my $got = sysread $fh->{$key}, my $data, 65536;
			if ($got) { $self->came($key, $data) }
			elsif (defined $got || ($! != EAGAIN && $! != EINTR)) { $self->gone($key); next }
		}
		if ($out{$key} && vec($w, $n, 1) && length ${$out{$key}}) {
			my $put = syswrite $fh->{$key}, ${$out{$key}}, 65536;
			if ($put) { substr ${$out{$key}}, 0, $put, '' }
			elsif (!defined $put && $! != EAGAIN && $! != EINTR) { $self->gone($key) }
		}
	}
}

# until(condition, seconds, what): pumps until it is true. False, and an error: it did not become so in time.
sub until {
	my ($self, $cond, $seconds, $what) = @_;
	my $end = time + $seconds;
	until ($cond->()) {
		if (time > $end || $self->{done}) {
			$self->bad($self->{done} ? "the VM ended; waited until $what" : "not within $seconds s: $what");
			return 0;
		}
		$self->pump(0.25);
	}
	return 1;
}

# rest(seconds): pumps for so long.
sub rest {
	my ($self, $seconds) = @_;
	my $end = time + $seconds;
	while ((my $left = $end - time) > 0) {
		$self->pump($left);
	}
}

# command(seconds, argument...): runs `outrigger ARGUMENT...`; its exit code and output.
sub command {
	my ($self, $seconds, @args) = @_;
	pipe my $r, my $w or die;
	open my $null, '<', '/dev/null' or die;
	$self->{child_out} = '';
	my $pid = spawn($null, $w, $w, "$self->{bin}/outrigger", @args);
	close $w;
	$self->{fh}{cmd} = nonblock($r);
	my $end = time + $seconds;
	$self->pump(0.25) while $self->{fh}{cmd} && time < $end;
	kill 'KILL', $pid if delete $self->{fh}{cmd};
	waitpid $pid, 0;
	return ($? >> 8, $self->{child_out});
}

# ask: the guest's figures. False: it gives none.
sub ask {
	my ($self) = @_;
	my $before = $self->{said};
	$self->{out}{ctl} .= 's';
	return $self->until(sub { $self->{said} > $before }, 90, 'the guest answers') ? $self->{status} : undef;
}

# quit: the guest ends; true: all that was said has come.
sub quit {
	my ($self) = @_;
	$self->{in_stop} = 1;
	my %sent = map { $_ => $self->{"${_}_in"}{pos} } qw(uart con);
	my $lost = sub { my $n = 0; $n += $_->[0] for @{$self->{"$_[0]_in"}{lost}}; $n };
	# All input has arrived. (What was lost is part of the guest's position.)
	my $st;
	my ($end, $seen) = (time + 60, 0);
	do {
		$st = $self->ask or return;
		($seen, $end) = ($st->{uart_in} + $st->{con_in}, time + 60) if $st->{uart_in} + $st->{con_in} > $seen;
	} until ($st->{uart_in} >= $sent{uart} && $st->{con_in} >= $sent{con}) || time > $end;
	for (qw(uart con)) {
		$self->bad(sprintf '%s: %d bytes of input were sent, the guest has %d', $_, $sent{$_}, $st->{"${_}_in"})
		  if $st->{"${_}_in"} != $sent{$_};
	}
	$self->{out}{ctl} .= 'q';
	$self->until(sub { $self->{quit} }, 90, 'the guest ends');
	my $late = time + 60;
	$self->pump(0.25) while (grep { $self->{fh}{$_} } qw(uart_r con_r err)) && time < $late;
	waitpid $self->{sup}, 0;
	$self->{sup} = 0;
	$self->bad("exit code of the VM: " . ($? >> 8)) if $?;
	for (qw(uart con)) {
		my $n = $self->{status}{"${_}_out"} // 0;
		$self->bad(sprintf '%s: the guest wrote %d bytes, %d came', $_, $n, $self->{$_}{pos}) if $n != $self->{$_}{pos};
	}
}

sub DESTROY {
	my ($self) = @_;
	kill 'TERM', $self->{sup} if $self->{sup};
}

1;
