//! The certificate of a restore beside a backup: written, read, and believed only as far as it can
//! be checked.

use std::sync::Arc;

use lifeboat_archive::{BackupName, Certificate, Digest, FileKind};

use crate::vault::MAX_MANIFEST;
use crate::{Error, Vault};

/// What the certificate beside a backup is worth.
#[derive(Debug, Clone)]
pub enum Certified {
    /// It speaks for this backup.
    Valid(Arc<Certificate>),
    /// It does not, and why.
    Invalid(String),
}

impl Certified {
    /// The certificate, when it is worth something.
    pub fn valid(&self) -> Option<&Certificate> {
        match self {
            Self::Valid(certificate) => Some(certificate),
            Self::Invalid(_) => None,
        }
    }
}

impl Vault {
    /// Stores the certificate of a backup, in the place of an older one.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn certify(&self, certificate: &Certificate) -> Result<(), Error> {
        let (name, bytes) = (&certificate.backup, certificate.to_bytes());
        let signature = self.keys().sign(&bytes, &name.file_name(FileKind::Certificate))?;
        self.write_beside(name, FileKind::Certificate, bytes.into()).await?;
        // In between, the old signature does not fit, and the certificate counts for nothing.
        match signature {
            Some(text) => {
                self.write_beside(name, FileKind::CertificateSignature, text.into()).await
            }
            None => self.remove_beside(name, FileKind::CertificateSignature).await.map(|_| ()),
        }
    }

    /// The certificate of a backup, if it has one.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such backup; those of reading.
    pub async fn certificate(&self, name: &BackupName) -> Result<Option<Certified>, Error> {
        let manifest = self.manifest_digest(name).await?;
        self.certificate_of(name, manifest).await
    }

    /// The certificate of a backup whose manifest's file has this digest.
    pub(crate) async fn certificate_of(
        &self,
        name: &BackupName,
        manifest: Digest,
    ) -> Result<Option<Certified>, Error> {
        let bytes = match self.read_beside(name, FileKind::Certificate).await {
            Ok(None) => return Ok(None),
            Ok(Some(bytes)) => bytes,
            Err(error @ (Error::Unreachable { .. } | Error::VaultMissing { .. })) => {
                return Err(error);
            }
            Err(error) => return Ok(Some(Certified::Invalid(error.to_string()))),
        };
        let kind = FileKind::CertificateSignature;
        if let Err(problem) = self.check_signature(name, kind, &bytes).await? {
            return Ok(Some(Certified::Invalid(problem.to_string())));
        }
        Ok(Some(match Certificate::parse(&bytes, name, manifest) {
            Ok(certificate) => Certified::Valid(Arc::new(certificate)),
            Err(error) => Certified::Invalid(error.to_string()),
        }))
    }

    /// BLAKE3 of a manifest's file as it is, which marks and certificates are bound to.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such backup; those of reading.
    pub async fn manifest_digest(&self, name: &BackupName) -> Result<Digest, Error> {
        match self.get_small(&name.manifest_file(), MAX_MANIFEST).await? {
            None => Err(self.not_found(name)),
            Some(Ok(bytes)) => Ok(Digest::of(&bytes)),
            // Damaged beyond reading: its size must do.
            Some(Err(size)) => Ok(Digest::of(size.to_string().as_bytes())),
        }
    }
}
