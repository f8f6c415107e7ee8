//! Which objects die quietly: freeing them runs no Python code.
//!
//! When a superblock drops the last reference to an object, other code might run (finalizers, callbacks of weak references), so the frames have to
//! be shown as they are. That is costly, and nearly always in vain. So the object is looked at first: numbers and strings, containers of
//! such, and instances of plain classes without finalizers and weak references, as deep as it takes to see that nothing else
//! dies with them.

use crate::watch;
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::offset_of;
use hotspur_cpython_sys::ffi::{PyMemberDef, PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use smallvec::SmallVec;

/// Whether no code runs when an object is freed whose count has become zero, as far as that is easy to tell. It is to be freed next, in any
/// case.
pub(crate) unsafe fn dies_quietly(op: *mut PyObject) -> bool {
    let kind = kind_of(ty(op));
    match kind {
        Kind::Leaf => return true,
        Kind::List => {
            drop_simple_items(op);
            if size(op) == 0 {
                return true;
            }
        }
        Kind::Tuple if drop_simple_fields(op) => return true,
        Kind::Set => {
            let set = op.cast::<ffi::PySetObject>();
            if drop_simple_entries(set) && (*set).used == 0 {
                return true;
            }
        }
        _ => {}
    }
    Death::is_quiet(|death| death.takes(op, kind, Death::DEPTH))
}

/// Drops the items of a list that are numbers or text, when it is about to be freed. The others move together, in their order. That is done while
/// they are looked at, however many there are; nobody can tell, since nobody refers to the list any more.
unsafe fn drop_simple_items(list: *mut PyObject) {
    let items = list_items(list);
    let mut left = 0;
    for i in 0..size(list) {
        let item = *items.offset(i);
        if item.is_null() || is_immortal(item) {
            continue;
        }
        if kind_of(ty(item)) == Kind::Leaf {
            decref(item);
        } else {
            *items.offset(left) = item;
            left += 1;
        }
    }
    (*list.cast::<ffi::PyVarObject>()).ob_size = left;
}

/// The same for a tuple, whose items stay where they are. Whether it has no others.
unsafe fn drop_simple_fields(tuple: *mut PyObject) -> bool {
    let items = tuple_items(tuple);
    let mut is_simple = true;
    for i in 0..size(tuple) as usize {
        let item = *items.add(i);
        if item.is_null() || is_immortal(item) {
            continue;
        }
        if kind_of(ty(item)) == Kind::Leaf {
            *items.add(i) = core::ptr::null_mut();
            decref(item);
        } else {
            is_simple = false;
        }
    }
    is_simple
}

/// Drops the entries of a set that are numbers or text, when it is about to be freed, as [`drop_simple_items`] does. False, and nothing is done, if
/// a weak reference to the set is to hear of its end, or if entries were removed: places that they have left are not told from others here.
unsafe fn drop_simple_entries(set: *mut ffi::PySetObject) -> bool {
    if !(*set).weakreflist.is_null() || (*set).fill != (*set).used {
        return false;
    }
    let (mut left, mut dropped) = ((*set).used, 0);
    let mut entry = (*set).table;
    while left > 0 {
        let key = (*entry).key;
        if !key.is_null() {
            left -= 1;
            if is_immortal(key) || kind_of(ty(key)) == Kind::Leaf {
                (*entry).key = core::ptr::null_mut();
                decref(key);
                dropped += 1;
            }
        }
        entry = entry.add(1);
    }
    (*set).used -= dropped;
    (*set).fill = (*set).used;
    true
}

/// Containers with more items are not looked at.
const LARGE: isize = 64;

/// Nor are sets with more places for items.
const LARGE_TABLE: usize = 256;

/// At most so many references are looked at. What has more than that does not die.
const REFERENCES: u32 = 512;

/// What has more references than this usually has more than are looked at.
const MANY: u32 = 6;

/// What dies with an object.
pub(super) struct Death {
    /// How many references were looked at.
    looked_at: u32,
    /// Objects that have more references than were found so far, with the number of these: the last one takes the object along.
    shared: SmallVec<[(*mut PyObject, u32); Death::SHARED]>,
    /// Objects with more references are not counted one by one. They do not die if the references to all of them together are fewer in the end.
    many: u32,
    /// How many references to such objects were looked at.
    to_many: u32,
    /// The lowest number of references of such an object.
    fewest: u32,
}

impl Death {
    /// How many levels of what an object refers to are looked at.
    pub(super) const DEPTH: u32 = 4;

    /// With more such objects it is not looked any further.
    const SHARED: usize = 24;

    /// Whether all that `look` looks at dies without running code.
    #[inline(always)]
    pub(super) unsafe fn is_quiet(look: impl Fn(&mut Death) -> bool) -> bool {
        let within = |many| {
            let mut death = Death { looked_at: 0, shared: SmallVec::new(), many, to_many: 0, fewest: u32::MAX };
            look(&mut death).then_some(death.fewest > death.to_many)
        };
        match within(MANY) {
            None => false,
            Some(true) => true,
            // All are counted one by one.
            Some(false) => within(REFERENCES) == Some(true),
        }
    }

    /// Whether no code runs when this reference to an object is dropped, after those that were looked at before.
    #[inline(always)]
    pub(super) unsafe fn drops(&mut self, item: *mut PyObject, depth: u32) -> bool {
        item.is_null()
            || is_immortal(item)
            || is_common(ty(item))
            || self.has_many(item)
            || self.drops_other(item, depth)
    }

    /// Whether an object has so many references that they are not counted, which globals, code and classes do.
    #[inline(always)]
    unsafe fn has_many(&mut self, item: *mut PyObject) -> bool {
        let count = refcnt(item);
        let has_many = count > self.many;
        if has_many {
            self.to_many += 1;
            self.fewest = self.fewest.min(count);
        }
        has_many
    }

    /// The same for the last reference that is looked at.
    #[inline(always)]
    pub(super) unsafe fn drops_last(&mut self, item: *mut PyObject, depth: u32) -> bool {
        // Nothing that died before refers to it more often than is known.
        let is_unknown = self.shared.is_empty() && self.fewest == u32::MAX;
        (is_unknown && !item.is_null() && refcnt(item) > 1) || self.drops(item, depth)
    }

    /// The same for what is neither immortal nor a number or text, which most of what dies is made of.
    #[inline(never)]
    unsafe fn drops_other(&mut self, item: *mut PyObject, depth: u32) -> bool {
        self.looked_at += 1;
        if self.looked_at > REFERENCES {
            return false;
        }
        let count = refcnt(item);
        if count > 1 {
            let Some(known) = self.shared.iter_mut().find(|known| known.0 == item) else {
                if self.shared.len() == Death::SHARED {
                    return kind_of(ty(item)) == Kind::Leaf;
                }
                self.shared.push((item, 1));
                return true;
            };
            known.1 += 1;
            if known.1 < count {
                return true;
            }
        }
        let kind = kind_of(ty(item));
        kind == Kind::Leaf || (depth > 0 && self.takes(item, kind, depth - 1))
    }

    /// Whether no code runs when an object of this kind is freed that nobody refers to any more.
    unsafe fn takes(&mut self, op: *mut PyObject, kind: Kind, depth: u32) -> bool {
        let t = ty(op);
        if kind == Kind::Other {
            return has_feature(t, TPFLAGS_HEAPTYPE) && self.takes_instance(op, t, depth);
        }
        self.takes_content(op, t, kind, depth) && has_no_weak_references(op, t)
    }

    /// The same for what an object has because it is one of a type of C's.
    unsafe fn takes_content(&mut self, op: *mut PyObject, t: *mut PyTypeObject, kind: Kind, depth: u32) -> bool {
        match kind {
            Kind::Leaf | Kind::Plain => true,
            Kind::Tuple => size(op) <= LARGE && (0..size(op) as usize).all(|i| self.drops(tuple_item(op, i), depth)),
            Kind::List => {
                size(op) <= LARGE && (0..size(op) as usize).all(|i| self.drops(*list_items(op).add(i), depth))
            }
            Kind::Dict => {
                let dict = op.cast::<PyDictObject>();
                (*dict).ma_used <= LARGE && !dict_is_watched(dict) && self.takes_dict(op, depth)
            }
            Kind::Generator => super::generators::dies_quietly(op.cast(), self, depth),
            Kind::Function => self.takes_function(op.cast(), depth),
            Kind::Set => self.takes_set(op.cast(), depth),
            Kind::Cell => self.drops((*op.cast::<PyCellObject>()).ob_ref, depth),
            Kind::Shown => self.takes_shown(op, t, depth),
            Kind::Other => false,
        }
    }

    unsafe fn takes_set(&mut self, set: *mut ffi::PySetObject, depth: u32) -> bool {
        let places = (*set).mask as usize + 1;
        // What stands for a removed entry is immortal.
        places <= LARGE_TABLE && (0..places).all(|i| self.drops((*(*set).table.add(i)).key, depth))
    }

    unsafe fn takes_dict(&mut self, dict: *mut PyObject, depth: u32) -> bool {
        let (mut at, mut key, mut value) = (0, core::ptr::null_mut(), core::ptr::null_mut());
        while ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) != 0 {
            if !self.drops(key, depth) || !self.drops(value, depth) {
                return false;
            }
        }
        true
    }

    unsafe fn takes_function(&mut self, function: *mut PyFunctionObject, depth: u32) -> bool {
        let f = &*function;
        let is_alone = f.func_weakreflist.is_null() && !watch::is_relied_on(function.cast());
        is_alone
            && self.drops(f.func_globals, depth)
            && self.drops(f.func_builtins, depth)
            && self.drops(f.func_code, depth)
            && self.drops(f.func_closure, depth)
            && self.drops(f.func_name, depth)
            && self.drops(f.func_qualname, depth)
            && self.drops(f.func_module, depth)
            && self.drops(f.func_doc, depth)
            && rare_of(f).is_none_or(|rare| rare.into_iter().all(|field| self.drops(field, depth)))
    }

    /// What refers to other objects as the collector is shown by its type, which is one of C's.
    unsafe fn takes_shown(&mut self, op: *mut PyObject, t: *mut PyTypeObject, depth: u32) -> bool {
        unsafe extern "C" fn look(item: *mut PyObject, at: *mut c_void) -> c_int {
            // SAFETY: what is passed below.
            unsafe {
                let (death, depth) = &mut *at.cast::<(&mut Death, u32)>();
                c_int::from(!death.drops(item, *depth))
            }
        }
        let Some(traverse) = (*t).tp_traverse else { return false };
        let mut at = (self, depth);
        traverse(op, look, (&raw mut at).cast()) == 0
    }

    /// An instance of a class.
    unsafe fn takes_instance(&mut self, op: *mut PyObject, t: *mut PyTypeObject, depth: u32) -> bool {
        if refcnt(t.cast()) < 2 || !class_of(t).is_plain || !has_no_weak_references(op, t) {
            return false;
        }
        if has_feature(t, TPFLAGS_MANAGED_DICT) {
            let dict = managed_dict(op);
            if !dict.is_null() {
                // Inline values are its, then; if it lives on, they are moved there.
                if !self.drops(dict.cast(), depth) {
                    return false;
                }
            } else if has_feature(t, TPFLAGS_INLINE_VALUES) && (*inline_values(op)).valid != 0 {
                let values = inline_values(op);
                let count = (*cached_keys(t)).dk_nentries as usize;
                if !(0..count).all(|i| self.drops(*inline_value_slot(values, i), depth)) {
                    return false;
                }
            }
        }
        let mut class = t;
        while has_feature(class, TPFLAGS_HEAPTYPE) {
            let members = members(class);
            for i in 0..size(class.cast()) as usize {
                let member = members.add(i);
                // What `__slots__` makes.
                let is_object = (*member).type_code == ffi::Py_T_OBJECT_EX && (*member).flags & ffi::Py_READONLY == 0;
                if is_object && !self.drops(*op.byte_offset((*member).offset).cast::<*mut PyObject>(), depth) {
                    return false;
                }
            }
            class = (*class).tp_base;
        }
        self.takes_content(op, class, kind_of(class), depth)
    }
}

