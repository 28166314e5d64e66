use bytes::Bytes;
use lifeboat_archive::Digest;
use proptest::prelude::*;

use super::open::{MAX_HEADER, OpenError, Opener};
use super::*;

fn pair() -> (KeyPair, Keys) {
    let pair = KeyPair::encryption();
    let secret = pair.secret.clone();
    let keys = Keys::default()
        .with_recipient(&pair.public)
        .unwrap()
        .with_identities(move || Ok(vec![secret.clone()]));
    (pair, keys)
}

fn seal(keys: &Keys, plain: &[u8], step: usize) -> (Bytes, lifeboat_archive::Encryption) {
    let mut sealer = keys.sealer().unwrap().unwrap();
    let mut stored = Vec::new();
    for part in plain.chunks(step) {
        stored.extend_from_slice(&sealer.push(part).unwrap());
    }
    let (rest, encryption) = sealer.finish().unwrap();
    stored.extend_from_slice(&rest);
    (stored.into(), encryption)
}

fn opener(keys: &Keys, stored: &Bytes) -> Result<Opener, OpenError> {
    let first = stored.slice(..stored.len().min(MAX_HEADER as usize));
    keys.opener(&first, stored.len() as u64)
}

fn read(opener: &Opener, stored: &Bytes, range: std::ops::Range<u64>) -> Result<Bytes, OpenError> {
    let part = opener.stored_range(&range);
    opener.open(&range, stored.slice(part.start as usize..part.end as usize))
}

/// Bytes that differ from place to place.
fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 251 + i) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_range_is_opened_by_itself(
        length in prop_oneof![0..300_usize, (0..4_usize, -2..3_i64).prop_map(|(chunks, by)| {
            ((chunks * 65_536) as i64 + by).max(0) as usize
        })],
        step in 1..70_000_usize,
        cuts in proptest::collection::vec((0.0..=1.0_f64, 0.0..=1.0_f64), 1..6),
    ) {
        let (_, keys) = pair();
        let plain = sample(length);
        let (stored, encryption) = seal(&keys, &plain, step);
        prop_assert_eq!(encryption.size, stored.len() as u64);
        prop_assert_eq!(encryption.blake3, Digest::of(&stored));
        let opener = opener(&keys, &stored).unwrap();
        for (a, b) in cuts {
            let (a, b) = ((a * length as f64) as usize, (b * length as f64) as usize);
            let range = a.min(b)..a.max(b);
            let got = read(&opener, &stored, range.start as u64..range.end as u64).unwrap();
            prop_assert_eq!(&got[..], &plain[range]);
        }
    }
}

#[test]
fn ranges_may_begin_and_end_where_chunks_do() {
    let (_, keys) = pair();
    for length in [65_535, 65_536, 65_537, 3 * 65_536, 3 * 65_536 + 7] {
        let plain = sample(length);
        let (stored, _) = seal(&keys, &plain, 50_000);
        let opener = opener(&keys, &stored).unwrap();
        let marks = [0, 1, 65_535, 65_536, 65_537, 2 * 65_536, 3 * 65_536, length - 1, length];
        for from in marks.into_iter().filter(|from| *from <= length) {
            for to in marks.into_iter().filter(|to| (from..=length).contains(to)) {
                let got = read(&opener, &stored, from as u64..to as u64).unwrap();
                assert_eq!(got, plain[from..to], "{from}..{to} of {length}");
            }
        }
    }
}

#[test]
fn every_byte_of_an_encrypted_file_counts() {
    let (_, keys) = pair();
    let (stored, _) = seal(&keys, &sample(300), 300);
    let all = |stored: &Bytes| {
        opener(&keys, stored).and_then(|opener| read(&opener, stored, 0..300)).is_ok()
    };
    assert!(all(&stored));
    for at in 0..stored.len() {
        for bit in [0x01, 0x20, 0x80] {
            let mut changed = stored.to_vec();
            changed[at] ^= bit;
            assert!(!all(&changed.into()), "byte {at} with {bit:#x}");
        }
    }
    for len in 0..stored.len() {
        assert!(!all(&stored.slice(..len)), "{len} bytes");
    }
}

