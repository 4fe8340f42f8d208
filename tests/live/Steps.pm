# SPDX-License-Identifier: Apache-2.0
# Faults between every pair of steps (devmodel/core/steps.h): a daemon that ends at a step by itself is swapped in, ends there, and
# the next one goes on, or ends as well on its way up.
package Steps;
use strict;
use warnings;
use Vm;

# Steps of a daemon that serves, by device. What is not here the device does not come to.
my @commit = qw(commit flip publish shadow rise);
my @request = (qw(serve complete consume consumed));
my @virtio = (qw(rung host kick), @commit);
my %serving = (
	uart0 => [@request, @commit, qw(read taken write written kick)],
	rtc => [@request, @commit, qw(timer kick)],
	disk0 => [@virtio, 'hosted'],
	net0 => [@virtio, 'hosted'],
	con0 => [@virtio, qw(worked read taken write written)],
	rng0 => [@virtio],
);
# Of one that comes up after a crash; of one that is swapped in; of the one that serves before a swap.
my @coming_up = qw(attach attached republish adopt repeat resume entered say said);
my @taking_over = (qw(practise load preload), @coming_up);
my @handing_over = qw(save hand handed);
my @nth = (1, 2, 7, 20, 100, 1000);

# cases(devices, depth): all of them.
sub cases {
	my ($devices, $depth) = @_;
	my @cases;
	for my $dev (@$devices) {
		die "rig: there is no device $dev\n" unless $serving{$dev};
		for my $step (@{$serving{$dev}}) {
			for my $n (@nth[0 .. ($depth > 6 ? 5 : $depth - 1)]) {
				$n = 2 if $step eq 'timer' && $n > 2;    # once a second
				push @cases, { dev => $dev, kind => 'serving', at => ["$step:$n"], text => "$dev, $step:$n" };
			}
		}
		push @cases, { dev => $dev, kind => 'taking over', at => ["$_:1"], text => "$dev takes over, $_" } for @taking_over;
		push @cases, { dev => $dev, kind => 'handing over', at => ["$_:1"], text => "$dev hands over, $_" } for @handing_over;
		# Killed, and the next one killed on its way up. With more depth: after a death at each step.
		my @first = $depth > 2 ? @{$serving{$dev}} : ($serving{$dev}[int rand @{$serving{$dev}}]);
		for my $first (@first) {
			push @cases, { dev => $dev, kind => 'serving', at => ["$first:2", "$_:1"], text => "$dev, $first:2, then $_" } for @coming_up;
		}
	}
	return @cases;
}

# A program that starts the real one, the Nth time with the Nth of @at as the step to end at.
sub program {
	my ($vm, $dev, @at) = @_;
	my $path = "$vm->{dir}/fails-" . ++$vm->{programs};
	open my $f, '>', $path or die;
	my $case = join '', map { my $i = $_ + 1; "$i) export OUTRIGGER_KILL_AT=$at[$_] ;;\n" } 0 .. $#at;
	print $f "#!/bin/sh\nn=0; [ ! -e $path.n ] || read n <$path.n\nn=\$((n + 1)); echo \$n >$path.n\n",
	  "case \$n in\n${case}esac\nexec $vm->{bin}/outrigger-dm-$Vm::MODEL{$dev} \"\$@\"\n";
	close $f;
	chmod 0755, $path;
	return $path;
}

sub swap {
	my ($vm, $dev, @args) = @_;
	my ($code, $text) = $vm->command(60, 'swap', 'live', $dev, @args);
	return ($code, $text);
}

# run(vm, case, go_on, count): count: deaths by device.
sub run {
	my ($vm, $case, $go_on, $count) = @_;
	my $dev = $case->{dev};
	my @at = @{$case->{at}};
	my $program = program($vm, $dev, @at);
	my %before = map { $_ => scalar @{$vm->{$_}{doubled}} } qw(uart con);
	my ($deaths, $serves) = ($vm->{deaths}{$dev} // 0, $vm->{serves}{$dev} // 0);
	my ($code, $text) = swap($vm, $dev, '--model', $program);
	# A daemon that dies soon after it took over may be dead before its swap is told of.
	my $taken = $code == 0;
	if ($case->{kind} eq 'taking over' && $at[0] =~ /^(practise|load|preload|attach):/) {
		return $vm->bad("swap to a daemon that ends at $at[0]: exit code $code, $text") if $taken;
	} elsif ($case->{kind} ne 'taking over' && !$taken) {
		return $vm->bad("swap: $text");
	}
	my $expected = $taken ? @at : 0;
	$count->{$dev} += @at;
	if ($case->{kind} eq 'handing over') {
		($code, $text) = swap($vm, $dev, '--model', "$vm->{bin}/outrigger-dm-$Vm::MODEL{$dev}");
		# Its last message may be on its way already; then the swap is done, and nobody has to follow.
		$expected = 0 if $code == 0 && $at[0] eq 'handed:1';
	}
	$vm->until(sub { ($vm->{deaths}{$dev} // 0) >= $deaths + $expected && ($vm->{serves}{$dev} // 0) > $serves }, 60,
		"$dev ends at " . join(', then ', @at) . ' and serves again')
	  if $expected;
	$go_on->($dev);
	# Twice comes only what was written and not committed yet.
	my %of = (uart0 => 'uart', con0 => 'con');
	my $s = $of{$dev} or return;
	my $more = @{$vm->{$s}{doubled}} - $before{$s};
	my $may = grep { /^(written|commit|host|hosted):/ } @at;
	$vm->bad("output came twice $more times") if $more > $may;
	$vm->{saw_doubled}++ if $more;
}

1;
