//! Encrypting a file on its way into the store, and small things whole.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use age::secrecy::SecretString;
use age::stream::StreamWriter;
use age::{EncryptError, Encryptor, Recipient};
use bytes::Bytes;
use lifeboat_archive::{Encryption, EncryptionMethod};

use super::{KeyError, Keys};

/// A file that is being encrypted: plain bytes in, stored bytes out.
pub(crate) struct Sealer {
    stream: StreamWriter<Pipe>,
    pipe: Pipe,
    hasher: blake3::Hasher,
    size: u64,
}

/// Where the encrypted bytes wait to be fetched.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    fn take(&self) -> Vec<u8> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Keys {
    /// Begins a file for the recipients, or the passphrase; `None` when nothing is encrypted. With
    /// a passphrase this takes about a second, on purpose.
    pub(crate) fn sealer(&self) -> Result<Option<Sealer>, KeyError> {
        let Some(encryptor) = self.encryptor()? else { return Ok(None) };
        let pipe = Pipe::default();
        let stream =
            encryptor.wrap_output(pipe.clone()).map_err(|error| failed(EncryptError::Io(error)))?;
        Ok(Some(Sealer { stream, pipe, hasher: blake3::Hasher::new(), size: 0 }))
    }

    fn encryptor(&self) -> Result<Option<Encryptor>, KeyError> {
        if !self.recipients.is_empty() {
            let recipients = self.recipients.iter().map(|one| one as &dyn Recipient);
            return Encryptor::with_recipients(recipients)
                .map(Some)
                .map_err(|error| failed(&error));
        }
        let passphrase = self.passphrase.as_ref().map(|passphrase| passphrase.expose().to_owned());
        Ok(passphrase.map(|text| Encryptor::with_user_passphrase(SecretString::from(text))))
    }

    /// Encrypts something small; gives it back as it is when nothing is encrypted.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn seal_bytes(&self, plain: Bytes) -> Result<Bytes, KeyError> {
        let Some(mut sealer) = self.sealer()? else { return Ok(plain) };
        let mut stored = sealer.push(&plain)?.to_vec();
        stored.extend_from_slice(&sealer.finish()?.0);
        Ok(stored.into())
    }
}

/// Encryption writes to memory and fails for no reason but a broken key.
fn failed(error: impl std::borrow::Borrow<EncryptError>) -> KeyError {
    KeyError::new("the keys for encryption", error.borrow().to_string())
}

impl Sealer {
    /// Takes plain bytes; gives stored bytes, those of whole chunks of 64 KiB.
    pub(crate) fn push(&mut self, plain: &[u8]) -> Result<Bytes, KeyError> {
        self.stream.write_all(plain).map_err(|error| failed(EncryptError::Io(error)))?;
        Ok(self.count())
    }

    /// Ends the file: its last bytes, and what the manifest tells of it.
    pub(crate) fn finish(self) -> Result<(Bytes, Encryption), KeyError> {
        let Self { stream, pipe, mut hasher, mut size } = self;
        stream.finish().map_err(|error| failed(EncryptError::Io(error)))?;
        let rest = pipe.take();
        hasher.update(&rest);
        size += rest.len() as u64;
        let blake3 = hasher.finalize().into();
        Ok((rest.into(), Encryption { method: EncryptionMethod::Age, size, blake3 }))
    }

    fn count(&mut self) -> Bytes {
        let stored = self.pipe.take();
        self.hasher.update(&stored);
        self.size += stored.len() as u64;
        stored.into()
    }
}
