//! How a frame is compressed: each frame is one complete zstd frame or gzip member of its own, so
//! that frames stand back to back and any decompressor reads through them.

use std::cell::RefCell;
use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

use flate2::GzBuilder;
use flate2::bufread::GzDecoder;
use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

/// The compression format of an archive, as the manifest names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// Zstandard (RFC 8878).
    Zstd,
    /// gzip (RFC 1952).
    Gzip,
}

impl Codec {
    /// What follows the backup's name in the archive's file name: `tar.zst` or `tar.gz`.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Zstd => "tar.zst",
            Self::Gzip => "tar.gz",
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        })
    }
}

/// A compression format and its level, for writing. Text form: `zstd`, `zstd:9`, `gzip`, `gzip:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Zstandard.
    Zstd {
        /// 1 (fast) to 19 (small).
        level: i32,
    },
    /// gzip.
    Gzip {
        /// 1 (fast) to 9 (small).
        level: u32,
    },
}

impl Compression {
    /// Zstandard at its default level, 3.
    pub const ZSTD: Self = Self::Zstd { level: 3 };
    /// Zstandard at level 1, for store files: they become about 5 % larger than at level 3, in a
    /// quarter of the compressor's time.
    pub const FAST: Self = Self::Zstd { level: 1 };
    /// gzip at its default level, 6.
    pub const GZIP: Self = Self::Gzip { level: 6 };

    /// The format without the level.
    pub fn codec(self) -> Codec {
        match self {
            Self::Zstd { .. } => Codec::Zstd,
            Self::Gzip { .. } => Codec::Gzip,
        }
    }

    /// What follows the backup's name in the archive's file name: `tar.zst` or `tar.gz`.
    pub fn extension(self) -> &'static str {
        self.codec().extension()
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::ZSTD
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zstd { level } => write!(f, "zstd:{level}"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
        }
    }
}

/// A text that names no compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a compression: use `zstd`, `zstd:LEVEL` (1 to 19), `gzip` or `gzip:LEVEL` (1 to 9)"
)]
pub struct CompressionError {
    /// What was given.
    pub text: String,
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u8>().ok())),
            None => (text, None),
        };
        match (name, level) {
            ("zstd", None) => Ok(Self::ZSTD),
            ("gzip", None) => Ok(Self::GZIP),
            ("zstd", Some(Some(level @ 1..=19))) => Ok(Self::Zstd { level: level.into() }),
            ("gzip", Some(Some(level @ 1..=9))) => Ok(Self::Gzip { level: level.into() }),
            _ => Err(CompressionError { text: text.to_owned() }),
        }
    }
}

