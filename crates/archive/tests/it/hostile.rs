//! Manifests and archives made to do harm: they cost an error, never a panic or much memory.

use bytes::Bytes;
use lifeboat_archive::read::{Frames, ReadError};
use lifeboat_archive::{
    Codec, Compression, Digest, Encryption, EncryptionMethod, EntryKind, FORMAT, FrameRecord,
    MAX_FRAME, MAX_STORED, Manifest, ManifestError,
};
use proptest::prelude::*;

use crate::support::{assemble, backup, cut_frames, file, small, verify, whole_frames};

/// Gives a manifest's text its right digest again, as a forger would.
fn sealed(text: &str) -> Vec<u8> {
    let start = text.rfind("  \"digest\"").unwrap();
    let digest = Digest::of(&text.as_bytes()[..start]);
    format!("{}  \"digest\": \"{digest}\"\n}}\n", &text[..start]).into_bytes()
}

fn sample() -> (Manifest, Vec<u8>) {
    assemble(cut_frames(&small(), 700, 100), Compression::ZSTD)
}

fn text() -> String {
    String::from_utf8(sample().0.to_bytes().unwrap()).unwrap()
}

/// Changes a good manifest, and checks that it is refused, both stored and made by hand.
fn refuses(what: &str, change: impl FnOnce(&mut Manifest)) {
    let (mut manifest, _) = sample();
    change(&mut manifest);
    let refused = manifest.to_bytes();
    assert!(matches!(refused, Err(ManifestError::Invalid { .. })), "{what}: {refused:?}");
    // As a forger stores it, with the right digest.
    let json = serde_json::to_string(&manifest).unwrap();
    let forged = format!("{{\"format\":1,{},\n  \"digest\": \"\"\n}}\n", &json[1..json.len() - 1]);
    let refused = Manifest::parse(&sealed(&forged));
    assert!(matches!(refused, Err(ManifestError::Invalid { .. })), "{what}: {refused:?}");
}

fn refuses_map(what: &str, change: impl FnOnce(&mut Manifest)) {
    let (mut manifest, _) = sample();
    change(&mut manifest);
    assert!(Frames::new(&manifest).is_err(), "{what}");
    refuses(what, |changed| *changed = manifest);
}

#[test]
fn a_newer_format_is_told_as_such() {
    let newer = text().replace("\"format\": 1", "\"format\": 2").replace("\"name\"", "\"title\"");
    for bytes in [
        sealed(&newer),
        b"{\"format\":2}".to_vec(), // even if it is closed by other means
        b"{ \"anything\": [1, {}], \"format\": 99 }\n".to_vec(),
    ] {
        let error = Manifest::parse(&bytes).unwrap_err();
        assert!(error.is_newer_format(), "{error}");
        assert!(error.to_string().contains("newer than this program understands (1)"), "{error}");
    }
    assert_eq!(FORMAT, 1);
    let zero = sealed(&text().replace("\"format\": 1", "\"format\": 0"));
    assert!(matches!(Manifest::parse(&zero), Err(ManifestError::Invalid { .. })));
}

#[test]
fn damage_and_other_files_are_told_apart() {
    let text = text();
    let is = |bytes: &[u8]| match Manifest::parse(bytes) {
        Err(ManifestError::NotManifest { .. }) => "other",
        Err(ManifestError::Damaged { .. }) => "damaged",
        Err(ManifestError::Newer { .. }) => "newer",
        Err(ManifestError::Invalid { .. }) => "invalid",
        Err(_) => "?",
        Ok(_) => "good",
    };
    assert_eq!(is(text.as_bytes()), "good");
    assert_eq!(is(b""), "other");
    assert_eq!(is(b"hello"), "other");
    assert_eq!(is(b"{\"digest\": 7}"), "other");
    assert_eq!(is("[".repeat(100_000).as_bytes()), "other");
    assert_eq!(is(&text.as_bytes()[..text.len() / 2]), "damaged");
    assert_eq!(is(text.replace("community", "enterprise").as_bytes()), "damaged");
    assert_eq!(is(text.replace("\"format\": 1", "\"format\": 2").as_bytes()), "damaged");
    assert_eq!(is(text.replace('\n', "\r\n").as_bytes()), "damaged");
    assert_eq!(is(&sealed(&text.replace("\"size\"", "\"extent\""))), "invalid");
    assert_eq!(is(&sealed(&text.replace("logical", "telepathic"))), "invalid");
}

