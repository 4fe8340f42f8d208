# SPDX-License-Identifier: Apache-2.0
# The streams of tests/live/guest/stream.c: what must come, and what to make of it when something else does.
package Streams;
use strict;
use warnings;

my $AHEAD = 1024;    # blocks made at a time

# new(name, seed): a stream that we check, or that we make.
sub new {
	my ($class, $name, $seed) = @_;
	return bless {
		name => $name, seed => $seed, pos => 0, base => 0, want => '', odd => '',
		doubled => [], lost => [], errors => []
	}, $class;
}

sub block {
	my ($self, $k) = @_;
	my $v = ($k * 2654435761 + $self->{seed}) & 0xffffffff;
	return sprintf("%07x:%07x\n", $k & 0xfffffff, ($v ^ $v >> 15) & 0xfffffff);
}

# bytes(pos, n): these bytes of it.
sub bytes {
	my ($self, $pos, $n) = @_;
	if ($pos < $self->{base} || $pos > $self->{base} + length $self->{want}) {
		$self->{base} = $pos & ~15;
		$self->{want} = '';
	}
	my $end = $self->{base} + length $self->{want};
	while ($end < $pos + $n) {
		my $k = $end >> 4;
		my $cut = $pos - $self->{base} - 16384;
		if ($cut > 65536) {    # what lies behind is looked at rarely
			$cut &= ~15;
			substr($self->{want}, 0, $cut, '');
			$self->{base} += $cut;
		}
		$self->{want} .= join '', map { $self->block($_) } $k .. $k + $AHEAD - 1;
		$end += 16 * $AHEAD;
	}
	return substr($self->{want}, $pos - $self->{base}, $n);
}

# Where the bytes @text belong, by the first whole block in them; undef: there is none.
sub place {
	my ($self, $text) = @_;
	while ($text =~ /([0-9a-f]{7}):[0-9a-f]{7}\n/g) {
		my $k = hex $1;
		next unless $self->block($k) eq $&;
		return $k * 16 - $-[0];
	}
	return undef;
}

# take(data): these bytes came.
sub take {
	my ($self, $data) = @_;
	$data = $self->{odd} . $data;
	$self->{odd} = '';
	while (length $data) {
		my $want = $self->bytes($self->{pos}, length $data);
		if ($data eq $want) {
			$self->{pos} += length $data;
			return;
		}
		($data ^ $want) =~ /[^\0]/;
		my $good = $-[0];
		$self->{pos} += $good;
		substr($data, 0, $good, '');
		my $at = $self->place($data);
		if (!defined $at) {
			if (length $data > 256) {
				push @{$self->{errors}}, sprintf('%s: nonsense at byte %d: "%s"', $self->{name}, $self->{pos}, substr($data, 0, 64));
				return;
			}
			$self->{odd} = $data;    # more of it will tell
			return;
		}
		push @{$self->{ $at < $self->{pos} ? 'doubled' : 'lost' }}, [abs($at - $self->{pos}), $self->{pos}];
		push @{$self->{errors}}, sprintf('%s: jumps at byte %d to %d', $self->{name}, $self->{pos}, $at) if $at < 0 || $at == $self->{pos};
		return if @{$self->{errors}};
		$self->{pos} = $at;
	}
}

1;
