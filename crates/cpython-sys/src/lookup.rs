//! Looking for keys in dictionaries and sets without running Python code.
//!
//! A look-up compares keys, and a key that is not of one of the *simple* classes (or of one that compares by identity, as `object` does), or
//! a tuple of such, might have an `__eq__` in Python. It is compared only if its hash is the same, so that is looked at first; if it comes to
//! that, the answer is "cannot be told".

use crate::*;
use core::ptr;
use pyo3_ffi::{self as ffi, Py_hash_t, PyObject, PyTypeObject};

/// Whether hashing an object of exactly this type, and comparing it with another such one, runs no Python code. (That of a class whose
/// metaclass is `type` compares addresses.)
#[inline(never)]
fn is_simple(t: *mut PyTypeObject) -> bool {
    let simple = [
        &raw mut ffi::PyUnicode_Type,
        &raw mut ffi::PyLong_Type,
        &raw mut ffi::PyFloat_Type,
        &raw mut ffi::PyBool_Type,
        &raw mut ffi::PyType_Type,
        &raw mut PyFunction_Type,
    ];
    // SAFETY: None always exists; its type is read, and this one.
    unsafe { simple.iter().any(|&s| ptr::eq(s, t)) || ptr::eq(t, ty(ffi::Py_None())) || inherits_simple(t) }
}

/// Whether instances of a type are hashed and compared by their addresses, or as ints or strings: classes without methods of their own for that.
unsafe fn inherits_simple(t: *mut PyTypeObject) -> bool {
    let methods = |t: *const PyTypeObject| ((*t).tp_hash.map(|f| f as usize), (*t).tp_richcompare.map(|f| f as usize));
    let own = methods(t);
    [&raw const ffi::PyBaseObject_Type, &raw const ffi::PyLong_Type, &raw const ffi::PyUnicode_Type]
        .iter()
        .any(|&base| methods(base) == own)
}

/// Longer tuples are not looked at.
const LONGEST_TUPLE: isize = 8;

#[inline(always)]
unsafe fn is_simple_object(op: *mut PyObject) -> bool {
    is_type(op, &raw mut ffi::PyUnicode_Type)
        || is_type(op, &raw mut ffi::PyLong_Type)
        || is_simple(ty(op))
        || is_simple_tuple(op)
}

/// A tuple of simple objects, and of tuples of such.
unsafe fn is_simple_tuple(op: *mut PyObject) -> bool {
    let is_short = |op| is_type(op, &raw mut ffi::PyTuple_Type) && size(op) <= LONGEST_TUPLE;
    let items = |tuple| (0..size(tuple) as usize).map(move |i| tuple_item(tuple, i));
    is_short(op)
        && items(op).all(|item| is_simple(ty(item)) || is_short(item) && items(item).all(|inner| is_simple(ty(inner))))
}

/// Whether hashing an object, and comparing it with another one of which this is true, runs no Python code.
pub unsafe fn is_quiet_key(op: *mut PyObject) -> bool {
    is_simple_object(op)
}

/// Bytes and strings are not mixed: comparing them may be asked to warn.
pub unsafe fn compares_quietly(a: *mut PyObject, b: *mut PyObject) -> bool {
    a == b || (is_simple_object(a) && is_simple_object(b))
}

/// The indices at which a hash table of `mask + 1` places is probed for a hash.
struct Probes {
    index: usize,
    perturb: usize,
    mask: usize,
}

impl Probes {
    fn new(hash: Py_hash_t, mask: usize) -> Probes {
        Probes { index: hash as usize & mask, perturb: hash as usize, mask }
    }

    fn advance(&mut self) {
        self.perturb >>= 5;
        self.index = self.index.wrapping_mul(5).wrapping_add(self.perturb).wrapping_add(1) & self.mask;
    }
}