#[test]
fn members_that_a_later_program_adds_are_tolerated() {
    let text = text();
    let added = text
        .replace("{\"path\": ", "{\"later\": [1, null], \"path\": ")
        .replace("  \"tool\": {", "  \"later\": {\"x\": 1},\n  \"tool\": {");
    assert!(added.len() > text.len() + 100);
    assert_eq!(Manifest::parse(&sealed(&added)).unwrap(), sample().0);
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    refuses("another file", |m| m.archive.file = "other.tar.zst".into());
    refuses("a file elsewhere", |m| m.archive.file = format!("../{}", m.archive.file));
    refuses("another compression", |m| m.archive.compression = Codec::Gzip);
    refuses_map("a larger file", |m| m.archive.size += 1);
    refuses_map("a larger tar", |m| m.archive.tar_size += 1);
    refuses_map("an absurd tar", |m| m.archive.tar_size = u64::MAX);
    refuses_map("no frames", |m| m.archive.frames.0.clear());
    refuses_map("no frames and no size", |m| {
        m.archive.frames.0.clear();
        m.entries.clear();
        (m.archive.size, m.archive.tar_size) = (0, 0);
    });
    refuses_map("a frame more", |m| m.archive.frames.0.push(m.archive.frames.0[0]));
    refuses_map("an empty frame", |m| {
        m.archive.frames.0.push(FrameRecord { stored: 0, tar: 0, digest: [0; 16] });
    });
    refuses_map("a frame too large", |m| {
        let tar = MAX_FRAME + 1;
        m.archive.frames.0.push(FrameRecord { stored: 1, tar, digest: [0; 16] });
        m.archive.size += 1;
        m.archive.tar_size += u64::from(tar);
    });
    refuses_map("a stored frame too large", |m| {
        let stored = MAX_STORED + 1;
        m.archive.frames.0.push(FrameRecord { stored, tar: 1, digest: [0; 16] });
        m.archive.size += u64::from(stored);
        m.archive.tar_size += 1;
    });
    refuses_map("an entry less", |m| drop(m.entries.pop()));
    refuses_map("entries in another order", |m| m.entries.swap(0, 2));
    refuses_map("an entry twice", |m| m.entries[2].path = m.entries[0].path.clone());
    refuses_map("another offset", |m| m.entries[2].offset += 512);
    refuses_map("another size", |m| m.entries[4].size += 512);
    for size in [u64::MAX, u64::MAX - 511, u64::MAX - 512, 1 << 63, 1 << 40] {
        refuses_map("an absurd size", |m| m.entries[4].size = size);
    }
    refuses_map("an absurd offset", |m| m.entries[2].offset = u64::MAX);
    refuses_map("a directory with data", |m| m.entries[0].kind = EntryKind::Directory);
    refuses_map("a digest of nothing", |m| m.entries[3].blake3 = Digest::of(b"x"));
    refuses_map("a mode with more", |m| m.entries[0].mode = Some(0o100_644));
    refuses_map("a link without target", |m| m.entries[5].link = None);
    for path in ["/etc/passwd", "../x", "a/../../x", "", "a\\..\\x", "a\0", "C:/x", "nodes/.."] {
        refuses_map("a path that leaves", |m| m.entries[0].path = path.into());
    }
    refuses_map("something below a file", |m| m.entries[2].path = "schema.json/0000.jsonl".into());
}

