//! Bytes from a hostile server: decoding gives a value or an error; skipping agrees with decoding
//! on where a value ends; and what was decoded is encoded and decoded to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use lifeboat_bolt::packstream::{Decoder, Encoder};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new(bytes);
    let mut skipper = Decoder::new(bytes);
    loop {
        let start = decoder.position();
        let value = decoder.value();
        let skipped = skipper.skip();
        let Ok(value) = value else { return };
        // `skip` looks less closely, but never less far.
        assert_eq!(
            skipped.expect("what can be decoded can be skipped").len(),
            decoder.position() - start
        );
        let mut once = Vec::new();
        Encoder::new(&mut once).value(&value);
        let again = Decoder::new(&once).value().expect("what was encoded can be decoded");
        let mut twice = Vec::new();
        Encoder::new(&mut twice).value(&again);
        // Bytes, as a NaN is not equal to itself.
        assert_eq!(once, twice);
        if decoder.is_empty() {
            return;
        }
    }
});