/// What few functions have, if this one has any of it.
#[inline(always)]
pub(super) fn rare_of(f: &PyFunctionObject) -> Option<[*mut PyObject; 5]> {
    let rare = [f.func_defaults, f.func_kwdefaults, f.func_dict, f.func_annotations, f.func_typeparams];
    rare.iter().any(|field| !field.is_null()).then_some(rare)
}

unsafe fn has_no_weak_references(op: *mut PyObject, t: *mut PyTypeObject) -> bool {
    let offset = (*t).tp_weaklistoffset;
    offset == 0 || (*op.byte_offset(offset).cast::<*mut PyObject>()).is_null()
}

/// Whether objects of exactly this type refer to no others, for the most common ones.
#[inline(always)]
fn is_common(t: *mut PyTypeObject) -> bool {
    t == &raw mut ffi::PyLong_Type || t == &raw mut ffi::PyUnicode_Type || t == &raw mut ffi::PyFloat_Type
}

/// What objects of exactly some type of C's drop when they are freed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Nothing is known of it.
    Other,
    /// They refer to no others: numbers, text.
    Leaf,
    /// Nothing, either, but there may be more in instances of subclasses.
    Plain,
    Tuple,
    List,
    Dict,
    Generator,
    Function,
    Set,
    Cell,
    /// What the collector is shown, and nothing else happens that could be noticed.
    Shown,
}

