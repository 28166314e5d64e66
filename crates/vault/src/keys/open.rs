//! Opening an encrypted file anywhere, without reading what comes before.
//!
//! age encrypts a file in chunks of 64 KiB, each with a tag of 16 bytes, behind a header that holds
//! the file's key for each recipient (<https://age-encryption.org/v1>). So a range of the plain file
//! is a range of chunks of the stored one. The header is opened once; the file's key is then kept,
//! as opening it can take a second on purpose.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use age::secrecy::ExposeSecret as _;
use age::{DecryptError, Decryptor, Identity};
use age_core::format::{FileKey, Stanza};
use bytes::Bytes;

use super::{Identities, KeyError, Keys};

/// The most bytes that a header is looked for in: those of some hundreds of recipients.
pub(crate) const MAX_HEADER: u64 = 64 << 10;

/// Plain bytes of a chunk.
const CHUNK: u64 = 64 << 10;

/// Bytes of a chunk's tag.
const TAG: u64 = 16;

/// Why a file cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    /// None of the keys fits.
    #[error("none of the keys that are there opens it")]
    WrongKey,
    /// The keys cannot be had.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is not what was stored.
    #[error("it is no encrypted file, or damaged: {0}")]
    Damaged(String),
}

fn damaged(error: impl std::fmt::Display) -> OpenError {
    OpenError::Damaged(error.to_string())
}

/// What opens one file.
pub(crate) struct Opener {
    /// The header, with the nonce behind it.
    header: Bytes,
    /// Bytes of the stored file.
    stored: u64,
    key: Known,
}

impl Keys {
    /// Opens the header of a file of `stored` bytes, of which `first` are the first, at least
    /// [`MAX_HEADER`] of them or all. May ask for keys; a passphrase takes a second.
    pub(crate) fn opener(&self, first: &Bytes, stored: u64) -> Result<Opener, OpenError> {
        let identities = Capture { identities: self.identities()?, key: Mutex::default() };
        let mut input = Cursor::new(first);
        let decryptor = Decryptor::new(&mut input).map_err(damaged)?;
        match decryptor.decrypt(std::iter::once(&identities as &dyn Identity)) {
            Ok(_) => {}
            Err(
                DecryptError::NoMatchingKeys
                | DecryptError::DecryptionFailed
                | DecryptError::KeyDecryptionFailed,
            ) => return Err(OpenError::WrongKey),
            Err(error) => return Err(damaged(error)),
        }
        let key = identities.key.into_inner().unwrap_or_else(PoisonError::into_inner);
        let header = usize::try_from(input.position()).unwrap_or(usize::MAX);
        match key {
            Some(key) if header <= first.len() => {
                Ok(Opener { header: first.slice(..header), stored, key: Known(key) })
            }
            _ => Err(OpenError::WrongKey),
        }
    }

    /// Opens something small that [`seal_bytes`](Self::seal_bytes) encrypted.
    ///
    /// # Errors
    /// When no key fits, or it is not what was encrypted.
    pub fn open_bytes(&self, stored: &[u8]) -> Result<Bytes, KeyError> {
        let failed = |error: DecryptError| KeyError::new("what is encrypted", error.to_string());
        let identities = self.identities()?;
        let decryptor = Decryptor::new(stored).map_err(failed)?;
        let all = identities.iter().map(|one| &**one as &dyn Identity);
        let mut plain = Vec::new();
        decryptor
            .decrypt(all)
            .and_then(|mut stream| Ok(stream.read_to_end(&mut plain)?))
            .map_err(failed)?;
        Ok(plain.into())
    }
}

impl Opener {
    /// Where to begin to read for a range. The library seeks to the beginning of a chunk only when
    /// it can see the end of the file, so there one byte more is read, and with it the chunk before.
    fn first(plain: &Range<u64>) -> u64 {
        plain.start - u64::from(plain.start > 0 && plain.start.is_multiple_of(CHUNK))
    }

    /// Which stored bytes are needed for a range of plain ones.
    pub(crate) fn stored_range(&self, plain: &Range<u64>) -> Range<u64> {
        let begin = self.header.len() as u64;
        if plain.is_empty() {
            return begin..begin;
        }
        let chunks = Self::first(plain) / CHUNK..plain.end.div_ceil(CHUNK);
        let at = |chunk: u64| (begin + chunk * (CHUNK + TAG)).min(self.stored);
        at(chunks.start)..at(chunks.end)
    }

    /// The plain bytes of a range, from the stored ones that [`stored_range`](Self::stored_range)
    /// told.
    pub(crate) fn open(&self, plain: &Range<u64>, stored: Bytes) -> Result<Bytes, OpenError> {
        if plain.is_empty() {
            return Ok(Bytes::new());
        }
        let first = Self::first(plain);
        let file = Sparse {
            header: self.header.clone(),
            at: self.stored_range(plain).start,
            part: stored,
            position: 0,
        };
        let decryptor = Decryptor::new(file).map_err(damaged)?;
        let mut stream =
            decryptor.decrypt(std::iter::once(&self.key as &dyn Identity)).map_err(damaged)?;
        stream.seek(SeekFrom::Start(first)).map_err(damaged)?;
        let length = usize::try_from(plain.end - first).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).map_err(damaged)?;
        let before = usize::try_from(plain.start - first).unwrap_or(usize::MAX);
        Ok(Bytes::from(bytes).slice(before..))
    }
}

/// Keeps the file's key that one of the identities has opened.
struct Capture {
    identities: Identities,
    key: Mutex<Option<FileKey>>,
}

impl Identity for Capture {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let found = self.identities.iter().find_map(|one| one.unwrap_stanzas(stanzas))?;
        Some(found.inspect(|key| {
            *self.key.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy(key));
        }))
    }
}

/// The key of one file, known already.
struct Known(FileKey);

impl Identity for Known {
    fn unwrap_stanza(&self, _: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        Some(Ok(copy(&self.0)))
    }
}

fn copy(key: &FileKey) -> FileKey {
    FileKey::new(Box::new(*key.expose_secret()))
}

/// A file of which only the header and one part are there.
struct Sparse {
    header: Bytes,
    /// Where the part begins.
    at: u64,
    part: Bytes,
    position: u64,
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (begin, bytes) = if self.position < self.header.len() as u64 {
            (0, &self.header)
        } else {
            (self.at, &self.part)
        };
        let skipped = self.position.checked_sub(begin).ok_or(io::ErrorKind::UnexpectedEof)?;
        let rest = bytes.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => {
                self.position.checked_add_signed(by).ok_or(io::ErrorKind::InvalidInput)?
            }
            // Nobody knows where it ends.
            SeekFrom::End(_) => return Err(io::ErrorKind::Unsupported.into()),
        };
        Ok(self.position)
    }
}
