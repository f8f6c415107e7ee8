//! What a class and its bases have under a name.
//!
//! CPython's table of such answers goes by the version of the class. Each change takes the version away, from derived classes too, and after a
//! thousand changes there is no new one: from then on all of them (think of a base class that counts its instances, `Base.count += 1`) are looked
//! up in dictionary after dictionary, each time. This table goes by the versions of those dictionaries' *keys*, which a value that is replaced
//! leaves alone, as the value is read where it is. So nobody has to tell of changes.

use crate::*;
use core::cell::UnsafeCell;
use core::ptr;
use pyo3_ffi::{self as ffi, PyObject, PyTypeObject};

/// How many classes are gone through, not counting `object`.
const LONGEST: usize = 6;
/// Index in [`Entry`]: only `object` may have it.
const IN_OBJECT: u32 = u32::MAX;
/// The same: it cannot be told like that.
const UNKNOWN: u32 = u32::MAX - 1;

/// Where a name is found.
#[derive(Clone, Copy)]
struct Entry {
    class: *mut PyTypeObject,
    /// Only classes after this one in the order of `class` count; null: all.
    after: *mut PyTypeObject,
    /// An interned string that never dies.
    name: *mut PyObject,
    /// What `object` has, if it comes to that; borrowed for good, or null.
    of_object: *mut PyObject,
    /// Of the keys of so many classes, one after the other; all but the last do not have the name.
    versions: [u32; LONGEST],
    count: u32,
    /// Of the entry in the last one's dictionary, or [`IN_OBJECT`].
    index: u32,
}

impl Entry {
    const NONE: Entry = Entry {
        class: ptr::null_mut(),
        after: ptr::null_mut(),
        name: ptr::null_mut(),
        of_object: ptr::null_mut(),
        versions: [0; LONGEST],
        count: 0,
        index: 0,
    };

    #[inline(always)]
    fn is_for(&self, class: *mut PyTypeObject, after: *mut PyTypeObject, name: *mut PyObject) -> bool {
        self.class == class && self.after == after && self.name == name
    }

    /// The answer, if the keys are what they were. Which classes these are makes no difference.
    #[inline(always)]
    unsafe fn answer(&self, mro: *mut PyObject, start: usize) -> Option<*mut PyObject> {
        let (length, count) = (size(mro) as usize, self.count as usize);
        if start + count > length || self.index == UNKNOWN {
            return None;
        }
        let mut dict = ptr::null_mut::<PyDictObject>();
        for (i, version) in self.versions[..count].iter().enumerate() {
            dict = class_dict(mro, start + i);
            if dict.is_null() || (*(*dict).ma_keys).dk_version != *version {
                return None;
            }
        }
        if self.index == IN_OBJECT {
            let is_object = start + count + 1 == length && is_object(mro, start + count);
            return is_object.then_some(self.of_object);
        }
        Some((*unicode_entries((*dict).ma_keys).add(self.index as usize)).me_value)
    }

    /// Looks in the dictionaries.
    unsafe fn fill(
        class: *mut PyTypeObject,
        after: *mut PyTypeObject,
        name: *mut PyObject,
        start: usize,
    ) -> Option<Entry> {
        let mro = (*class).tp_mro;
        let mut entry = Entry { class, after, name, ..Entry::NONE };
        for i in start..size(mro) as usize {
            if is_object(mro, i) {
                entry.index = IN_OBJECT;
                entry.of_object = _PyType_Lookup(&raw mut ffi::PyBaseObject_Type, name);
                return (i + 1 == size(mro) as usize).then_some(entry);
            }
            let dict = class_dict(mro, i);
            let count = entry.count as usize;
            if count == LONGEST || dict.is_null() {
                return None;
            }
            // Behind other keys there may be an `__eq__`; a table that is shared has its values elsewhere.
            let keys = (*dict).ma_keys;
            if (*keys).dk_kind != DICT_KEYS_UNICODE || !(*dict).ma_values.is_null() {
                return None;
            }
            entry.versions[count] = Some(keys_version(keys)).filter(|&version| version != 0)?;
            entry.count += 1;
            if let Some(index) = dict_entry(dict, name) {
                entry.index = u32::try_from(index).ok()?;
                return Some(entry);
            }
        }
        None
    }
}

/// The dictionary of a class in an MRO.
#[inline(always)]
unsafe fn class_dict(mro: *mut PyObject, i: usize) -> *mut PyDictObject {
    let class = tuple_item(mro, i).cast::<PyTypeObject>();
    if has_feature(class, TPFLAGS_HEAPTYPE) {
        return (*class).tp_dict.cast();
    }
    // Those of built-in classes belong to the interpreter.
    let dict = ffi::PyType_GetDict(class);
    xdecref(dict);
    dict.cast()
}

