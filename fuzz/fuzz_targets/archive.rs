//! An archive and its manifest, both from an attacker who can compute digests: never a panic, never
//! memory beyond what the manifest's frames say, and what verifies can be read entry by entry.
//!
//! Input: u16le length of the manifest's JSON, the JSON, then the archive. A random input would
//! never have right digests, so those of the frames and of the file are set right first; and as
//! the frames must add up, so are the sizes.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use lifeboat_archive::read::{Frames, ReadError};
use lifeboat_archive::{Digest, Manifest};

/// Sets right what an attacker sets right.
fn forge(manifest: &mut Manifest, archive: &[u8]) {
    let mut rest = archive;
    for frame in &mut manifest.archive.frames.0 {
        let stored;
        (stored, rest) = rest.split_at(rest.len().min(frame.stored as usize));
        frame.stored = stored.len() as u32;
        frame.digest = Digest::of(stored).half();
    }
    manifest.archive.size = archive.len() as u64;
    manifest.archive.blake3 = Digest::of(archive);
    manifest.archive.tar_size =
        manifest.archive.frames.0.iter().map(|frame| u64::from(frame.tar)).sum();
}

fn verify(frames: &Frames, archive: &Bytes) -> Result<(), ReadError> {
    let mut verifier = frames.verifier();
    let mut spanning = Vec::new();
    for index in 0..frames.len() {
        let range = frames.range(index);
        let stored = archive.slice(range.start as usize..range.end as usize);
        let frame = frames.decode(index, stored)?;
        assert_eq!(frame.tar().len() as u64, frames.tar_len(index));
        for entry in frame.entries() {
            let data = frame.data(entry);
            assert!(data.len() as u64 <= frames.entries()[entry].size);
            if !data.is_empty() {
                spanning.push((entry, data.to_vec()));
            }
        }
        verifier.push(&frame)?;
    }
    verifier.finish()?;
    // It is good: so every entry is there, and is what its digest says.
    for (index, entry) in frames.entries().iter().enumerate() {
        let pieces = spanning.iter().filter(|(of, _)| *of == index);
        let data: Vec<u8> = pieces.flat_map(|(_, piece)| piece).copied().collect();
        assert_eq!(Digest::of(&data), entry.blake3);
        assert_eq!(data.len() as u64, entry.size);
    }
    Ok(())
}

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (json, archive) = rest.split_at(length);
    let Ok(mut manifest) = serde_json::from_slice::<Manifest>(json) else { return };
    forge(&mut manifest, archive);
    let Ok(frames) = Frames::new(&manifest) else { return };
    let _ = verify(&frames, &Bytes::copy_from_slice(archive));
});