/// An entry of a dictionary's table of indices: negative if there is none (-1), or none any more.
unsafe fn entry_at(keys: *mut DictKeys, index: usize) -> isize {
    let indices = (&raw const (*keys).dk_indices).cast::<u8>();
    match (*keys).dk_log2_index_bytes - (*keys).dk_log2_size {
        0 => *indices.cast::<i8>().add(index) as isize,
        1 => *indices.cast::<i16>().add(index) as isize,
        2 => *indices.cast::<i32>().add(index) as isize,
        _ => *indices.cast::<i64>().add(index) as isize,
    }
}

/// The index of the entry under a string (exactly) in exactly a dict all of whose keys are strings. Its value may be null.
#[inline(always)]
unsafe fn dict_find_text(dict: *mut PyDictObject, key: *mut PyObject) -> Option<usize> {
    let keys = (*dict).ma_keys;
    let entries = unicode_entries(keys);
    let hash = simple_hash(key);
    let mut probes = Probes::new(hash, (1usize << (*keys).dk_log2_size) - 1);
    loop {
        let entry = entry_at(keys, probes.index);
        if entry == -1 {
            return None;
        }
        if entry >= 0 {
            let found = (*entries.offset(entry)).me_key;
            // The keys of dictionaries have their hashes.
            if found == key || (*found.cast::<PyASCIIObject>()).hash == hash && unicode_equal(found, key) {
                return Some(entry as usize);
            }
        }
        probes.advance();
    }
}

/// The index of the entry with a value under a string (exactly) in exactly a dict. None if there is none, or it is among keys of other types.
pub unsafe fn dict_entry(dict: *mut PyDictObject, key: *mut PyObject) -> Option<usize> {
    if !keys_are_unicode((*dict).ma_keys) {
        return None;
    }
    dict_find_text(dict, key).filter(|&index| !(*dict_value_slot(dict, index)).is_null())
}

/// What a `mappingproxy` shows: a `__dict__` of a class, for one, shows exactly a dict.
pub unsafe fn proxied(proxy: *mut PyObject) -> *mut PyObject {
    (*proxy.cast::<MappingProxyObject>()).mapping
}

/// The value under a key in exactly a dict (borrowed; null if there is none). None if looking for it might run code.
pub unsafe fn dict_find(dict: *mut PyObject, key: *mut PyObject) -> Option<*mut PyObject> {
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if !is_simple_object(key) {
        return None;
    }
    // Strings are compared with the key, which is simple.
    if keys_are_unicode(keys) {
        if is_type(key, &raw mut ffi::PyUnicode_Type) {
            let entry = dict_find_text(dict.cast(), key);
            return Some(entry.map_or(ptr::null_mut(), |index| *dict_value_slot(dict.cast(), index)));
        }
        return Some(ffi::PyDict_GetItemWithError(dict, key));
    }
    find_general(keys, key, ffi::PyObject_Hash(key), |found| {
        is_simple_object(found).then(|| ffi::PyObject_RichCompareBool(found, key, ffi::Py_EQ) == 1)
    })
}

/// Looks for a key with this hash among keys that are not all strings, as [`dict_find`]. `is_equal` compares it with another key with that hash; None if
/// that might run code.
#[inline(always)]
unsafe fn find_general(
    keys: *mut DictKeys,
    key: *mut PyObject,
    hash: Py_hash_t,
    is_equal: impl Fn(*mut PyObject) -> Option<bool>,
) -> Option<*mut PyObject> {
    let entries = general_entries(keys);
    let mut probes = Probes::new(hash, (1usize << (*keys).dk_log2_size) - 1);
    loop {
        let entry = entry_at(keys, probes.index);
        if entry == -1 {
            return Some(ptr::null_mut());
        }
        if entry >= 0 {
            let entry = entries.offset(entry);
            if (*entry).me_key == key || (*entry).me_hash == hash && is_equal((*entry).me_key)? {
                return Some((*entry).me_value);
            }
        }
        probes.advance();
    }
}

/// Whether two objects that are not the same are different for that reason: neither class says when its instances are equal.
unsafe fn differ(a: *mut PyObject, b: *mut PyObject) -> Option<bool> {
    let object = ffi::PyBaseObject_Type.tp_richcompare.map(|f| f as usize);
    let is_usual = |op: *mut PyObject| (*ty(op)).tp_richcompare.map(|f| f as usize) == object;
    (is_usual(a) && is_usual(b)).then_some(false)
}

