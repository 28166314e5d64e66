//! Signatures of minisign over what a vault holds: made, and checked.
//!
//! Always of the prehashed kind (`ED`), whose format <https://jedisct1.github.io/minisign/> tells.
//! minisign covers neither the first line of a signature, nor how its base64 is spelled. Here both
//! must be as minisign writes them by itself, so that no byte of a signature can change unseen.

use std::io::Cursor;

use minisign::{PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};

use super::{KeyError, KeyPair, Keys};
use crate::Secret;

/// The first line of a signature, behind its mark: what minisign writes unless told otherwise.
const COMMENT: &str = "signature from minisign secret key";

/// Why a signature is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureProblem {
    /// There is none.
    #[error("it is not signed")]
    Missing,
    /// It is none.
    #[error("its signature cannot be read: {0}")]
    Unreadable(String),
    /// It is by a key that nobody named.
    #[error("it is signed with the key {0}, which is none of those that are trusted")]
    Stranger(String),
    /// It is of something else, or forged.
    #[error("its signature is not of what is there: one of the two was changed")]
    Wrong,
}

/// The id of a key as minisign shows it.
fn id(keynum: &[u8]) -> String {
    let mut number = [0; 8];
    let length = keynum.len().min(number.len());
    number[..length].copy_from_slice(&keynum[..length]);
    format!("{:016X}", u64::from_le_bytes(number))
}

impl Keys {
    /// Signs `bytes`; `what` is told by the signature. `None` when nothing is signed.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn sign(&self, bytes: &[u8], what: &str) -> Result<Option<String>, KeyError> {
        let Some(key) = &self.signer else { return Ok(None) };
        let trusted = format!("lifeboat {what} at {:.0}", jiff::Timestamp::now());
        let failed =
            |error: minisign::PError| KeyError::new("the key for signatures", error.to_string());
        // Given the public half, the library checks what it has signed.
        let public = PublicKey::from_secret_key(key).map_err(failed)?;
        let signed = minisign::sign(Some(&public), key, bytes, Some(&trusted), Some(COMMENT));
        let signed = signed.map_err(failed)?;
        Ok(Some(signed.into_string()))
    }

    /// Checks a signature of `bytes` against the trusted keys. Whatever it is will do when none is
    /// trusted.
    ///
    /// # Errors
    /// When there is no signature, or none that can be believed.
    pub fn check(&self, bytes: &[u8], signature: Option<&[u8]>) -> Result<(), SignatureProblem> {
        if self.trusted.is_empty() {
            return Ok(());
        }
        let signature = signature.ok_or(SignatureProblem::Missing)?;
        let unreadable = |reason: String| SignatureProblem::Unreadable(reason);
        let text = std::str::from_utf8(signature).map_err(|error| unreadable(error.to_string()))?;
        let signature = SignatureBox::from_string(text).map_err(|e| unreadable(e.to_string()))?;
        let first = signature.untrusted_comment().map_err(|e| unreadable(e.to_string()))?;
        if first != COMMENT || signature.to_string() != text {
            return Err(unreadable(
                "it is not written as minisign writes it without a comment of its own".to_owned(),
            ));
        }
        let mut ours = self.trusted.iter().filter(|key| key.keynum() == signature.keynum());
        let Some(key) = ours.next() else {
            return Err(SignatureProblem::Stranger(id(signature.keynum())));
        };
        minisign::verify(key, &signature, Cursor::new(bytes), true, false, false)
            .map_err(|_| SignatureProblem::Wrong)
    }
}

/// The secret key in the text of a file. Never asks a person for the password.
pub(super) fn secret_key(key: &Secret, password: Option<&Secret>) -> Result<SecretKey, KeyError> {
    let what = "the secret key for signatures";
    let parse = || SecretKeyBox::from_string(key.expose());
    let boxed = parse().map_err(|error| KeyError::new(what, error.to_string()))?;
    if let Some(key) = without_checksum(key) {
        return Ok(key);
    }
    // Who has a password for a key without one need not be bothered.
    if let Ok(key) = boxed.into_unencrypted_secret_key() {
        return Ok(key);
    }
    let Some(password) = password else {
        return Err(KeyError::new(what, "it is protected by a password, and none is given"));
    };
    parse()
        .and_then(|boxed| SecretKey::from_box(boxed, Some(password.expose().to_owned())))
        .map_err(|_| {
            KeyError::new(what, "it is no secret key of minisign, or the password is wrong")
        })
}

/// The key as `minisign -W` writes it: without a password, and without the checksum that the library
/// insists on.
fn without_checksum(key: &Secret) -> Option<SecretKey> {
    use base64::Engine as _;

    /// Algorithms, salt, limits, the key's id and both halves, its checksum.
    const SIZE: usize = 158;
    let bytes = base64::engine::general_purpose::STANDARD.decode(key.expose().lines().nth(1)?);
    let bytes = bytes.ok().filter(|bytes| bytes.len() == SIZE)?;
    let is_plain = bytes[2..4] == [0; 2] && bytes[SIZE - 32..] == [0; 32];
    if is_plain { SecretKey::from_bytes(&bytes).ok() } else { None }
}

/// The public key in a text: its line alone, or a file with the comment above it.
pub(super) fn public_key(text: &str) -> Result<PublicKey, KeyError> {
    let text = text.trim();
    let parsed = if text.contains('\n') {
        PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key)
    } else {
        PublicKey::from_base64(text)
    };
    parsed.map_err(|error| KeyError::new("the public key for signatures", error.to_string()))
}

pub(super) fn public_of(key: &SecretKey) -> Result<String, KeyError> {
    PublicKey::from_secret_key(key)
        .map(|key| key.to_base64())
        .map_err(|error| KeyError::new("the secret key for signatures", error.to_string()))
}

pub(super) fn generate(password: Option<&Secret>) -> Result<KeyPair, KeyError> {
    let failed = |error: minisign::PError| KeyError::new("a new key", error.to_string());
    let pair = match password {
        None => minisign::KeyPair::generate_unencrypted_keypair(),
        Some(text) => minisign::KeyPair::generate_encrypted_keypair(Some(text.expose().to_owned())),
    }
    .map_err(failed)?;
    let comment = format!("lifeboat secret key {}", id(pair.pk.keynum()));
    let secret = pair.sk.to_box(Some(&comment)).map_err(failed)?;
    Ok(KeyPair { secret: Secret::new(secret.into_string()), public: pair.pk.to_base64() })
}
