//! No byte of a backup can change without being found.

use std::ops::Range;

use lifeboat_archive::{Compression, Manifest, ManifestError};
use proptest::prelude::*;

use crate::support::{Backup, backup, cut_frames, small, verify, whole_frames};

const BOTH: [Compression; 2] = [Compression::ZSTD, Compression::GZIP];

fn is_good(backup: &Backup) -> bool {
    Manifest::parse(&backup.manifest)
        .is_ok_and(|manifest| verify(&manifest, &backup.archive).is_ok())
}

/// Calls `check` with every variant of `bytes` that has one bit flipped, one byte less or more, or
/// an end missing; tells what was done.
fn damaged(bytes: &[u8], mut check: impl FnMut(&[u8], String)) {
    let mut copy = bytes.to_vec();
    for at in 0..bytes.len() {
        for bit in 0..8 {
            copy[at] ^= 1 << bit;
            check(&copy, format!("bit {bit} of byte {at} flipped"));
            copy[at] ^= 1 << bit;
        }
        check(&bytes[..at], format!("truncated to {at}"));
        let removed = copy.remove(at);
        check(&copy, format!("byte {at} removed"));
        copy.insert(at, removed);
        copy.insert(at, b' ');
        check(&copy, format!("a blank before byte {at}"));
        copy.remove(at);
    }
    for extra in [b'\0', b' ', b'\n', b'}'] {
        copy.push(extra);
        check(&copy, format!("{extra} added"));
        copy.pop();
    }
}

#[test]
fn every_changed_byte_of_a_manifest_is_found() {
    let backup = backup(cut_frames(&small(), 700, 100), Compression::ZSTD);
    assert!(is_good(&backup));
    let (mut tried, mut told_as_damage) = (0, 0);
    damaged(&backup.manifest, |bytes, what| {
        let error = Manifest::parse(bytes).expect_err(&what);
        tried += 1;
        told_as_damage += usize::from(matches!(error, ManifestError::Damaged { .. }));
    });
    assert!(tried > 10 * backup.manifest.len());
    // All but those that no longer look like a manifest in any way.
    assert!(told_as_damage * 100 > tried * 95, "{told_as_damage} of {tried}");
}

#[test]
fn every_changed_byte_of_an_archive_is_found() {
    for compression in BOTH {
        for frames in [whole_frames(&small()), cut_frames(&small(), 700, 100)] {
            let backup = backup(frames, compression);
            let manifest = Manifest::parse(&backup.manifest).unwrap();
            verify(&manifest, &backup.archive).unwrap();
            damaged(&backup.archive, |bytes, what| {
                // A store gives what it has; that there is more behind the end, only the size
                // tells, which whoever fetches compares.
                let whole = bytes.len() as u64 == manifest.archive.size;
                let extra = bytes.starts_with(&backup.archive);
                assert_eq!(verify(&manifest, bytes).is_ok(), !whole && extra, "{what}");
            });
        }
    }
}

#[test]
fn swapped_and_repeated_frames_are_found() {
    let backup = backup(whole_frames(&small()), Compression::ZSTD);
    let manifest = Manifest::parse(&backup.manifest).unwrap();
    let frames = lifeboat_archive::read::Frames::new(&manifest).unwrap();
    let bytes = |range: Range<u64>| &backup.archive[range.start as usize..range.end as usize];
    let ranges: Vec<_> = (0..frames.len()).map(|index| frames.range(index)).collect();
    for first in 0..ranges.len() {
        for second in 0..ranges.len() {
            let mut order: Vec<_> = (0..ranges.len()).collect();
            order[first] = second;
            order[second] = first;
            let swapped: Vec<u8> =
                order.iter().flat_map(|index| bytes(ranges[*index].clone()).to_vec()).collect();
            assert_eq!(verify(&manifest, &swapped).is_ok(), first == second);
        }
    }
}

#[test]
fn a_manifest_of_another_backup_is_found() {
    let one = backup(whole_frames(&small()), Compression::ZSTD);
    let other = backup(whole_frames(&small()[1..]), Compression::ZSTD);
    assert!(!is_good(&Backup { archive: one.archive, manifest: other.manifest }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_change_is_found(
        sizes in prop::collection::vec(0_usize..5000, 1..8),
        seed: u8,
        frame_size in 512_usize..3000,
        gzip: bool,
        in_manifest: bool,
        change in 1_u8..,
        at: prop::sample::Index,
        cut: prop::sample::Index,
    ) {
        let sources: Vec<_> = sizes.iter().enumerate().map(|(n, size)| {
            let data: Vec<u8> = (0..*size).map(|i| (i * n) as u8 ^ seed).collect();
            crate::support::file(&format!("f{n}"), data)
        }).collect();
        let compression = if gzip { Compression::GZIP } else { Compression::ZSTD };
        let mut backup = backup(cut_frames(&sources, frame_size, 333), compression);
        prop_assert!(is_good(&backup));
        let bytes = if in_manifest { &mut backup.manifest } else { &mut backup.archive };
        let original = bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        prop_assert!(!is_good(&backup));
        let bytes = if in_manifest { &mut backup.manifest } else { &mut backup.archive };
        *bytes = original;
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(!is_good(&backup));
    }
}
