#!/bin/sh
# Fills the corpora with the golden backups, so that fuzzing begins at good input.
set -eu
cd "$(dirname "$0")"
golden=../crates/archive/tests/golden
mkdir -p corpus/manifest corpus/archive corpus/packstream
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
