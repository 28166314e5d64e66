//! Tar headers: ustar (POSIX.1-1988), with a pax extended header (POSIX.1-2001) before it where
//! ustar has no room.
//!
//! The one idea: an entry has exactly one header. A reader never parses tar; it makes the header
//! that the manifest calls for and compares the bytes. So `tar` can never see another path, size
//! or type than the manifest tells, and there is no parser to attack.

use std::fmt::Write;

/// Tar is made of blocks of 512 bytes.
pub(crate) const BLOCK: u64 = 512;

/// A tar ends with two blocks of zeros.
pub(crate) const END: u64 = 2 * BLOCK;

/// The largest number in an octal field of 11 digits (size: just under 8 GiB).
const MAX_OCTAL_11: u64 = 0o777_7777_7777;
/// The largest number in an octal field of 7 digits.
const MAX_OCTAL_7: u64 = 0o777_7777;

/// What a tar header tells about an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) path: &'a str,
    /// `b'0'` file, `b'2'` symbolic link, `b'5'` directory.
    pub(crate) flag: u8,
    pub(crate) link: &'a str,
    pub(crate) size: u64,
    pub(crate) mode: u32,
    pub(crate) mtime: i64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
}

/// How many zeros follow `size` bytes of data.
pub(crate) fn padding(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// Appends the header of `member`, a whole number of blocks, to `out`.
pub(crate) fn header(member: &Member<'_>, out: &mut Vec<u8>) {
    let mut name = member.path.to_owned();
    if member.flag == b'5' {
        name.push('/');
    }

    let mut pax = String::new();
    let split = split(&name);
    if split.is_none() {
        record(&mut pax, "path", &name);
    }
    if !member.link.is_ascii() || member.link.len() > 100 {
        record(&mut pax, "linkpath", member.link);
    }
    for (key, value, limit) in [
        ("size", member.size, MAX_OCTAL_11),
        ("uid", member.uid, MAX_OCTAL_7),
        ("gid", member.gid, MAX_OCTAL_7),
    ] {
        if value > limit {
            record(&mut pax, key, &value.to_string());
        }
    }
    let mtime = u64::try_from(member.mtime).ok().filter(|mtime| *mtime <= MAX_OCTAL_11);
    if mtime.is_none() {
        record(&mut pax, "mtime", &member.mtime.to_string());
    }

    if !pax.is_empty() {
        let size = pax.len() as u64;
        let fields = Fields { mode: 0o644, uid: 0, gid: 0, size, mtime: 0, flag: b'x' };
        out.extend_from_slice(&block(b"././@PaxHeader", b"", b"", &fields));
        out.extend_from_slice(pax.as_bytes());
        out.resize(out.len() + padding(size) as usize, 0);
    }

    let plain_name = plain(&name);
    let (prefix, name) = split.unwrap_or(("", &plain_name));
    let fields = Fields {
        mode: member.mode,
        // What a pax record tells better is 0 here.
        uid: Some(member.uid).filter(|n| *n <= MAX_OCTAL_7).unwrap_or(0),
        gid: Some(member.gid).filter(|n| *n <= MAX_OCTAL_7).unwrap_or(0),
        size: Some(member.size).filter(|n| *n <= MAX_OCTAL_11).unwrap_or(0),
        mtime: mtime.unwrap_or(0),
        flag: member.flag,
    };
    let link = plain(member.link);
    out.extend_from_slice(&block(name.as_bytes(), prefix.as_bytes(), link.as_bytes(), &fields));
}

/// `name` as ustar's prefix and name: cut at the first slash that leaves at most 100 bytes; `None`
/// when it needs a pax record.
fn split(name: &str) -> Option<(&str, &str)> {
    if !name.is_ascii() {
        return None;
    }
    if name.len() <= 100 {
        return Some(("", name));
    }
    let from = name.len() - 101;
    let slash = from + name[from..].find('/')?;
    let (prefix, rest) = (&name[..slash], &name[slash + 1..]);
    (!prefix.is_empty() && prefix.len() <= 155 && !rest.is_empty()).then_some((prefix, rest))
}

/// The first 100 characters, those that are not ASCII replaced: for readers that know no pax.
fn plain(name: &str) -> String {
    name.chars().take(100).map(|c| if c.is_ascii() { c } else { '_' }).collect()
}

/// Appends a pax record, `LENGTH KEY=VALUE\n`, where the length counts its own digits too.
fn record(pax: &mut String, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let _ = writeln!(pax, "{length} {key}={value}");
}

struct Fields {
    mode: u32,
    uid: u64,
    gid: u64,
    size: u64,
    mtime: u64,
    flag: u8,
}

fn block(name: &[u8], prefix: &[u8], link: &[u8], fields: &Fields) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name);
    put(100, format!("{:07o}\0{:07o}\0{:07o}\0", fields.mode, fields.uid, fields.gid).as_bytes());
    put(124, format!("{:011o}\0{:011o}\0", fields.size, fields.mtime).as_bytes());
    put(148, b"        "); // the checksum counts its own field as spaces
    put(156, &[fields.flag]);
    put(157, link);
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\0"); // no device
    put(345, prefix);
    let checksum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{checksum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(path: &str) -> Member<'_> {
        Member {
            path,
            flag: b'0',
            link: "",
            size: 0,
            mode: 0o644,
            mtime: 1_790_000_000,
            uid: 0,
            gid: 0,
        }
    }

    /// Reads a header back with another implementation of tar.
    fn check(member: &Member<'_>) {
        let mut bytes = Vec::new();
        header(member, &mut bytes);
        assert_eq!(bytes.len() % 512, 0);
        let header_len = bytes.len() as u64;
        bytes.resize(bytes.len() + 1024, 0);
        let mut archive = ::tar::Archive::new(bytes.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        assert_eq!(path.strip_suffix('/').unwrap_or(&path), member.path);
        assert_eq!(path.ends_with('/'), member.flag == b'5');
        let link =
            entry.link_name_bytes().map(|link| String::from_utf8(link.into_owned()).unwrap());
        assert_eq!(link.unwrap_or_default(), member.link);
        assert_eq!(entry.size(), member.size);
        assert_eq!(entry.raw_file_position(), header_len);
        assert_eq!(entry.header().mode().unwrap(), member.mode);
        assert_eq!(entry.header().entry_type().as_byte(), member.flag);
        let pax = |key: &str, entry: &mut ::tar::Entry<'_, _>| -> Option<String> {
            let extensions = entry.pax_extensions().unwrap()?;
            extensions
                .map(Result::unwrap)
                .find(|extension| extension.key() == Ok(key))
                .map(|extension| extension.value().unwrap().to_owned())
        };
        let mtime = pax("mtime", &mut entry);
        let mtime = mtime.map_or(entry.header().mtime().unwrap() as i64, |m| m.parse().unwrap());
        assert_eq!(mtime, member.mtime);
        let uid = pax("uid", &mut entry);
        let uid = uid.map_or(entry.header().uid().unwrap(), |uid| uid.parse().unwrap());
        assert_eq!(uid, member.uid);
    }

    #[test]
    fn needs_no_extension_for_ordinary_entries() {
        let long = format!("{}/{}", "d".repeat(155), "f".repeat(100));
        for path in ["nodes/000000.jsonl", &"x".repeat(100), &long] {
            let mut bytes = Vec::new();
            header(&file(path), &mut bytes);
            assert_eq!(bytes.len(), 512, "{path}");
            check(&file(path));
        }
    }

    #[test]
    fn extends_where_ustar_has_no_room() {
        for member in [
            file("ünï"),
            file(&"x".repeat(101)),
            file(&format!("{}/{}", "d".repeat(156), "f".repeat(100))),
            file(&format!("/{}", "f".repeat(100))),
            Member { size: MAX_OCTAL_11 + 1, ..file("big") },
            Member { size: u64::from(u32::MAX) << 16, ..file("bigger") },
            Member { mtime: -1, ..file("old") },
            Member { mtime: 1 << 33, ..file("late") },
            Member { uid: 0o1000_0000, ..file("owned") },
            Member { flag: b'2', link: "ü", ..file("l") },
            Member { flag: b'2', link: &"t".repeat(101), ..file("l") },
        ] {
            let mut bytes = Vec::new();
            header(&member, &mut bytes);
            assert!(bytes.len() > 512, "{member:?}");
            check(&member);
        }
    }

    #[test]
    fn counts_the_digits_of_a_records_length() {
        for length in 1..2000 {
            let mut pax = String::new();
            record(&mut pax, "path", &"x".repeat(length));
            let (told, _) = pax.split_once(' ').unwrap();
            assert_eq!(told.parse::<usize>().unwrap(), pax.len());
        }
    }

    proptest! {
        #[test]
        fn another_tar_reads_any_header(
            path in "[a-zü0-9._-]{1,90}(/[a-zA-Zé]{1,90}){0,4}",
            link in "[a-zß/]{1,120}",
            flag in prop::sample::select(b"025".as_slice()),
            size in prop_oneof![0_u64..100_000, 0..u64::MAX >> 2],
            mode in 0_u32..0o10000,
            mtime in prop_oneof![0_i64..2_000_000_000, -(1_i64 << 40)..1 << 40],
            uid in prop_oneof![0_u64..70_000, 0..u64::MAX],
        ) {
            let link = if flag == b'2' { link.as_str() } else { "" };
            let size = if flag == b'0' { size } else { 0 };
            check(&Member { path: &path, flag, link, size, mode, mtime, uid, gid: 0 });
        }
    }
}
