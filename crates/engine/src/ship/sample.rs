//! Logs for tests, as a server writes them.

/// The header of file number `version`.
pub(crate) fn header(version: u8, last_tx: u8) -> Vec<u8> {
    let mut bytes = vec![0; 128];
    (bytes[0], bytes[7], bytes[15]) = (9, version, last_tx);
    bytes[25..41].fill(7);
    bytes[41..59].copy_from_slice(b"\x06record\x07aligned\x01\x01\0");
    bytes
}

/// A transaction with these bytes for commands.
pub(crate) fn transaction(id: u64, committed: i64, commands: &[u8]) -> Vec<u8> {
    let mut bytes = vec![21, 1];
    bytes.extend(committed.to_le_bytes());
    bytes.extend([0; 24]);
    bytes.extend(commands);
    bytes.extend([21, 5]);
    bytes.extend(id.to_le_bytes());
    bytes.extend(committed.to_le_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes);
    bytes.extend_from_slice(&crc.to_le_bytes()[..4]);
    bytes
}