/// Kinds by the type's address: open addressing, and never more than half full.
struct Kinds(UnsafeCell<[(*mut PyTypeObject, Kind); Kinds::SIZE]>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Kinds {}
static KINDS: Kinds = Kinds(UnsafeCell::new([(core::ptr::null_mut(), Kind::Other); Kinds::SIZE]));

impl Kinds {
    const SIZE: usize = 128;

    /// Where a type is, or where it would be.
    #[inline(always)]
    unsafe fn place(t: *mut PyTypeObject) -> *mut (*mut PyTypeObject, Kind) {
        let table = KINDS.0.get().cast::<(*mut PyTypeObject, Kind)>();
        let mut i = (t.addr() >> 5 ^ t.addr() >> 9) % Kinds::SIZE;
        loop {
            let entry = table.add(i);
            if (*entry).0 == t || (*entry).0.is_null() {
                return entry;
            }
            i = (i + 1) % Kinds::SIZE;
        }
    }
}

/// The kind of a type; of classes that Python code makes nothing is known.
#[inline(always)]
unsafe fn kind_of(t: *mut PyTypeObject) -> Kind {
    (*Kinds::place(t)).1
}

/// Fills the table. To be called once, before anything dies.
pub(crate) unsafe fn initialize() {
    let mut kinds = 0;
    let mut add = |kind: Kind, types: &[*mut PyTypeObject]| {
        for &t in types {
            *Kinds::place(t) = (t, kind);
            kinds += 1;
        }
    };
    add(
        Kind::Leaf,
        &[
            &raw mut ffi::PyLong_Type,
            &raw mut ffi::PyUnicode_Type,
            &raw mut ffi::PyFloat_Type,
            &raw mut ffi::PyBytes_Type,
            &raw mut PyRangeIter_Type,
            &raw mut ffi::PyRange_Type,
            &raw mut ffi::PyComplex_Type,
        ],
    );
    add(Kind::Plain, &[&raw mut ffi::PyBaseObject_Type]);
    add(Kind::Tuple, &[&raw mut ffi::PyTuple_Type]);
    add(Kind::List, &[&raw mut ffi::PyList_Type]);
    add(Kind::Dict, &[&raw mut ffi::PyDict_Type]);
    add(Kind::Generator, &[&raw mut PyGen_Type, &raw mut PyCoro_Type]);
    add(Kind::Function, &[&raw mut PyFunction_Type]);
    add(Kind::Set, &[&raw mut ffi::PySet_Type, &raw mut ffi::PyFrozenSet_Type]);
    add(Kind::Cell, &[&raw mut ffi::PyCell_Type]);
    add(
        Kind::Shown,
        &[
            &raw mut PyMethod_Type,
            &raw mut ffi::PyCFunction_Type,
            &raw mut ffi::PySlice_Type,
            &raw mut ffi::PyDictItems_Type,
            &raw mut ffi::PyDictValues_Type,
            &raw mut ffi::PyDictKeys_Type,
            &raw mut PyListIter_Type,
            &raw mut PyTupleIter_Type,
            &raw mut ffi::PySetIter_Type,
            &raw mut PyDictIterKey_Type,
            &raw mut PyDictIterValue_Type,
            &raw mut PyDictIterItem_Type,
            &raw mut ffi::PyEnum_Type,
            &raw mut PyZip_Type,
            &raw mut ffi::PyMap_Type,
            &raw mut ffi::PyFilter_Type,
            &raw mut ffi::PyReversed_Type,
            &raw mut ffi::PyListRevIter_Type,
            &raw mut ffi::PySeqIter_Type,
            &raw mut ffi::PyCallIter_Type,
            &raw mut PySuper_Type,
            &raw mut ffi::PyDictProxy_Type,
        ],
    );
    debug_assert!(kinds <= Kinds::SIZE / 2);
}

/// The members of a heap type (`_PyHeapType_GET_MEMBERS`).
unsafe fn members(class: *mut PyTypeObject) -> *mut PyMemberDef {
    class.byte_offset((*ty(class.cast())).tp_basicsize).cast()
}

/// What is known of a class.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Class {
    /// Its instances are freed as those of the type of C's that it derives from, attributes apart, without a finalizer.
    is_plain: bool,
    /// That type is `object`, and all that instances have is their inline values.
    is_bare: bool,
}

