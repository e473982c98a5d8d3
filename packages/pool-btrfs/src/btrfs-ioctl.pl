# What the kernel can do and Debian 12's `btrfs` program cannot. Usage:
#
#     btrfs-ioctl.pl enable-simple-quotas PATH    PATH: anywhere on the file system
#     btrfs-ioctl.pl referenced PATH              PATH: a subvolume; prints how many bytes it refers to, shared or not
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
    REMEMBERED   => 500_000,   # an extent that is forgotten counts again if it is met again: more is told, never less
};

my ($command, $path) = @ARGV;
sysopen(my $fd, $path, 0) or die "open: $!\n";
if    ($command eq 'enable-simple-quotas') { enable_simple_quotas() }
elsif ($command eq 'referenced')           { print referenced(), "\n" }
else                                       { die "no such command\n" }

sub enable_simple_quotas {
    my $args = pack('Q2', ENABLE_SIMPLE_QUOTA, 0);
    ioctl($fd, IOC_QUOTA_CTL, $args) or die "ioctl: $!\n";
}

sub referenced {
    my ($data, $items, %seen) = (0, 0);
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
                if ($start != 0 && !$seen{$start}) {    # 0: a hole
                    $data += $bytes;
                    %seen = () if keys %seen >= REMEMBERED;
                    $seen{$start} = 1;
                }
            }
            $at += $length;
        }
        last unless advance(\@from);
    }
    return $data + int($items / LEAF_FILLING);
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