#[test]
fn every_recipient_opens_and_nobody_else() {
    let (first, _) = pair();
    let (second, reading) = pair();
    let writing =
        [&first, &second].iter().fold(Keys::default(), |k, p| k.with_recipient(&p.public).unwrap());
    assert!(writing.encrypts() && !writing.can_open());
    let (stored, _) = seal(&writing, &sample(1000), 1000);
    assert_eq!(
        read(&opener(&reading, &stored).unwrap(), &stored, 10..20).unwrap()[..],
        sample(20)[10..]
    );
    let (_, stranger) = pair();
    assert_eq!(opener(&stranger, &stored).err(), Some(OpenError::WrongKey));
    assert_eq!(opener(&Keys::default(), &stored).err(), Some(OpenError::WrongKey));
}

#[test]
fn a_passphrase_opens_what_it_encrypted() {
    let keys = |text: &str| Keys::default().with_passphrase(Secret::new(text));
    let stored = keys("correct horse").seal_bytes(Bytes::from_static(b"plain")).unwrap();
    assert_eq!(keys("correct horse").open_bytes(&stored).unwrap(), "plain");
    assert!(keys("battery staple").open_bytes(&stored).is_err());
    assert_eq!(opener(&keys("battery staple"), &stored).err(), Some(OpenError::WrongKey));
}

#[test]
fn every_flipped_byte_of_a_signature_or_of_what_it_signs_is_found() {
    let pair = KeyPair::signing(None).unwrap();
    let keys = Keys::default()
        .with_signer(&pair.secret, None)
        .unwrap()
        .with_trusted(&pair.public)
        .unwrap();
    let bytes = b"a manifest".to_vec();
    let signature = keys.sign(&bytes, "x.manifest.json").unwrap().unwrap();
    keys.check(&bytes, Some(signature.as_bytes())).unwrap();
    assert_eq!(keys.check(&bytes, None), Err(SignatureProblem::Missing));
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(keys.check(&flipped, Some(signature.as_bytes())), Err(SignatureProblem::Wrong));
    }
    // The first line is a comment for people, which minisign covers with nothing.
    let covered = signature.find('\n').unwrap() + 1;
    for at in covered..signature.trim_end().len() {
        let mut flipped = signature.clone().into_bytes();
        flipped[at] ^= 1;
        assert!(keys.check(&bytes, Some(&flipped)).is_err(), "byte {at}: {signature}");
    }
    let other = KeyPair::signing(None).unwrap();
    let stranger = Keys::default().with_trusted(&other.public).unwrap();
    assert!(matches!(
        stranger.check(&bytes, Some(signature.as_bytes())),
        Err(SignatureProblem::Stranger(_))
    ));
    Keys::default().check(&bytes, None).unwrap();
}

#[test]
fn keys_that_cannot_be_used_are_told_and_never_shown() {
    let pair = KeyPair::encryption();
    let secret = pair.secret.expose().lines().last().unwrap().to_owned();
    let error = Keys::default().with_recipient(&secret).unwrap_err().to_string();
    assert!(error.contains("a secret key") && !error.contains(&secret), "{error}");
    let error = Keys::default().with_recipient("age1nonsense").unwrap_err().to_string();
    assert!(error.contains("age1nonsense"), "{error}");
    assert_eq!(KeyPair::recipients_of(&pair.secret).unwrap(), std::slice::from_ref(&pair.public));

    let keys = Keys::default().with_identities(|| Ok(vec![Secret::new("AGE-SECRET-KEY-1BAD")]));
    let stored = Keys::default()
        .with_recipient(&pair.public)
        .unwrap()
        .seal_bytes(Bytes::from_static(b"x"))
        .unwrap();
    let error = keys.open_bytes(&stored).unwrap_err().to_string();
    assert!(error.contains("identities") && !error.contains("BAD"), "{error}");
    let signing = KeyPair::signing(None).unwrap();
    assert!(Keys::default().with_trusted("RWnonsense").is_err());
    assert!(Keys::default().with_signer(&Secret::new("nonsense"), None).is_err());
    assert_eq!(KeyPair::public_of(&signing.secret, None).unwrap(), signing.public);
    let shown = format!("{:?} {:?}", signing, Keys::default().with_passphrase(Secret::new("TOP")));
    assert!(!shown.contains("TOP") && !shown.contains(signing.secret.expose()), "{shown}");
}
