//! Objects: reference counts, integers, floats, lists, instances.

use crate::layout::*;
use core::ffi::c_void;
use pyo3_ffi::{Py_ssize_t, PyObject, PyStopIterationObject, PyTypeObject, PyVarObject};

/// The reference count's low half, which is all that a 64-bit build counts with (PEP 683: negative means immortal).
#[inline(always)]
pub unsafe fn refcnt_ptr(op: *mut PyObject) -> *mut u32 {
    op.cast::<u32>()
}

/// `Py_REFCNT`, saturated for immortal objects.
#[inline(always)]
pub unsafe fn refcnt(op: *mut PyObject) -> u32 {
    *refcnt_ptr(op)
}

/// `_Py_IsImmortal`.
#[inline(always)]
pub unsafe fn is_immortal(op: *mut PyObject) -> bool {
    (refcnt(op) as i32) < 0
}

/// `Py_INCREF`, without the call that the portable one makes.
#[inline(always)]
pub unsafe fn incref(op: *mut PyObject) {
    let count = refcnt(op).wrapping_add(1);
    if count != 0 {
        *refcnt_ptr(op) = count;
    }
}

/// `Py_XINCREF`.
#[inline(always)]
pub unsafe fn xincref(op: *mut PyObject) {
    if !op.is_null() {
        incref(op);
    }
}

/// `Py_NewRef`.
#[inline(always)]
pub unsafe fn newref(op: *mut PyObject) -> *mut PyObject {
    incref(op);
    op
}

/// `Py_DECREF`. May run any code.
#[inline(always)]
pub unsafe fn decref(op: *mut PyObject) {
    if decref_is_zero(op) {
        dealloc(op);
    }
}

/// `Py_XDECREF`. May run any code.
#[inline(always)]
pub unsafe fn xdecref(op: *mut PyObject) {
    if !op.is_null() {
        decref(op);
    }
}

/// Drops one reference and says whether it was the last; if so the caller must deallocate.
#[inline(always)]
pub unsafe fn decref_is_zero(op: *mut PyObject) -> bool {
    let count = refcnt(op);
    if (count as i32) < 0 {
        return false;
    }
    *refcnt_ptr(op) = count - 1;
    count == 1
}

/// Drops a reference that is known not to be the last one.
#[inline(always)]
pub unsafe fn decref_no_dealloc(op: *mut PyObject) {
    let count = refcnt(op);
    if (count as i32) >= 0 {
        debug_assert!(count > 1);
        *refcnt_ptr(op) = count - 1;
    }
}

/// `_Py_Dealloc`, out of line so that the fast path around it stays small.
#[cold]
#[inline(never)]
pub unsafe fn dealloc(op: *mut PyObject) {
    crate::_Py_Dealloc(op);
}

/// `Py_TYPE`.
#[inline(always)]
pub unsafe fn ty(op: *mut PyObject) -> *mut PyTypeObject {
    (*op).ob_type
}

/// `Py_IS_TYPE`.
#[inline(always)]
pub unsafe fn is_type(op: *mut PyObject, t: *mut PyTypeObject) -> bool {
    ty(op) == t
}

/// `PyType_HasFeature`.
#[inline(always)]
pub unsafe fn has_feature(t: *mut PyTypeObject, flag: core::ffi::c_ulong) -> bool {
    (*t).tp_flags & flag != 0
}

pub const TPFLAGS_INLINE_VALUES: core::ffi::c_ulong = 1 << 2;
pub const TPFLAGS_MANAGED_WEAKREF: core::ffi::c_ulong = 1 << 3;
pub const TPFLAGS_MANAGED_DICT: core::ffi::c_ulong = 1 << 4;
pub const TPFLAGS_SEQUENCE: core::ffi::c_ulong = 1 << 5;
pub const TPFLAGS_MAPPING: core::ffi::c_ulong = 1 << 6;
pub const TPFLAGS_HEAPTYPE: core::ffi::c_ulong = 1 << 9;
pub const TPFLAGS_METHOD_DESCRIPTOR: core::ffi::c_ulong = 1 << 17;

/// `Py_SIZE`.
#[inline(always)]
pub unsafe fn size(op: *mut PyObject) -> Py_ssize_t {
    (*op.cast::<PyVarObject>()).ob_size
}

/// Items of a tuple.
#[inline(always)]
pub unsafe fn tuple_items(op: *mut PyObject) -> *mut *mut PyObject {
    (&raw mut (*op.cast::<PyTupleObject>()).ob_item).cast()
}

/// One item of a tuple, borrowed.
#[inline(always)]
pub unsafe fn tuple_item(op: *mut PyObject, i: usize) -> *mut PyObject {
    *tuple_items(op).add(i)
}

/// Items of a list (null for an empty one that never grew).
#[inline(always)]
pub unsafe fn list_items(op: *mut PyObject) -> *mut *mut PyObject {
    (*op.cast::<PyListObject>()).ob_item
}

