#!/bin/sh
# Fills the corpora with the golden backups, so that fuzzing begins at good input.
set -eu
cd "$(dirname "$0")"
golden=../crates/archive/tests/golden
mkdir -p corpus/manifest corpus/archive corpus/packstream corpus/txlog
for manifest in "$golden"/*.manifest.json; do
    name=$(basename "$manifest" .manifest.json)
    cp "$manifest" "corpus/manifest/$name"
    size=$(wc -c < "$manifest")
    {
        # u16le length of the manifest, the manifest, the archive
        # shellcheck disable=SC2059
        printf "$(printf '\\%03o\\%03o' $((size % 256)) $((size / 256)))"
        cat "$manifest" "$golden/$name".tar.*
    } > "corpus/archive/$name"
done
# A record of PackStream values: a node, a map, and one of each scalar.
printf '\225\263N\001\221\201A\241\201k\311\003\350\300\303\301\100\011\041\373\124\104\055\030\314\002\000\377' \
    > corpus/packstream/record
# A file of a transaction log: how it is cut and what is set right, a header of format 9, and two
# transactions of a start entry, a command and a commit entry.
{
    printf '\006\001\011\000\000\000\000\000\000\003\000\000\000\000\000\000\000\001'
    head -c 8 /dev/zero
    printf '\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\002\006record\007aligned\001\001'
    head -c 70 /dev/zero
    for transaction in 1 2; do
        printf '\025\001'
        head -c 32 /dev/zero
        printf '\025\003command %s\025\005' "$transaction"
        head -c 20 /dev/zero
    done
} > corpus/txlog/two
