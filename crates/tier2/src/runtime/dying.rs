//! Which objects die quietly: freeing them runs no Python code.
//!
//! When a superblock drops the last reference to an object, other code might run (finalizers, callbacks of weak references), so the frames have to
//! be shown as they are. That is costly, and nearly always in vain. So the object is looked at first: numbers and strings, containers of
//! such, and instances of plain classes without finalizers and weak references, as deep as it takes to see that nothing else
//! dies with them.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::offset_of;
use hotspur_cpython_sys::ffi::{PyMemberDef, PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Whether no code runs when an object is freed whose count has become zero, as far as that is easy to tell. At most `depth`
/// levels of what it refers to are looked at.
pub(crate) unsafe fn dies_quietly(op: *mut PyObject, depth: u32) -> bool {
    let stays = |item: *mut PyObject| stays(item, depth);
    let t = ty(op);
    if is_leaf(t) {
        return true;
    }
    if t == &raw mut ffi::PyTuple_Type {
        return size(op) <= LARGE && (0..size(op) as usize).all(|i| stays(tuple_item(op, i)));
    }
    if t == &raw mut ffi::PyList_Type {
        return size(op) <= LARGE && (0..size(op) as usize).all(|i| stays(*list_items(op).add(i)));
    }
    if t == &raw mut PyMethod_Type {
        let method = op.cast::<PyMethodObject>();
        return (*method).im_weakreflist.is_null() && stays((*method).im_self) && stays((*method).im_func);
    }
    if t == &raw mut ffi::PySlice_Type {
        let slice = op.cast::<ffi::PySliceObject>();
        return stays((*slice).start) && stays((*slice).stop) && stays((*slice).step);
    }
    if t == &raw mut ffi::PyDict_Type {
        return (*op.cast::<PyDictObject>()).ma_used <= LARGE && dict_stays(op, stays);
    }
    if t == &raw mut PyListIter_Type {
        return stays((*op.cast::<ListIterObject>()).it_seq.cast());
    }
    if t == &raw mut PyTupleIter_Type {
        return stays((*op.cast::<TupleIterObject>()).it_seq.cast());
    }
    if t == &raw mut PyGen_Type || t == &raw mut PyCoro_Type {
        return super::generators::dies_quietly(op.cast());
    }
    if t == &raw mut ffi::PyCell_Type {
        return stays((*op.cast::<PyCellObject>()).ob_ref);
    }
    if t == &raw mut PyFunction_Type {
        let function = op.cast::<PyFunctionObject>();
        return is_bare(function) && stays((*function).func_closure);
    }
    if t == &raw mut ffi::PySet_Type || t == &raw mut ffi::PyFrozenSet_Type {
        return set_stays(op.cast(), stays);
    }
    has_feature(t, TPFLAGS_HEAPTYPE) && instance_dies_quietly(op, t, stays)
}

/// Whether objects of this type refer to nothing that matters, and are freed without running code.
pub(super) unsafe fn is_leaf(t: *mut PyTypeObject) -> bool {
    t == &raw mut ffi::PyFloat_Type
        || t == &raw mut ffi::PyLong_Type
        || t == &raw mut ffi::PyUnicode_Type
        || t == &raw mut ffi::PyBytes_Type
        || t == &raw mut PyRangeIter_Type
        || t == &raw mut ffi::PyRange_Type
        || t == &raw mut ffi::PyComplex_Type
}

/// Whether no code runs when a reference to this object is dropped, if there is one.
pub(super) unsafe fn stays(item: *mut PyObject, depth: u32) -> bool {
    item.is_null() || refcnt(item) > 1 || is_immortal(item) || (depth > 0 && dies_quietly(item, depth - 1))
}

/// Whether a function has nothing of its own but a closure.
pub(super) unsafe fn is_bare(function: *mut PyFunctionObject) -> bool {
    let f = &*function;
    f.func_weakreflist.is_null()
        && [f.func_defaults, f.func_kwdefaults, f.func_dict, f.func_annotations, f.func_typeparams]
            .iter()
            .all(|part| part.is_null())
        && [f.func_globals, f.func_builtins, f.func_code, f.func_name, f.func_qualname, f.func_doc, f.func_module]
            .iter()
            .all(|&part| stays(part, 0))
}

/// Whether no code runs when a set is freed, whose items are to be checked by `stays`.
unsafe fn set_stays(set: *mut ffi::PySetObject, stays: impl Fn(*mut PyObject) -> bool) -> bool {
    let slots = (*set).mask as usize + 1;
    (*set).weakreflist.is_null()
        && slots <= 4 * LARGE as usize
        && (0..slots).all(|i| {
            let entry = (*set).table.add(i);
            // What stands for a removed entry is immortal.
            (*entry).key.is_null() || stays((*entry).key)
        })
}

/// Containers with more items are not looked at.
const LARGE: isize = 64;

unsafe fn dict_stays(dict: *mut PyObject, stays: impl Fn(*mut PyObject) -> bool) -> bool {
    let (mut at, mut key, mut value) = (0, core::ptr::null_mut(), core::ptr::null_mut());
    while ffi::PyDict_Next(dict, &raw mut at, &raw mut key, &raw mut value) != 0 {
        if !stays(key) || !stays(value) {
            return false;
        }
    }
    true
}

/// The same for an instance of a class.
unsafe fn instance_dies_quietly(
    op: *mut PyObject,
    t: *mut PyTypeObject,
    stays: impl Fn(*mut PyObject) -> bool,
) -> bool {
    if refcnt(t.cast()) < 2 || !is_plain(t) {
        return false;
    }
    let weak_references = (*t).tp_weaklistoffset;
    if weak_references != 0 && !(*op.byte_offset(weak_references).cast::<*mut PyObject>()).is_null() {
        return false;
    }
    if has_feature(t, TPFLAGS_MANAGED_DICT) {
        if !managed_dict(op).is_null() {
            return false;
        }
        if has_feature(t, TPFLAGS_INLINE_VALUES) && (*inline_values(op)).valid != 0 {
            let values = inline_values(op);
            let count = (*cached_keys(t)).dk_nentries as usize;
            if !(0..count).all(|i| stays(*inline_value_slot(values, i))) {
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
            if is_object && !stays(*op.byte_offset((*member).offset).cast::<*mut PyObject>()) {
                return false;
            }
        }
        class = (*class).tp_base;
    }
    true
}

/// The members of a heap type (`_PyHeapType_GET_MEMBERS`).
unsafe fn members(class: *mut PyTypeObject) -> *mut PyMemberDef {
    class.byte_offset((*ty(class.cast())).tp_basicsize).cast()
}

/// Classes that were looked at, by version: a type that has one is the same as long as it has it.
struct Looked(UnsafeCell<[(u32, bool); Looked::SIZE]>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Looked {}
static LOOKED: Looked = Looked(UnsafeCell::new([(0, false); Looked::SIZE]));

impl Looked {
    const SIZE: usize = 256;
}

/// Whether instances of a class are freed as `object` frees them, attributes apart, without a finalizer.
unsafe fn is_plain(t: *mut PyTypeObject) -> bool {
    let version = (*t).tp_version_tag;
    let known = &mut (*LOOKED.0.get())[version as usize % Looked::SIZE];
    if version != 0 && known.0 == version {
        return known.1;
    }
    let is_plain = look(t);
    if version != 0 {
        *known = (version, is_plain);
    }
    is_plain
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
    core::ptr::eq(class, &raw const ffi::PyBaseObject_Type)
}

const _: () = assert!(offset_of!(PyMemberDef, offset) == 16 && size_of::<c_int>() == 4);
