//! The collector's lists of objects, and its counts of them.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};
use pyo3_ffi::{self as ffi, PyObject};

/// Offset in `PyInterpreterState` of `gc`.
pub const INTERP_GC_OFFSET: usize = 7400;

/// `PyGC_Head`, which lies in front of an object. Later patch releases of 3.13 align that of a generation to 4 bytes only.
#[repr(C, packed(4))]
pub struct GcHead {
    next: *mut GcHead,
    /// The lowest two bits are flags.
    prev: usize,
}

/// `struct gc_generation`.
#[repr(C, packed(4))]
struct Generation {
    head: GcHead,
    threshold: c_int,
    count: c_int,
}

/// Offsets in `struct _gc_runtime_state`: whether collections are enabled, ...
const ENABLED: usize = 12;
/// ... the youngest generation, the others being behind it: as heads of generations are aligned to 8 bytes or to 4, ...
const YOUNGEST: [usize; 2] = [24, 20];
/// ... and the address of the youngest one's head.
const GENERATION0: usize = 96;

/// The flags in [`GcHead::prev`].
const FLAGS: usize = 3;

static YOUNG: AtomicPtr<Generation> = AtomicPtr::new(core::ptr::null_mut());
static IS_ENABLED: AtomicPtr<c_int> = AtomicPtr::new(core::ptr::null_mut());

/// The youngest generation of the main interpreter's collector. [`verify`](crate::verify) has found it.
#[inline(always)]
unsafe fn young() -> *mut Generation {
    YOUNG.load(Ordering::Relaxed)
}

/// Where the collector of an interpreter is, unless that is a sub-interpreter, where nothing of ours runs. An error says what is not as expected.
pub(crate) unsafe fn find_collector(interp: *mut ffi::PyInterpreterState) -> Result<(), String> {
    if interp != ffi::PyInterpreterState_Main() {
        return Ok(());
    }
    let state = interp.byte_add(INTERP_GC_OFFSET).cast::<u8>();
    let generation0 = *state.add(GENERATION0).cast::<*mut Generation>();
    let Some(young) = YOUNGEST.iter().map(|&at| state.add(at).cast::<Generation>()).find(|&at| at == generation0)
    else {
        return Err("the collector's youngest generation is not where it was expected".to_string());
    };
    let is_enabled = state.add(ENABLED).cast::<c_int>();
    // Something that the collector is to know, which no free list has: it comes last, and is counted.
    let was_enabled = ffi::PyGC_Disable();
    let before = (*young).count;
    let set = ffi::PySet_New(core::ptr::null_mut());
    let (after, enabled) = ((*young).count, *is_enabled);
    if was_enabled != 0 {
        ffi::PyGC_Enable();
    }
    if set.is_null() {
        ffi::PyErr_Clear();
        return Err("cannot make a set".to_string());
    }
    let last = (*young).head.prev & !FLAGS;
    let is_last = last == gc_head(set).addr();
    let is_counted = after == before + 1 && enabled == 0 && *is_enabled == was_enabled;
    ffi::Py_DECREF(set);
    if !(is_last && is_counted) {
        return Err("the collector does not keep its objects where they were expected".to_string());
    }
    IS_ENABLED.store(is_enabled, Ordering::Relaxed);
    YOUNG.store(young, Ordering::Relaxed);
    Ok(())
}

/// `_Py_AS_GC`.
#[inline(always)]
unsafe fn gc_head(op: *mut PyObject) -> *mut GcHead {
    op.byte_sub(size_of::<GcHead>()).cast()
}

/// Counts an object that is about to be made, as `_PyObject_GC_Link` does. False, and nothing is counted, if the collector would have to
/// be asked whether it is time to run.
#[inline(always)]
pub unsafe fn gc_count_new() -> bool {
    let young = young();
    let (count, threshold) = ((*young).count, (*young).threshold);
    if count >= threshold && threshold != 0 && *IS_ENABLED.load(Ordering::Relaxed) != 0 {
        return false;
    }
    (*young).count = count + 1;
    true
}

/// Counts an object that is gone, as `PyObject_GC_Del` does.
#[inline(always)]
pub unsafe fn gc_count_gone() {
    let young = young();
    let count = (*young).count;
    if count > 0 {
        (*young).count = count - 1;
    }
}

/// `_PyObject_GC_TRACK`. The object's head is zero.
#[inline(always)]
pub unsafe fn gc_track(op: *mut PyObject) {
    let (head, list) = (gc_head(op), &raw mut (*young()).head);
    let last = core::ptr::with_exposed_provenance_mut::<GcHead>((*list).prev & !FLAGS);
    (*last).next = head;
    (*head).prev = last.expose_provenance();
    (*head).next = list;
    (*list).prev = (*list).prev & FLAGS | head.expose_provenance();
}

/// Takes an object off the collector's lists. Its head is zero afterwards.
#[inline(always)]
pub unsafe fn gc_forget(op: *mut PyObject) {
    let head = gc_head(op);
    let next = (*head).next;
    if !next.is_null() {
        let prev = (*head).prev & !FLAGS;
        (*core::ptr::with_exposed_provenance_mut::<GcHead>(prev)).next = next;
        (*next).prev = (*next).prev & FLAGS | prev;
    }
    (*head).next = core::ptr::null_mut();
    (*head).prev = 0;
}

const _: () = assert!(size_of::<GcHead>() == 16 && size_of::<Generation>() == 24);
