//! Telling gdb of machine code, by the interface that gdb has for JIT compilers: a list of object files in memory, and a function
//! that is called when the list has changed, in which gdb has a breakpoint.
//!
//! An object file here has one symbol, and no code: its text section lies where the code is. gdb finds callers by the frame pointers.

use core::ptr;

/// An element of the list; gdb reads it.
#[repr(C)]
struct Entry {
    next: *mut Entry,
    previous: *mut Entry,
    file: *const u8,
    size: u64,
}

/// The list; gdb reads it.
#[repr(C)]
pub struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

/// The list, by the name that gdb knows. The GIL guards it.
#[unsafe(no_mangle)]
pub static mut __jit_debug_descriptor: Descriptor =
    Descriptor { version: 1, action: 0, relevant: ptr::null_mut(), first: ptr::null_mut() };

/// Called when the list has changed, by the name that gdb knows.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn __jit_debug_register_code() {
    // The call must not be taken for one of a function that does nothing.
    core::hint::black_box(());
}

/// Code that gdb knows, until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    /// Owned; an element of the list.
    entry: *mut Entry,
    /// What the element points to.
    _file: Vec<u8>,
}

impl Registration {
    /// Registers code. The GIL is held.
    pub(super) fn new(name: &str, entry: *const u8, size: usize) -> Registration {
        let file = object_file(name, entry.addr() as u64, size as u64);
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: the GIL guards the list, and its elements are live.
        unsafe {
            let first = (*list).first;
            let (data, size) = (file.as_ptr(), file.len() as u64);
            let entry = Box::into_raw(Box::new(Entry { next: first, previous: ptr::null_mut(), file: data, size }));
            if !first.is_null() {
                (*first).previous = entry;
            }
            (*list).first = entry;
            tell(entry, REGISTER);
            Registration { entry, _file: file }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: as above; the element is this registration's.
        unsafe {
            let Entry { next, previous, .. } = *self.entry;
            if previous.is_null() {
                (*list).first = next;
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
            tell(self.entry, UNREGISTER);
            (*list).relevant = ptr::null_mut();
            drop(Box::from_raw(self.entry));
        }
    }
}

unsafe fn tell(entry: *mut Entry, action: u32) {
    let list = &raw mut __jit_debug_descriptor;
    // SAFETY: the GIL guards the list. Volatile, as somebody else reads it.
    unsafe {
        (&raw mut (*list).relevant).write_volatile(entry);
        (&raw mut (*list).action).write_volatile(action);
    }
    __jit_debug_register_code();
}

/// An ELF file for x86-64 with a symbol of this name for the code there.
fn object_file(name: &str, address: u64, size: u64) -> Vec<u8> {
    const HEADER: usize = 64;
    const SECTION: usize = 64;
    const SYMBOL: usize = 24;
    // Offsets of names in here: 1, 7, 15, 23.
    const SECTION_NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0.shstrtab\0";
    let names = [b"\0", name.as_bytes(), b"\0"].concat();
    let sections = 5;
    let symbols_at = HEADER + sections * SECTION;
    let names_at = symbols_at + 2 * SYMBOL;
    let section_names_at = names_at + names.len();

    let mut file = Vec::with_capacity(section_names_at + SECTION_NAMES.len());
    // 64 bits, little-endian, version 1.
    file.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let put16 = |file: &mut Vec<u8>, n: usize| file.extend_from_slice(&(n as u16).to_le_bytes());
    let put32 = |file: &mut Vec<u8>, n: usize| file.extend_from_slice(&(n as u32).to_le_bytes());
    let put64 = |file: &mut Vec<u8>, n: u64| file.extend_from_slice(&n.to_le_bytes());
    // A relocatable file for x86-64, version 1, without entry and segments; sections follow the header.
    put16(&mut file, 1);
    put16(&mut file, 62);
    put32(&mut file, 1);
    put64(&mut file, 0);
    put64(&mut file, 0);
    put64(&mut file, HEADER as u64);
    put32(&mut file, 0);
    put16(&mut file, HEADER);
    put16(&mut file, 0);
    put16(&mut file, 0);
    put16(&mut file, SECTION);
    put16(&mut file, sections);
    put16(&mut file, sections - 1);

    struct Section {
        name: usize,
        kind: usize,
        flags: u64,
        address: u64,
        at: usize,
        size: u64,
        /// Of a table of symbols: the section with their names, and the number of the first one that is global.
        link: (usize, usize),
        /// Alignment, and the size of an element.
        units: (u64, u64),
    }
    let none = Section { name: 0, kind: 0, flags: 0, address: 0, at: 0, size: 0, link: (0, 0), units: (0, 0) };
    let names_size = names.len() as u64;
    let table = [
        Section { ..none },
        // Code that takes no room in the file (8), to be allocated and executed (2, 4).
        Section { name: 1, kind: 8, flags: 6, address, at: symbols_at, size, units: (16, 0), ..none },
        Section { name: 7, kind: 2, at: symbols_at, size: 2 * SYMBOL as u64, link: (3, 1), units: (8, 24), ..none },
        Section { name: 15, kind: 3, at: names_at, size: names_size, units: (1, 0), ..none },
        Section { name: 23, kind: 3, at: section_names_at, size: SECTION_NAMES.len() as u64, units: (1, 0), ..none },
    ];
    for section in table {
        put32(&mut file, section.name);
        put32(&mut file, section.kind);
        put64(&mut file, section.flags);
        put64(&mut file, section.address);
        put64(&mut file, section.at as u64);
        put64(&mut file, section.size);
        put32(&mut file, section.link.0);
        put32(&mut file, section.link.1);
        put64(&mut file, section.units.0);
        put64(&mut file, section.units.1);
    }
    // The symbol that is none, and ours: name, a global function, in section 1, at its beginning.
    file.extend_from_slice(&[0; SYMBOL]);
    put32(&mut file, 1);
    file.extend_from_slice(&[0x12, 0]);
    put16(&mut file, 1);
    put64(&mut file, 0);
    put64(&mut file, size);
    file.extend_from_slice(&names);
    file.extend_from_slice(SECTION_NAMES);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

    /// The files in the list, from the newest.
    fn files() -> Vec<&'static [u8]> {
        let mut files = Vec::new();
        let list = &raw const __jit_debug_descriptor;
        // SAFETY: no other test touches the list; its elements live as long as the registrations in the test below.
        unsafe {
            let mut entry = (*list).first;
            let mut previous = ptr::null_mut();
            while !entry.is_null() {
                assert_eq!((*entry).previous, previous);
                files.push(core::slice::from_raw_parts((*entry).file, (*entry).size as usize));
                previous = entry;
                entry = (*entry).next;
            }
        }
        files
    }

    #[test]
    fn list_and_files() {
        let codes = [[0u8; 40], [1; 40], [2; 40]];
        let mut registrations: Vec<_> =
            codes.iter().zip(["a", "hotspur:f:1#7", "ü"]).map(|(c, n)| Registration::new(n, c.as_ptr(), 40)).collect();
        for (file, (code, name)) in files().iter().rev().zip(codes.iter().zip(["a", "hotspur:f:1#7", "ü"])) {
            let file = object::File::parse(*file).expect("a valid file");
            assert_eq!(file.architecture(), object::Architecture::X86_64);
            let text = file.section_by_name(".text").expect("a text section");
            // It has no content in the file.
            let expected = (SectionKind::UninitializedData, code.as_ptr() as u64, 40);
            assert_eq!((text.kind(), text.address(), text.size()), expected);
            assert_eq!(text.data(), Ok(&[][..]));
            let symbols: Vec<_> = file.symbols().filter(|s| s.kind() == SymbolKind::Text).collect();
            assert_eq!(symbols.len(), 1);
            assert_eq!((symbols[0].name(), symbols[0].size()), (Ok(name), 40));
            assert_eq!(symbols[0].section_index(), Some(text.index()));
        }
        assert_eq!(files().len(), 3);
        // From the middle, then the others.
        drop(registrations.remove(1));
        assert_eq!(files().len(), 2);
        registrations.clear();
        assert_eq!(files().len(), 0);
    }
}
