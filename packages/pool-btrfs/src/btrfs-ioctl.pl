# What the kernel can do and Debian 12's `btrfs` program cannot. Usage:
#
#     btrfs-ioctl.pl enable-simple-quotas PATH    PATH: anywhere on the file system
#     btrfs-ioctl.pl referenced PATH              PATH: a subvolume; prints how many bytes it refers to, shared or not
#     btrfs-ioctl.pl held                         reads lines `SET PATH` (SET: a number; lines of a set follow each other;
#         PATH: a subvolume); prints for each line, then for each set in order, two numbers: bytes of files' data that
#         nothing else of what was read refers to, and all that it refers to. `gone` for a PATH that is not there.
#
# `referenced` reads the items of the subvolume's tree and never looks a path up in it: what a guest does to its files
# meanwhile does not lead it anywhere. The figure is that of a quota group that counts fully, to a percent: the room of
# leaves that are half empty is guessed.
use strict;
use warnings;

# Of linux/btrfs.h
use constant {
    IOC_QUOTA_CTL       => 0xC0109428,
    ENABLE_SIMPLE_QUOTA => 4,
    IOC_TREE_SEARCH_V2  => 0xC0709411,
    EXTENT_DATA         => 108,
    INLINE              => 0,
    U32                 => 0xFFFFFFFF,
    U64                 => ~0,
    FIRST_INODE         => 256,
};
# Of ours
use constant {
    BUFFER       => 1 << 20,
    ITEM_HEADER  => 25,        # what an item takes in its leaf beside its data
    LEAF_FILLING => 0.7,       # what leaves are filled to where things come and go
    COUNTED      => 4_000_000, # of all things together; some 400 MB
    REMEMBERED   => 500_000,   # an extent that is forgotten counts again if it is met again: more is told, never less
};

my ($command, $path) = @ARGV;
if    ($command eq 'enable-simple-quotas') { enable_simple_quotas(opened($path)) }
elsif ($command eq 'referenced')           { print referenced(opened($path)), "\n" }
elsif ($command eq 'held')                 { held() }
else                                       { die "no such command\n" }

sub opened {
    sysopen(my $fd, $_[0], 0) or die "open: $!\n";
    return $fd;
}

sub enable_simple_quotas {
    my ($fd) = @_;
    my $args = pack('Q2', ENABLE_SIMPLE_QUOTA, 0);
    ioctl($fd, IOC_QUOTA_CTL, $args) or die "ioctl: $!\n";
}

sub referenced {
    my ($fd) = @_;
    my ($data, %seen) = (0);
    my $items = each_extent($fd, sub {
        my ($start, $bytes) = @_;
        return if $seen{$start};
        $data += $bytes;
        %seen = () if keys %seen >= REMEMBERED;
        $seen{$start} = 1;
    });
    return $data + int($items / LEAF_FILLING);
}

sub held {
    my (@paths, @set_of, @alone, @all, @set_alone, @set_all, @gone);
    my $set = -1;
    my $last = '';
    while (my $line = <STDIN>) {
        chomp $line;
        my ($name, $path) = split / /, $line, 2;
        if ($name ne $last) { $set++; $last = $name; $set_alone[$set] = $set_all[$set] = 0 }
        push @paths, $path;
        push @set_of, $set;
    }
    # By extent: the last thing that has it, times four; plus 1 if others have it, plus 2 if other sets have it
    my %extents;
    for my $thing (0 .. $#paths) {
        $alone[$thing] = $all[$thing] = 0;
        sysopen(my $fd, $paths[$thing], 0) or do { $gone[$thing] = 1; next };
        my $set = $set_of[$thing];
        each_extent($fd, sub {
            my ($start, $bytes) = @_;
            my $known = $extents{$start};
            my ($other, $shared) = (-1, 0);
            if (defined $known) {
                ($other, $shared) = ($known >> 2, $known & 3);
                return if $other == $thing;
                $alone[$other] -= $bytes unless $shared & 1;
                $shared |= 1;
                if ($set_of[$other] != $set) {
                    $set_alone[$set_of[$other]] -= $bytes unless $shared & 2;
                    $shared |= 2;
                    $set_all[$set] += $bytes;
                }
            }
            else {
                die "too many extents\n" if keys %extents >= COUNTED;
                $alone[$thing] += $bytes;
                $set_alone[$set] += $bytes;
                $set_all[$set] += $bytes;
            }
            $all[$thing] += $bytes;
            $extents{$start} = $thing << 2 | $shared;
        });
    }
    print $gone[$_] ? "gone\n" : "$alone[$_] $all[$_]\n" for 0 .. $#paths;
    print "$set_alone[$_] $set_all[$_]\n" for 0 .. $set;
}

# Calls with start and size on disk of each extent that the subvolume's files refer to, some more than once; returns what
# the items of its tree take.
sub each_extent {
    my ($fd, $call) = @_;
    my $items = 0;
    my @from = (FIRST_INODE, 0, 0);    # objectid, type, offset
    while (1) {
        # tree (0: that of the path), objectids, offsets, generations, types, most items, reserved; then the buffer's size
        my $args = pack('Q7L4Q4Q', 0, $from[0], U64, $from[2], U64, 0, U64, $from[1], 255, U32, 0, 0, 0, 0, 0, BUFFER)
            . "\0" x BUFFER;
        ioctl($fd, IOC_TREE_SEARCH_V2, $args) or die "ioctl: $!\n";
        my $found = unpack('L', substr($args, 64, 4));
        last if $found == 0;
        my $at = 112;
        for (1 .. $found) {
            my (undef, $objectid, $offset, $type, $length) = unpack('Q3L2', substr($args, $at, 32));
            @from = ($objectid, $type, $offset);
            $at += 32;
            $items += $length + ITEM_HEADER;
            if ($type == EXTENT_DATA && unpack('x20C', substr($args, $at, 21)) != INLINE) {
                my ($start, $bytes) = unpack('Q2', substr($args, $at + 21, 16));
                $call->($start, $bytes) if $start != 0;    # else it is a hole
            }
            $at += $length;
        }
        last unless advance(\@from);
    }
    return $items;
}

# To the next possible key; false where there is none.
sub advance {
    my ($key) = @_;
    if ($key->[2] < U64) { $key->[2]++ }
    else {
        $key->[2] = 0;
        if ($key->[1] < 255) { $key->[1]++ }
        else { $key->[1] = 0; return 0 if $key->[0] == U64; $key->[0]++ }
    }
    return 1;
}