/// Whether an int has at most two digits: its magnitude is below 2^60.
#[inline(always)]
pub unsafe fn long_is_wide(op: *mut PyObject) -> bool {
    (*op.cast::<PyLongObject>()).lv_tag < 3 << 3
}

/// The value of an int of at most two digits.
#[inline(always)]
pub unsafe fn long_wide_value(op: *mut PyObject) -> i64 {
    let long = op.cast::<PyLongObject>();
    let digits = (&raw const (*long).ob_digit).cast::<u32>();
    let mut magnitude = i64::from(*digits);
    if (*long).lv_tag >= 2 << 3 {
        magnitude |= i64::from(*digits.add(1)) << 30;
    }
    // The sign is one less than the low bits of the tag: 0 is positive, 1 zero, 2 negative.
    magnitude * (1 - ((*long).lv_tag & 3) as i64)
}

/// `_PyLong_IsCompact`: at most one digit.
#[inline(always)]
pub unsafe fn long_is_compact(op: *mut PyObject) -> bool {
    (*op.cast::<PyLongObject>()).lv_tag < (2 << 3)
}

/// `_PyLong_IsNonNegativeCompact`.
#[inline(always)]
pub unsafe fn long_is_nonneg_compact(op: *mut PyObject) -> bool {
    // 1 is zero, 8 is one digit and positive; one digit and negative is 10.
    (*op.cast::<PyLongObject>()).lv_tag <= 1 << 3
}

/// `_PyLong_CompactValue`; the integer must be compact.
#[inline(always)]
pub unsafe fn long_compact_value(op: *mut PyObject) -> isize {
    let op = op.cast::<PyLongObject>();
    let sign = 1 - ((*op).lv_tag & 3) as isize;
    sign * *(&raw const (*op).ob_digit).cast::<u32>() as isize
}

/// Value of a float.
#[inline(always)]
pub unsafe fn float_value(op: *mut PyObject) -> f64 {
    (*op.cast::<PyFloatObject>()).ob_fval
}

/// Offset before an object at which its managed dictionary pointer lies.
pub const MANAGED_DICT_OFFSET: isize = -3 * 8;

/// `_PyObject_GetManagedDict`: the materialized `__dict__`, or null. The type must have a managed dict.
#[inline(always)]
pub unsafe fn managed_dict(op: *mut PyObject) -> *mut PyDictObject {
    *op.byte_offset(MANAGED_DICT_OFFSET).cast::<*mut PyDictObject>()
}

/// `_PyObject_InlineValues`. The type must have inline values.
#[inline(always)]
pub unsafe fn inline_values(op: *mut PyObject) -> *mut DictValues {
    op.byte_add(size_of::<PyObject>()).cast()
}

/// One slot of inline values.
#[inline(always)]
pub unsafe fn inline_value_slot(values: *mut DictValues, index: usize) -> *mut *mut PyObject {
    (&raw mut (*values).values).cast::<*mut PyObject>().add(index)
}

/// `_PyDictValues_AddToInsertionOrder`: notes that slot `index` was filled just now. The order is a byte array behind the
/// last value.
#[inline(always)]
pub unsafe fn values_add_to_insertion_order(values: *mut DictValues, index: usize) {
    let size = usize::from((*values).size);
    *insertion_order(values).add(size) = index as u8;
    (*values).size = (size + 1) as u8;
}

/// Which slot was filled as the `number`th of those that are filled.
#[inline(always)]
pub unsafe fn values_in_insertion_order(values: *mut DictValues, number: usize) -> usize {
    (*insertion_order(values).add(number)).into()
}

#[inline(always)]
unsafe fn insertion_order(values: *mut DictValues) -> *mut u8 {
    inline_value_slot(values, usize::from((*values).capacity)).cast()
}

/// `ht_cached_keys` of a heap type.
#[inline(always)]
pub unsafe fn cached_keys(t: *mut PyTypeObject) -> *mut DictKeys {
    *t.byte_add(HT_CACHED_KEYS_OFFSET).cast::<*mut DictKeys>()
}

/// `_PyObject_GC_IS_TRACKED`.
#[inline(always)]
pub unsafe fn gc_is_tracked(op: *mut PyObject) -> bool {
    *op.byte_sub(16).cast::<usize>() != 0
}

/// `PyStopIterationObject::value`, the offset being that of the public struct.
#[inline(always)]
pub unsafe fn stop_iteration_value(op: *mut PyObject) -> *mut PyObject {
    (*op.cast::<PyStopIterationObject>()).value
}

/// `_PyFrame_GetGenerator`: the generator that a generator-owned frame lies in.
#[inline(always)]
pub unsafe fn frame_generator(frame: *mut InterpreterFrame) -> *mut PyGenObject {
    frame.byte_sub(core::mem::offset_of!(PyGenObject, gi_iframe)).cast()
}

/// The frame inside a generator.
#[inline(always)]
pub unsafe fn generator_frame(generator: *mut PyGenObject) -> *mut InterpreterFrame {
    (&raw mut (*generator).gi_iframe).cast()
}

/// `_PyFrame_GetCode`.
#[inline(always)]
pub unsafe fn frame_code(frame: *mut InterpreterFrame) -> *mut PyCodeObject {
    (*frame).f_executable.cast()
}

