//! What is to be known of this machine: its disks, and its certificates.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::parse_x509_certificate;

/// Free and all bytes of the disks that folders are on; what cannot be told is left out.
pub(super) fn disks(places: &[PathBuf]) -> Vec<(String, u64, u64)> {
    let disk = |place: &PathBuf| {
        let found = rustix::fs::statvfs(place).ok()?;
        // What only root may use is not free.
        let (free, all) = (found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize);
        (all > 0).then(|| (place.display().to_string(), free, all))
    };
    places.iter().filter_map(disk).collect()
}

/// Until when certificates hold. One that cannot be read is told of by who uses it.
pub(super) fn certificates(files: &[PathBuf]) -> Vec<(String, Timestamp)> {
    files.iter().filter_map(|file| Some((file.display().to_string(), until(file)?))).collect()
}

/// The end of the first certificate of a file that ends.
fn until(file: &Path) -> Option<Timestamp> {
    let chain = CertificateDer::pem_file_iter(file).ok()?;
    let ends = chain.filter_map(|certificate| {
        let certificate = certificate.ok()?;
        let (_, parsed) = parse_x509_certificate(&certificate).ok()?;
        Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
    });
    ends.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_has_some_bytes_free() {
        let folder = tempfile::tempdir().unwrap();
        let found = disks(&[folder.path().to_owned(), folder.path().join("no-such")]);
        let [(place, free, all)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(Path::new(place), folder.path());
        assert!(free <= all && *all > 0, "{found:?}");
    }

    #[test]
    fn the_first_end_of_a_chain_counts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chain.pem");
        let mut pem = String::new();
        for year in [2031, 2029] {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let key = rcgen::KeyPair::generate().unwrap();
            pem.push_str(&params.self_signed(&key).unwrap().pem());
        }
        std::fs::write(&file, pem).unwrap();
        let name = file.display().to_string();
        let end = "2029-03-01T00:00:00Z".parse().unwrap();
        assert_eq!(certificates(&[file, folder.path().join("none")]), [(name, end)]);
    }
}