#[inline(always)]
unsafe fn is_object(mro: *mut PyObject, i: usize) -> bool {
    ptr::eq(tuple_item(mro, i), (&raw const ffi::PyBaseObject_Type).cast())
}

struct Table {
    entries: [Entry; Table::SIZE],
    /// What remembering may cost still, in look-ups that it has to have saved. (Classes that get new names all the time are not worth it, and take
    /// versions of keys.)
    credit: u32,
}

impl Table {
    const SIZE: usize = 1024;
    const MIX: usize = 0x9e37_79b9_7f4a_7c15;
    const COST: u32 = 8;
    const MOST: u32 = 1 << 16;
}

struct Global(UnsafeCell<Table>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Global {}
static TABLE: Global = Global(UnsafeCell::new(Table { entries: [Entry::NONE; Table::SIZE], credit: Table::MOST }));

/// The entry for this question, whatever is in it.
#[inline(always)]
unsafe fn place(
    table: *mut Table,
    class: *mut PyTypeObject,
    after: *mut PyTypeObject,
    name: *mut PyObject,
) -> *mut Entry {
    // Addresses are alike at both ends.
    let mixed = (class.addr() ^ after.addr().rotate_left(20) ^ name.addr().rotate_left(40)).wrapping_mul(Table::MIX);
    (&raw mut (*table).entries).cast::<Entry>().add(mixed >> (usize::BITS - Table::SIZE.trailing_zeros()))
}

/// What the table says.
#[inline(always)]
unsafe fn remembered(
    class: *mut PyTypeObject,
    after: *mut PyTypeObject,
    name: *mut PyObject,
    start: usize,
) -> Option<*mut PyObject> {
    let table = TABLE.0.get();
    let entry = place(table, class, after, name);
    if !(*entry).is_for(class, after, name) {
        return None;
    }
    let found = (*entry).answer((*class).tp_mro, start)?;
    (*table).credit = ((*table).credit + 1).min(Table::MOST);
    Some(found)
}

/// Remembers what is found, if that can be said.
#[cold]
#[inline(never)]
unsafe fn remember(
    class: *mut PyTypeObject,
    after: *mut PyTypeObject,
    name: *mut PyObject,
    start: usize,
) -> Option<*mut PyObject> {
    let table = TABLE.0.get();
    if !is_immortal(name) || !is_type(name, &raw mut ffi::PyUnicode_Type) || (*table).credit < Table::COST {
        return None;
    }
    let entry = place(table, class, after, name);
    if (*entry).is_for(class, after, name) && (*entry).index == UNKNOWN {
        return None;
    }
    (*table).credit -= Table::COST;
    let unknown = Entry { class, after, name, index: UNKNOWN, ..Entry::NONE };
    *entry = Entry::fill(class, after, name, start).unwrap_or(unknown);
    (*entry).answer((*class).tp_mro, start)
}

/// `_PyType_Lookup` (borrowed; null if there is nothing, and no exception).
#[inline(always)]
pub unsafe fn type_lookup(class: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject {
    if (*class).tp_version_tag != 0 { _PyType_Lookup(class, name) } else { lookup_without_version(class, name) }
}

#[inline(never)]
unsafe fn lookup_without_version(class: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject {
    if !(*class).tp_mro.is_null()
        && let Some(found) = remembered(class, ptr::null_mut(), name, 0)
    {
        return found;
    }
    // This gives the class a version if it can have one.
    let found = _PyType_Lookup(class, name);
    if (*class).tp_version_tag == 0 && !(*class).tp_mro.is_null() {
        remember(class, ptr::null_mut(), name, 0);
    }
    found
}

/// What `super(after, instance)` finds (borrowed), where `class` is the instance's, before it binds it; null if there is nothing, or that cannot be
/// told.
#[inline(never)]
pub unsafe fn super_lookup(class: *mut PyTypeObject, after: *mut PyTypeObject, name: *mut PyObject) -> *mut PyObject {
    let mro = (*class).tp_mro;
    if mro.is_null() {
        return ptr::null_mut();
    }
    let Some(at) = (0..size(mro) as usize).find(|&i| ptr::eq(tuple_item(mro, i), after.cast())) else {
        return ptr::null_mut();
    };
    let found = remembered(class, after, name, at + 1);
    found.or_else(|| remember(class, after, name, at + 1)).unwrap_or(ptr::null_mut())
}
