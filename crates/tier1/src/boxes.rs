//! Free lists of `int` and `float` objects, and of iterators of ranges.
//!
//! Numbers die and are born in great numbers. CPython 3.13 has no free list for integers, and its list of floats is reached
//! through a thread-local variable from a function of another library. Ours are a load and a store away. They take objects
//! that die in tier 1 and serve those that are made there; all objects come from CPython's allocator in the first place and
//! can go back to it at any time. A list holds at most [`ROOM`] objects, as CPython's own lists do.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Objects that a list holds at most.
const ROOM: u32 = 100;

/// A list of dead objects, linked through their type fields. Machine code takes objects from it, too.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct FreeList {
    head: *mut PyObject,
    room: u32,
}

/// Where in a list the number of places lies that are left.
pub const ROOM_OFFSET: usize = core::mem::offset_of!(FreeList, room);

/// The addresses of the lists of ints and of floats. Each begins with the address of the first object.
pub fn lists() -> (usize, usize) {
    let lists = LISTS.0.get();
    // SAFETY: addresses within a static.
    unsafe { (&raw mut (*lists).ints as usize, &raw mut (*lists).floats as usize) }
}

impl FreeList {
    /// An empty list.
    pub const EMPTY: FreeList = FreeList { head: ptr::null_mut(), room: ROOM };

    /// Whether there is no object to be taken.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Takes an object from the list and gives it one reference; null if there is none.
    #[inline(always)]
    pub unsafe fn take(&mut self, t: *mut ffi::PyTypeObject) -> *mut PyObject {
        let op = self.head;
        if !op.is_null() {
            self.head = (*op).ob_type.cast();
            self.room += 1;
            // Wider than the count: the word's upper half is to be zero.
            *op.cast::<u64>() = 1;
            (*op).ob_type = t;
        }
        op
    }

    /// Puts a dead object on the list; false if that is full.
    #[inline(always)]
    pub unsafe fn put(&mut self, op: *mut PyObject) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        (*op).ob_type = self.head.cast();
        self.head = op;
        true
    }
}

struct Lists {
    /// Of at most one digit.
    ints: FreeList,
    /// Of two.
    wide_ints: FreeList,
    floats: FreeList,
    range_iters: FreeList,
}

struct Shared(UnsafeCell<Lists>);
// SAFETY: only touched with the GIL of the main interpreter held.
unsafe impl Sync for Shared {}
static LISTS: Shared = Shared(UnsafeCell::new(Lists {
    ints: FreeList::EMPTY,
    wide_ints: FreeList::EMPTY,
    floats: FreeList::EMPTY,
    range_iters: FreeList::EMPTY,
}));

#[inline(always)]
unsafe fn dead() -> &'static mut Lists {
    &mut *LISTS.0.get()
}

/// Whether a value has one digit.
#[inline(always)]
pub fn is_one_digit(value: i64) -> bool {
    value.unsigned_abs() < 1 << 30
}

/// Makes an `int` with room for a digit have a value of one digit that is not zero.
#[inline(always)]
pub(crate) unsafe fn set_digit(op: *mut PyObject, value: i64) {
    let op = op.cast::<PyLongObject>();
    (*op).lv_tag = 1 << 3 | usize::from(value < 0) << 1;
    (*op).ob_digit[0] = value.unsigned_abs() as u32;
}

/// A new `int` from the free list; null if that is empty. The value has one digit and is not a small one.
#[inline(always)]
pub(crate) unsafe fn quick_int(value: i64) -> *mut PyObject {
    let op = dead().ints.take(&raw mut ffi::PyLong_Type);
    if !op.is_null() {
        set_digit(op, value);
    }
    op
}

/// A new `float` from the free list; null if that is empty.
#[inline(always)]
pub(crate) unsafe fn quick_float(value: f64) -> *mut PyObject {
    let op = dead().floats.take(&raw mut ffi::PyFloat_Type);
    if !op.is_null() {
        (*op.cast::<PyFloatObject>()).ob_fval = value;
    }
    op
}

/// A new `float`, or null with an exception set.
#[inline(always)]
pub unsafe fn new_float(value: f64) -> *mut PyObject {
    let op = quick_float(value);
    if op.is_null() { ffi::PyFloat_FromDouble(value) } else { op }
}

/// A new `int` with a value of one digit that is not a small one; null with an exception set if there is no memory.
#[inline(always)]
pub unsafe fn new_one_digit_int(value: i64) -> *mut PyObject {
    let op = quick_int(value);
    if !op.is_null() {
        return op;
    }
    let op = ffi::PyObject_Malloc(size_of::<PyLongObject>()).cast::<PyObject>();
    if op.is_null() {
        return ffi::PyErr_NoMemory();
    }
    *op.cast::<u64>() = 1;
    (*op).ob_type = &raw mut ffi::PyLong_Type;
    set_digit(op, value);
    op
}

/// A new `int` of any value that is not a small one; null with an exception set if there is no memory.
#[inline(always)]
pub unsafe fn new_int(value: i64) -> *mut PyObject {
    if is_one_digit(value) {
        return new_one_digit_int(value);
    }
    let magnitude = value.unsigned_abs();
    if magnitude < 1 << 60 {
        let op = dead().wide_ints.take(&raw mut ffi::PyLong_Type);
        if !op.is_null() {
            let int = op.cast::<PyLongObject>();
            (*int).lv_tag = 2 << 3 | usize::from(value < 0) << 1;
            let digits = (&raw mut (*int).ob_digit).cast::<u32>();
            *digits = magnitude as u32 & ((1 << 30) - 1);
            *digits.add(1) = (magnitude >> 30) as u32;
            return op;
        }
    }
    ffi::PyLong_FromLongLong(value)
}

/// A new iterator of a range, with that many numbers left; null with an exception set if there is no memory.
pub unsafe fn new_range_iter(next: i64, step: i64, left: i64) -> *mut PyObject {
    let mut op = dead().range_iters.take(&raw mut PyRangeIter_Type);
    if op.is_null() {
        op = ffi::PyObject_New::<PyObject>(&raw mut PyRangeIter_Type);
    }
    if !op.is_null() {
        let range = op.cast::<RangeIterObject>();
        ((*range).start, (*range).step, (*range).len) = (next, step, left);
    }
    op
}

/// Frees a dead iterator of a range.
pub unsafe fn free_range_iter(op: *mut PyObject) {
    if !dead().range_iters.put(op) {
        ffi::PyObject_Free(op.cast::<c_void>());
    }
}

/// Frees a dead `int` (no subclass's) if that needs no call.
#[inline(always)]
pub(crate) unsafe fn quick_free_int(op: *mut PyObject) -> bool {
    let list = match (*op.cast::<PyLongObject>()).lv_tag >> 3 {
        0 | 1 => &mut dead().ints,
        2 => &mut dead().wide_ints,
        _ => return false,
    };
    list.put(op)
}

/// Frees a dead `float` (no subclass's) if that needs no call.
#[inline(always)]
pub(crate) unsafe fn quick_free_float(op: *mut PyObject) -> bool {
    dead().floats.put(op)
}

/// Frees a dead `int` (no subclass's).
#[inline(always)]
pub unsafe fn free_int(op: *mut PyObject) {
    if !quick_free_int(op) {
        ffi::PyObject_Free(op.cast::<c_void>());
    }
}

/// Frees a dead `float` (no subclass's).
#[inline(always)]
pub unsafe fn free_float(op: *mut PyObject) {
    if !quick_free_float(op) {
        _PyFloat_ExactDealloc(op);
    }
}