thread_local! {
    // A context is a few MiB of tables: worth keeping from one frame to the next.
    static COMPRESSOR: RefCell<Option<(i32, Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Compresses `tar` into one frame.
pub(crate) fn compress(tar: &[u8], compression: Compression) -> std::io::Result<Vec<u8>> {
    let mut stored = match compression {
        Compression::Zstd { level } => COMPRESSOR.with_borrow_mut(|slot| {
            if slot.as_ref().is_none_or(|(made_for, _)| *made_for != level) {
                let mut compressor = Compressor::new(level)?;
                compressor.include_checksum(true)?;
                compressor.include_contentsize(true)?;
                *slot = Some((level, compressor));
            }
            let (_, compressor) = slot.as_mut().expect("was just set");
            compressor.compress(tar)
        })?,
        Compression::Gzip { level } => {
            let buffer = Vec::with_capacity(tar.len() / 4 + 64);
            let mut encoder =
                GzBuilder::new().mtime(0).write(buffer, flate2::Compression::new(level));
            encoder.write_all(tar)?;
            encoder.finish()?
        }
    };
    stored.shrink_to_fit();
    Ok(stored)
}

/// Decompresses one frame that must give exactly `tar_len` bytes; allocates no more than that and
/// a fixed amount for the decoder. The error is a phrase for "the frame cannot be decompressed: …".
pub(crate) fn decompress(stored: &[u8], codec: Codec, tar_len: usize) -> Result<Vec<u8>, String> {
    match codec {
        Codec::Zstd => decompress_zstd(stored, tar_len),
        Codec::Gzip => decompress_gzip(stored, tar_len),
    }
}

fn decompress_zstd(stored: &[u8], tar_len: usize) -> Result<Vec<u8>, String> {
    match zstd_safe::get_frame_content_size(stored) {
        Ok(Some(size)) if size == tar_len as u64 => {}
        Ok(Some(size)) => return Err(format!("it says it holds {size} bytes, not {tar_len}")),
        _ => return Err("it is not a zstd frame that says how much it holds".to_owned()),
    }
    // zstd would read on through further frames; a frame of ours is exactly one.
    if zstd_safe::find_frame_compressed_size(stored) != Ok(stored.len()) {
        return Err("it is not exactly one zstd frame".to_owned());
    }
    let mut tar = Vec::with_capacity(tar_len);
    DECOMPRESSOR
        .with_borrow_mut(|slot| {
            if slot.is_none() {
                *slot = Some(Decompressor::new()?);
            }
            slot.as_mut().expect("was just set").decompress_to_buffer(stored, &mut tar)
        })
        .map_err(|error| error.to_string())?;
    if tar.len() != tar_len {
        return Err(format!("it holds {} bytes, not {tar_len}", tar.len()));
    }
    Ok(tar)
}

fn decompress_gzip(stored: &[u8], tar_len: usize) -> Result<Vec<u8>, String> {
    let mut decoder = GzDecoder::new(stored);
    let mut tar = vec![0; tar_len];
    decoder.read_exact(&mut tar).map_err(|error| error.to_string())?;
    // Reading on to the end is also what checks the member's checksum.
    let more = decoder.read(&mut [0]).map_err(|error| error.to_string())?;
    if more != 0 {
        return Err(format!("it holds more than {tar_len} bytes"));
    }
    if !decoder.into_inner().is_empty() {
        return Err("it is not exactly one gzip member".to_owned());
    }
    Ok(tar)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Compression; 2] = [Compression::ZSTD, Compression::GZIP];

    #[test]
    fn gives_back_what_was_compressed() {
        for compression in BOTH {
            for data in [vec![], vec![7; 1], vec![0; 3 << 20], (0..=255).collect::<Vec<u8>>()] {
                let stored = compress(&data, compression).unwrap();
                assert_eq!(decompress(&stored, compression.codec(), data.len()), Ok(data));
            }
        }
    }

    #[test]
    fn refuses_another_length_and_a_second_frame() {
        for compression in BOTH {
            let codec = compression.codec();
            let stored = compress(&[1; 1000], compression).unwrap();
            assert!(decompress(&stored, codec, 999).is_err());
            assert!(decompress(&stored, codec, 1001).is_err());
            assert!(decompress(&stored[..stored.len() - 1], codec, 1000).is_err());
            let with_empty_frame = [stored.clone(), compress(&[], compression).unwrap()].concat();
            assert!(decompress(&with_empty_frame, codec, 1000).is_err());
            assert!(decompress(&[stored, vec![0]].concat(), codec, 1000).is_err());
            assert!(decompress(&[], codec, 0).is_err());
        }
    }

    #[test]
    fn reads_levels() {
        for compression in [
            Compression::ZSTD,
            Compression::GZIP,
            Compression::Zstd { level: 19 },
            Compression::Gzip { level: 1 },
        ] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
        }
        assert_eq!("zstd".parse(), Ok(Compression::ZSTD));
        assert_eq!("gzip".parse(), Ok(Compression::GZIP));
        for text in ["", "zst", "zstd:", "zstd:0", "zstd:20", "gzip:10", "gzip:-1", "zstd:3:3"] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
        }
    }
}