/// `_PyCode_CODE`: the first code unit.
#[inline(always)]
pub unsafe fn code_units(code: *mut PyCodeObject) -> *mut CodeUnit {
    (&raw mut (*code).co_code_adaptive).cast()
}

/// First local of a frame.
#[inline(always)]
pub unsafe fn frame_locals(frame: *mut InterpreterFrame) -> *mut *mut PyObject {
    (&raw mut (*frame).localsplus).cast()
}

/// `_PyFrame_IsIncomplete`: not yet visible to Python code.
#[inline(always)]
pub unsafe fn frame_is_incomplete(frame: *mut InterpreterFrame) -> bool {
    if (*frame).owner == FRAME_OWNED_BY_CSTACK {
        return true;
    }
    let code = frame_code(frame);
    (*frame).owner != FRAME_OWNED_BY_GENERATOR
        && (*frame).instr_ptr < code_units(code).offset((*code)._co_firsttraceable as isize)
}

/// Slot `index` of a code object's extra data, or null.
#[inline(always)]
pub unsafe fn code_extra(code: *mut PyCodeObject, index: usize) -> *mut c_void {
    let extra = (*code).co_extra;
    if extra.is_null() || (*extra).ce_size as usize <= index {
        return core::ptr::null_mut();
    }
    *(&raw const (*extra).ce_extras).cast::<*mut c_void>().add(index)
}

/// `PyBytes_GET_SIZE`.
#[inline(always)]
pub unsafe fn bytes_size(op: *mut PyObject) -> usize {
    size(op) as usize
}

/// `PyBytes_AS_STRING`.
#[inline(always)]
pub unsafe fn bytes_data(op: *mut PyObject) -> *const u8 {
    (&raw const (*op.cast::<pyo3_ffi::PyBytesObject>()).ob_sval).cast()
}

/// Writes an attribute that an instance keeps in its inline values, which must be valid. The reference to the value is taken,
/// and what was there is not dropped. An attribute that was absent is entered in the order of insertion, and a dictionary that
/// shares the values learns of the change.
pub unsafe fn store_inline_value(op: *mut PyObject, index: usize, value: *mut PyObject) {
    let values = inline_values(op);
    let slot = inline_value_slot(values, index);
    let was_absent = (*slot).is_null();
    let dict = managed_dict(op);
    if dict.is_null() {
        *slot = value;
        if was_absent {
            values_add_to_insertion_order(values, index);
        }
        return;
    }
    if crate::dict_is_watched(dict) {
        // How watchers are called is not exported, so a public function does it. What it drops is given to it.
        let key = (*crate::unicode_entries(cached_keys(ty(op))).add(index)).me_key;
        xincref(*slot);
        if pyo3_ffi::PyDict_SetItem(dict.cast(), key, value) < 0 {
            pyo3_ffi::Py_FatalError(c"no memory for an attribute".as_ptr());
        }
        decref(value);
        return;
    }
    crate::dict_maintain_tracking(dict, value);
    *slot = value;
    if was_absent {
        values_add_to_insertion_order(values, index);
        (*dict).ma_used += 1;
    }
    crate::dict_touch(dict);
}

/// The bytes of a string that is ASCII text (`PyUnicode_IS_COMPACT_ASCII`); null if it is another one.
#[inline(always)]
pub unsafe fn ascii_text(string: *mut PyObject) -> *const u8 {
    const COMPACT_ASCII: u32 = 3 << 5;
    let head = string.cast::<PyASCIIObject>();
    if (*head).state & COMPACT_ASCII == COMPACT_ASCII { head.add(1).cast() } else { core::ptr::null() }
}

/// Whether two strings are equal, as `_PyUnicode_Equal` has it.
#[inline(always)]
pub unsafe fn unicode_equal(a: *mut PyObject, b: *mut PyObject) -> bool {
    if a == b {
        return true;
    }
    let length = (*a.cast::<PyASCIIObject>()).length;
    if length != (*b.cast::<PyASCIIObject>()).length {
        return false;
    }
    let (x, y) = (ascii_text(a), ascii_text(b));
    if x.is_null() || y.is_null() {
        return crate::_PyUnicode_Equal(a, b) != 0;
    }
    core::slice::from_raw_parts(x, length as usize) == core::slice::from_raw_parts(y, length as usize)
}

/// Whether exactly a string is interned (`PyUnicode_CHECK_INTERNED`).
#[inline(always)]
pub unsafe fn unicode_is_interned(string: *mut PyObject) -> bool {
    (*string.cast::<PyASCIIObject>()).state & 3 != 0
}

/// Whether attributes of classes of this metaclass are looked up as those of classes of type `type`.
pub unsafe fn looks_up_as_type(metaclass: *mut PyTypeObject) -> bool {
    let getattro = |t: *mut PyTypeObject| (*t).tp_getattro.map(|f| f as usize);
    getattro(metaclass) == getattro(&raw mut pyo3_ffi::PyType_Type)
}
