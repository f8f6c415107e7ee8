//! A glance at an executable file: is it a CPython?
//!
//! Running a candidate to ask it costs as much as a whole Python start, which is more than Hotspur may add. A
//! CPython's name, and the C API among its dynamic symbols, say enough for the usual case; whatever is not clear from
//! them is run and asked.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ELF executable that exports or imports CPython's `main`.
    CPython,
    /// Something else that can perhaps be run: a shell script, another program.
    Other,
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
/// Nobody has that many; more means that the file is broken.
const MAX_HEADERS: u16 = 512;
const MAX_STRINGS: u64 = 64 << 20;

/// Looks at the file. Errors are only those of reading it.
pub fn kind(path: &Path) -> io::Result<Kind> {
    let file = File::open(path)?;
    Ok(match dynamic_strings(&file) {
        Some(strings) if has_string(&strings, b"Py_BytesMain") => Kind::CPython,
        Some(_) | None => Kind::Other,
    })
}

fn has_string(strings: &[u8], name: &[u8]) -> bool {
    // A string table is a sequence of NUL-terminated strings, starting with the empty one.
    strings.split(|&byte| byte == 0).any(|string| string == name)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn read(file: &File, offset: u64, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes)
}

/// The dynamic string table of a 64-bit little-endian ELF file.
fn dynamic_strings(file: &File) -> Option<Vec<u8>> {
    let header = read(file, 0, 64)?;
    if &header[..6] != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = u64_at(&header, 32)?;
    let size = usize::from(u16_at(&header, 54)?);
    let count = u16_at(&header, 56)?;
    if size < 56 || count > MAX_HEADERS {
        return None;
    }
    let table = read(file, table, size * usize::from(count))?;
    // (virtual address, offset in the file, size in the file)
    let mut loads = Vec::new();
    let mut dynamic = None;
    for entry in table.chunks_exact(size) {
        let segment = (u64_at(entry, 16)?, u64_at(entry, 8)?, u64_at(entry, 32)?);
        match u32_at(entry, 0)? {
            PT_LOAD => loads.push(segment),
            PT_DYNAMIC => dynamic = Some(segment),
            _ => {}
        }
    }
    let (_, offset, size) = dynamic?;
    let dynamic = read(file, offset, usize::try_from(size.min(1 << 16)).ok()?)?;
    let mut address = None;
    let mut length = None;
    for entry in dynamic.chunks_exact(16) {
        match u64_at(entry, 0)? {
            DT_STRTAB => address = u64_at(entry, 8),
            DT_STRSZ => length = u64_at(entry, 8),
            _ => {}
        }
    }
    let (address, length) = (address?, length?);
    if length > MAX_STRINGS {
        return None;
    }
    let offset = loads.iter().find_map(|&(start, offset, size)| {
        let within = address.checked_sub(start)?;
        (within < size).then(|| offset + within)
    })?;
    read(file, offset, usize::try_from(length).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn other_programs() {
        assert_eq!(kind(Path::new("/bin/sh")).unwrap(), Kind::Other);
        assert_eq!(kind(&std::env::current_exe().unwrap()).unwrap(), Kind::Other);
        assert!(kind(Path::new("/no/such/file")).is_err());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"#!/bin/sh\n").unwrap();
        assert_eq!(kind(file.path()).unwrap(), Kind::Other);
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"\x7fELF\x02\x01").unwrap();
        file.write_all(&[0xff; 200]).unwrap();
        assert_eq!(kind(file.path()).unwrap(), Kind::Other);
    }

    #[test]
    fn strings() {
        assert!(has_string(b"\0a\0Py_BytesMain\0b\0", b"Py_BytesMain"));
        assert!(!has_string(b"\0a\0xPy_BytesMain\0b\0", b"Py_BytesMain"));
    }
}