#[test]
fn encryption_is_told_and_an_unknown_one_is_not_opened() {
    let (mut manifest, _) = sample();
    let mut encryption =
        Encryption { method: EncryptionMethod::Age, size: 1, blake3: Digest::of(b"x") };
    manifest.archive.encryption = Some(encryption.clone());
    assert!(manifest.to_bytes().is_err(), "the name of a file that is not encrypted");
    manifest.archive.file += ".age";
    let read = Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
    assert_eq!((read.archive.stored_size(), read.archive.stored_blake3()), (1, Digest::of(b"x")));
    Frames::new(&read).unwrap();

    encryption.method = EncryptionMethod::Unknown("enigma".into());
    manifest.archive.encryption = Some(encryption);
    manifest.archive.file += "2";
    let read = Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
    assert!(
        matches!(Frames::new(&read), Err(ReadError::Encrypted { method, .. }) if method == "enigma")
    );
}

/// Stores `frame` in the place of the first one, with all digests right.
fn forge(mut manifest: Manifest, archive: &[u8], frame: &[u8]) -> (Manifest, Vec<u8>) {
    let record = &mut manifest.archive.frames.0[0];
    let rest = &archive[record.stored as usize..];
    let forged = [frame, rest].concat();
    record.stored = frame.len() as u32;
    record.digest = Digest::of(frame).half();
    manifest.archive.size = forged.len() as u64;
    manifest.archive.blake3 = Digest::of(&forged);
    (manifest, forged)
}