/// The value (borrowed; null if there is none) under a key, whose hash is known and which is no string, in exactly a dict. None if finding it might run code.
pub unsafe fn dict_find_hashed(dict: *mut PyObject, key: *mut PyObject, hash: Py_hash_t) -> Option<*mut PyObject> {
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if !keys_are_unicode(keys) {
        return find_general(keys, key, hash, |found| differ(found, key));
    }
    let entries = unicode_entries(keys);
    let mut probes = Probes::new(hash, (1usize << (*keys).dk_log2_size) - 1);
    loop {
        let entry = entry_at(keys, probes.index);
        if entry == -1 {
            return Some(ptr::null_mut());
        }
        if entry >= 0 && (*(*entries.offset(entry)).me_key.cast::<PyASCIIObject>()).hash == hash {
            return None;
        }
        probes.advance();
    }
}

/// How many places behind the one that a hash leads to are looked at as well, in a set.
const NEIGHBOURS: usize = 9;

/// Where a key is in a set's table, or would be put.
enum Place {
    Taken,
    Free(*mut ffi::setentry, Py_hash_t),
}

/// The hash of exactly a string.
pub unsafe fn unicode_hash(text: *mut PyObject) -> Py_hash_t {
    simple_hash(text)
}

/// The hash of an object of a simple class.
#[inline(always)]
unsafe fn simple_hash(key: *mut PyObject) -> Py_hash_t {
    if is_type(key, &raw mut ffi::PyUnicode_Type) {
        let hash = (*key.cast::<PyASCIIObject>()).hash;
        // It is computed when it is asked for.
        return if hash == -1 { ffi::PyObject_Hash(key) } else { hash };
    }
    if is_type(key, &raw mut ffi::PyLong_Type) && long_is_compact(key) {
        // -1 is the hash of nothing.
        return match long_compact_value(key) {
            -1 => -2,
            n => n,
        };
    }
    ffi::PyObject_Hash(key)
}

/// Looks for a key in exactly a set or frozenset. None if that might run code.
#[inline(always)]
unsafe fn set_place(set: *mut ffi::PySetObject, key: *mut PyObject) -> Option<Place> {
    if !is_simple_object(key) {
        return None;
    }
    place_of(set, key, simple_hash(key), |found| is_simple_object(found).then(|| are_equal(found, key)))
}

/// The same for a key with this hash. `is_equal` compares it with another one with that hash; None if that might run code.
#[inline(always)]
unsafe fn place_of(
    set: *mut ffi::PySetObject,
    key: *mut PyObject,
    hash: Py_hash_t,
    is_equal: impl Fn(*mut PyObject) -> Option<bool>,
) -> Option<Place> {
    let mask = (*set).mask as usize;
    let mut probes = Probes::new(hash, mask);
    loop {
        let neighbours = if probes.index + NEIGHBOURS <= mask { NEIGHBOURS } else { 0 };
        for i in 0..=neighbours {
            let entry = (*set).table.add(probes.index + i);
            let found = (*entry).key;
            if found.is_null() {
                return Some(Place::Free(entry, hash));
            }
            // What stands for a removed entry has the hash -1, which no object has.
            if (*entry).hash == hash && (found == key || is_equal(found)?) {
                return Some(Place::Taken);
            }
        }
        probes.advance();
    }
}

/// Whether a key, whose hash is known, is in exactly a set or frozenset. None if telling might run code.
pub unsafe fn set_find_hashed(set: *mut PyObject, key: *mut PyObject, hash: Py_hash_t) -> Option<bool> {
    place_of(set.cast(), key, hash, |found| differ(found, key)).map(|place| matches!(place, Place::Taken))
}