/// Classes that were looked at, by version: a type that has one is the same as long as it has it.
struct Looked(UnsafeCell<[(u32, Class); Looked::SIZE]>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Looked {}
static LOOKED: Looked = Looked(UnsafeCell::new([(0, Class { is_plain: false, is_bare: false }); Looked::SIZE]));

impl Looked {
    const SIZE: usize = 256;
}

unsafe fn class_of(t: *mut PyTypeObject) -> Class {
    let version = (*t).tp_version_tag;
    let known = &mut (*LOOKED.0.get())[version as usize % Looked::SIZE];
    if version != 0 && known.0 == version {
        return known.1;
    }
    let is_plain = look(t);
    let class = Class { is_plain, is_bare: is_plain && is_bare(t) };
    if version != 0 {
        *known = (version, class);
    }
    class
}

/// Whether instances of a plain class are nothing but their inline values.
unsafe fn is_bare(t: *mut PyTypeObject) -> bool {
    let free = ffi::PyObject_GC_Del as *const c_void;
    let is_usual = has_feature(t, TPFLAGS_INLINE_VALUES)
        && has_feature(t, ffi::Py_TPFLAGS_HAVE_GC)
        && (*t).tp_itemsize == 0
        && (*t).tp_free.is_some_and(|f| f as *const c_void == free);
    let mut class = t;
    while has_feature(class, TPFLAGS_HEAPTYPE) {
        if size(class.cast()) > 0 {
            return false;
        }
        class = (*class).tp_base;
    }
    is_usual && class == &raw mut ffi::PyBaseObject_Type
}

/// Frees an object of which [`dies_quietly`] was true. An instance that is nothing but its inline values is freed here, as CPython does it
/// in more steps, also if it dies with a list or tuple.
pub(crate) unsafe fn free_quiet(op: *mut PyObject) {
    let t = ty(op);
    if !has_feature(t, TPFLAGS_HEAPTYPE) {
        if t == &raw mut ffi::PyList_Type {
            free_items(list_items(op), size(op) as usize);
            (*op.cast::<ffi::PyVarObject>()).ob_size = 0;
        } else if t == &raw mut ffi::PyTuple_Type {
            free_items(tuple_items(op), size(op) as usize);
        } else if t == &raw mut PyFunction_Type {
            return super::functions::free_function(op);
        } else if t == &raw mut PyGen_Type {
            return super::generators::free_quiet(op);
        }
        return super::free_simple(op);
    }
    let is_instance = class_of(t).is_bare && managed_dict(op).is_null() && (*inline_values(op)).valid != 0;
    if !is_instance {
        return super::free_simple(op);
    }
    let values = inline_values(op);
    for i in 0..(*cached_keys(t)).dk_nentries as usize {
        drop_quiet(*inline_value_slot(values, i));
    }
    super::instances::free_instance(op);
    // Not the last reference.
    decref(t.cast());
}

/// Drops a reference that may be the last one to an object that dies quietly.
#[inline(always)]
pub(super) unsafe fn drop_quiet(object: *mut PyObject) {
    if !object.is_null() && decref_is_zero(object) {
        free_quiet(object);
    }
}

/// Drops the items of a list or tuple that is about to be freed, the last one first.
unsafe fn free_items(items: *mut *mut PyObject, count: usize) {
    for i in (0..count).rev() {
        drop_quiet(items.add(i).replace(core::ptr::null_mut()));
    }
}

unsafe fn look(t: *mut PyTypeObject) -> bool {
    if (*t).tp_finalize.is_some() || (*t).tp_del.is_some() || (*t).tp_dictoffset > 0 {
        return false;
    }
    let dealloc = hotspur_tier1::shims::class_dealloc();
    let mut class = t;
    while has_feature(class, TPFLAGS_HEAPTYPE) {
        if (*class).tp_dealloc.map_or(core::ptr::null(), |f| f as *const c_void) != dealloc {
            return false;
        }
        class = (*class).tp_base;
    }
    true
}

const _: () = assert!(offset_of!(PyMemberDef, offset) == 16 && size_of::<c_int>() == 4);
