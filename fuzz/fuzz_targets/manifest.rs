//! Manifests from anywhere: never a panic, and what is accepted is written back and accepted again.
//!
//! The input is tried as it is, and as a forger would store it: with the right digest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_archive::read::Frames;
use lifeboat_archive::{Digest, Manifest};

/// `text` without its last brace, closed by a line with the right digest.
fn seal(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii_end();
    let mut sealed = text.strip_suffix(b"}").unwrap_or(text).to_vec();
    sealed.extend_from_slice(b",\n");
    let digest = Digest::of(&sealed);
    sealed.extend_from_slice(format!("  \"digest\": \"{digest}\"\n}}\n").as_bytes());
    sealed
}

fn check(bytes: &[u8]) {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let _ = Frames::new(&manifest);
    let written = manifest.to_bytes().expect("what was accepted can be written");
    assert_eq!(Manifest::parse(&written).expect("and read"), manifest);
}

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    check(&seal(bytes));
});