/// The same as CPython has it (`set_lookkey`), running what code it takes to compare: 1 or 0, or -1 with an exception. The key is kept by the caller.
pub unsafe fn set_contains_hashed(set: *mut PyObject, key: *mut PyObject, hash: Py_hash_t) -> core::ffi::c_int {
    let so = set.cast::<ffi::PySetObject>();
    'anew: loop {
        let (table, mask) = ((*so).table, (*so).mask as usize);
        let mut probes = Probes::new(hash, mask);
        loop {
            let neighbours = if probes.index + NEIGHBOURS <= mask { NEIGHBOURS } else { 0 };
            for i in 0..=neighbours {
                let entry = table.add(probes.index + i);
                let found = (*entry).key;
                if found.is_null() {
                    return 0;
                }
                if (*entry).hash != hash {
                    continue;
                }
                if found == key {
                    return 1;
                }
                incref(found);
                let equal = ffi::PyObject_RichCompareBool(found, key, ffi::Py_EQ);
                decref(found);
                if equal < 0 {
                    return equal;
                }
                // Comparing has changed the set.
                if (*so).table != table || (*so).mask as usize != mask || (*entry).key != found {
                    continue 'anew;
                }
                if equal > 0 {
                    return 1;
                }
            }
            probes.advance();
        }
    }
}

/// Whether two objects are equal that may be compared quietly.
#[inline(always)]
unsafe fn are_equal(a: *mut PyObject, b: *mut PyObject) -> bool {
    if is_type(a, &raw mut ffi::PyUnicode_Type) && is_type(b, &raw mut ffi::PyUnicode_Type) {
        return unicode_equal(a, b);
    }
    ffi::PyObject_RichCompareBool(a, b, ffi::Py_EQ) == 1
}

/// Whether a key is in exactly a set or frozenset. None if telling might run code.
pub unsafe fn set_contains(set: *mut PyObject, key: *mut PyObject) -> Option<bool> {
    set_place(set.cast(), key).map(|place| matches!(place, Place::Taken))
}

/// Adds a key to exactly a set, as `set_add_entry` of CPython does it. Whether that was possible without running code.
pub unsafe fn set_insert(set: *mut PyObject, key: *mut PyObject) -> bool {
    let so = set.cast::<ffi::PySetObject>();
    match set_place(so, key) {
        None => false,
        Some(Place::Taken) => true,
        // The table is not to grow.
        Some(Place::Free(entry, hash)) if ((*so).fill as usize + 1) * 5 < (*so).mask as usize * 3 => {
            (*entry).key = newref(key);
            (*entry).hash = hash;
            (*so).fill += 1;
            (*so).used += 1;
            true
        }
        Some(Place::Free(..)) => {
            let is_added = ffi::PySet_Add(set, key) == 0;
            if !is_added {
                ffi::PyErr_Clear();
            }
            is_added
        }
    }
}

/// Whether a `collections.deque` has no maximum length. What the layout says is held against what the deque itself says.
pub unsafe fn deque_is_unbounded(deque: *mut PyObject) -> bool {
    let maxlen = ffi::PyObject_GetAttrString(deque, c"maxlen".as_ptr());
    if maxlen.is_null() {
        ffi::PyErr_Clear();
        return false;
    }
    let is_unbounded = maxlen == ffi::Py_None() && (*deque.cast::<DequeObject>()).maxlen == -1;
    decref(maxlen);
    is_unbounded
}

/// Where an item is in exactly a list or tuple, looked for from an index on. None if telling might run code.
pub unsafe fn sequence_find(sequence: *mut PyObject, item: *mut PyObject, from: usize) -> Option<Option<usize>> {
    let is_list = is_type(sequence, &raw mut ffi::PyList_Type);
    let items = if is_list { list_items(sequence) } else { tuple_items(sequence) };
    for i in from..size(sequence) as usize {
        let found = *items.add(i);
        if found == item {
            return Some(Some(i));
        }
        if !compares_quietly(found, item) {
            return None;
        }
        if ffi::PyObject_RichCompareBool(found, item, ffi::Py_EQ) == 1 {
            return Some(Some(i));
        }
    }
    Some(None)
}