fn compress(tar: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Zstd { level } => zstd::bulk::compress(tar, level).unwrap(),
        Compression::Gzip { level } => {
            use std::io::Write;
            let level = flate2::Compression::new(level);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(tar).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[test]
fn a_frame_that_holds_more_than_it_says_is_refused() {
    for compression in [Compression::ZSTD, Compression::GZIP] {
        let (manifest, archive) = assemble(whole_frames(&small()), compression);
        let (_, header) = assemble(whole_frames(&small()[..1]), compression);
        let bomb = compress(&vec![0; 256 << 20], compression);
        let tar_len = manifest.archive.frames.0[0].tar as usize;
        for frame in [
            bomb.clone(),
            compress(&vec![0; tar_len - 1], compression),
            compress(&vec![0; tar_len], compression),
            [header, bomb].concat(),
            b"\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(), // says 8 EiB
            b"\x50\x2a\x4d\x18\xff\xff\xff\xff".to_vec(),                     // skips 4 GiB
            vec![0],
        ] {
            let (manifest, forged) = forge(manifest.clone(), &archive, &frame);
            assert!(verify(&manifest, &forged).is_err());
        }
    }
}

#[test]
fn a_tar_that_differs_from_the_manifest_is_refused() {
    let original = [file("a", b"data".to_vec()), file("b", b"more".to_vec())];
    let (manifest, archive) = assemble(whole_frames(&original), Compression::ZSTD);
    let first = manifest.archive.frames.0[0];
    let tar = zstd::bulk::decompress(&archive[..first.stored as usize], 1 << 20).unwrap();
    // Header, data and padding of the entry: every byte counts.
    for at in 0..tar.len() {
        let mut other = tar.clone();
        other[at] ^= 1;
        let frame = compress(&other, Compression::ZSTD);
        let (manifest, forged) = forge(manifest.clone(), &archive, &frame);
        let error = verify(&manifest, &forged).unwrap_err();
        match at {
            0..512 => assert!(matches!(error, ReadError::Tar { what: "the header", .. })),
            512..516 => assert!(matches!(error, ReadError::Entry { .. })),
            _ => assert!(matches!(error, ReadError::Tar { what: "the padding", .. })),
        }
    }
    // The end of the tar.
    let last = manifest.archive.frames.0[2];
    let frame = compress(&[&[0; 1023][..], b"x"].concat(), Compression::ZSTD);
    let mut forged = archive[..archive.len() - last.stored as usize].to_vec();
    forged.extend_from_slice(&frame);
    let mut lying = manifest;
    lying.archive.frames.0[2] =
        FrameRecord { stored: frame.len() as u32, digest: Digest::of(&frame).half(), ..last };
    lying.archive.size = forged.len() as u64;
    lying.archive.blake3 = Digest::of(&forged);
    assert!(matches!(verify(&lying, &forged), Err(ReadError::Damaged { .. })));
}

#[test]
fn only_the_digests_stand_between_equal_tars() {
    // Each digest is needed: with all others right, the wrong one is found.
    let (manifest, archive) = assemble(cut_frames(&small(), 700, 100), Compression::ZSTD);
    let spanning = manifest.entries.iter().position(|entry| entry.path == "spanning").unwrap();
    let mut lying = manifest.clone();
    lying.entries[spanning].blake3 = Digest::of(b"x");
    assert!(
        matches!(verify(&lying, &archive), Err(ReadError::Entry { path, .. }) if path == "spanning")
    );
    let mut lying = manifest.clone();
    lying.entries[2].blake3 = Digest::of(b"x");
    assert!(matches!(verify(&lying, &archive), Err(ReadError::Entry { .. })));
    let mut lying = manifest.clone();
    lying.archive.blake3 = Digest::of(b"x");
    assert!(matches!(verify(&lying, &archive), Err(ReadError::File { .. })));
    let mut lying = manifest;
    lying.archive.frames.0[1].digest[15] ^= 1;
    assert!(matches!(verify(&lying, &archive), Err(ReadError::Damaged { frame: 1, .. })));
}

#[test]
fn a_store_that_gives_too_little_or_too_much_is_told() {
    let backup = backup(whole_frames(&small()), Compression::GZIP);
    let frames = Frames::new(&Manifest::parse(&backup.manifest).unwrap()).unwrap();
    let range = frames.range(1);
    for bytes in [&[][..], &backup.archive[..10], &backup.archive] {
        let error = frames.decode(1, Bytes::copy_from_slice(bytes)).unwrap_err();
        let ReadError::Length { frame: 1, at, .. } = error else { panic!("{error}") };
        assert_eq!(at, range.start);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Frame tables that fit the sizes but lie about where the frames are.
    #[test]
    fn lying_frame_tables_never_panic(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6),
        fix_digests: bool,
    ) {
        let (mut manifest, archive) = sample();
        let cut = |pick: fn(&(prop::sample::Index, prop::sample::Index)) -> prop::sample::Index, size: u64| {
            let mut at: Vec<u64> =
                cuts.iter().map(|both| pick(both).index(size as usize) as u64).collect();
            at.extend([0, size]);
            at.sort_unstable();
            at.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
        };
        let stored = cut(|both| both.0, manifest.archive.size);
        let tar = cut(|both| both.1, manifest.archive.tar_size);
        let mut position = 0;
        manifest.archive.frames.0 = stored.iter().zip(&tar).map(|(stored, tar)| {
            let bytes = &archive[position..position + *stored as usize];
            position += *stored as usize;
            let digest = if fix_digests { Digest::of(bytes).half() } else { [0; 16] };
            FrameRecord { stored: *stored as u32, tar: *tar as u32, digest }
        }).collect();
        prop_assert!(verify(&manifest, &archive).is_err());
    }

    #[test]
    fn any_numbers_give_an_error(
        numbers in prop::collection::vec(
            prop_oneof![any::<u64>(), 0_u64..3000, Just(u64::MAX), Just(0)], 8),
        which in 0_usize..7,
        mtime: i64,
    ) {
        let (mut manifest, archive) = sample();
        let original = manifest.clone();
        let n = |index: usize| numbers[index];
        if n(0) % 2 == 0 { manifest.entries[which].size = n(1); }
        if n(2) % 2 == 0 { manifest.entries[which].offset = n(3); }
        if n(4) % 3 == 0 { manifest.archive.tar_size = n(5); }
        if n(6) % 3 == 0 { manifest.archive.size = n(7); }
        if n(1) % 3 == 0 { manifest.archive.mtime = mtime; }
        if n(3) % 3 == 0 { (manifest.entries[which].uid, manifest.entries[which].gid) = (n(5), n(6)); }
        if n(5) % 3 == 0 { manifest.entries[which].mtime = Some(mtime); }
        prop_assert_eq!(verify(&manifest, &archive).is_ok(), manifest == original);
    }

    #[test]
    fn any_bytes_give_an_error(bytes: Vec<u8>) {
        prop_assert!(Manifest::parse(&bytes).is_err());
    }
}
