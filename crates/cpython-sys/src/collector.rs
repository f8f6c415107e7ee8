//! The collector's lists of objects, and its counts of them.

use core::ffi::c_int;
use core::sync::atomic::{AtomicPtr, Ordering};
use pyo3_ffi::{self as ffi, PyObject};

/// Offset in `PyInterpreterState` of `gc`.
pub const INTERP_GC_OFFSET: usize = 7400;

/// `PyGC_Head`, which lies in front of an object.
#[repr(C)]
pub struct GcHead {
    next: *mut GcHead,
    /// The lowest two bits are flags.
    prev: usize,
}

/// The beginning of `struct _gc_runtime_state`.
#[repr(C)]
pub struct CollectorState {
    trash_delete_later: *mut PyObject,
    trash_delete_nesting: c_int,
    enabled: c_int,
    debug: c_int,
    /// The youngest generation; the others follow.
    youngest: Generation,
    others: [Generation; 2],
    generation0: *mut GcHead,
}

/// `struct gc_generation`.
#[repr(C)]
struct Generation {
    head: GcHead,
    threshold: c_int,
    count: c_int,
}

/// The flags in [`GcHead::prev`].
const FLAGS: usize = 3;

static COLLECTOR: AtomicPtr<CollectorState> = AtomicPtr::new(core::ptr::null_mut());

/// The state of the main interpreter's collector. [`verify`](crate::verify) has found it.
#[inline(always)]
unsafe fn collector() -> &'static mut CollectorState {
    &mut *COLLECTOR.load(Ordering::Relaxed)
}

/// Where the collector of an interpreter is, unless that is a sub-interpreter, where nothing of ours runs. An error says what is not as expected.
pub(crate) unsafe fn find_collector(interp: *mut ffi::PyInterpreterState) -> Result<(), String> {
    if interp != ffi::PyInterpreterState_Main() {
        return Ok(());
    }
    let state = interp.byte_add(INTERP_GC_OFFSET).cast::<CollectorState>();
    let youngest = &raw mut (*state).youngest.head;
    if (*state).generation0 != youngest {
        return Err("the collector's youngest generation is not where it was expected".to_string());
    }
    // Something that the collector is to know, which no free list has: it comes last, and is counted.
    let was_enabled = ffi::PyGC_Disable();
    let before = (*state).youngest.count;
    let set = ffi::PySet_New(core::ptr::null_mut());
    let (after, enabled) = ((*state).youngest.count, (*state).enabled);
    if was_enabled != 0 {
        ffi::PyGC_Enable();
    }
    if set.is_null() {
        ffi::PyErr_Clear();
        return Err("cannot make a set".to_string());
    }
    let last = (*youngest).prev & !FLAGS;
    let is_last = last == gc_head(set).addr();
    let is_counted = after == before + 1 && enabled == 0 && (*state).enabled == was_enabled;
    ffi::Py_DECREF(set);
    if !(is_last && is_counted) {
        return Err("the collector does not keep its objects where they were expected".to_string());
    }
    COLLECTOR.store(state, Ordering::Relaxed);
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
    let state = collector();
    let young = &mut state.youngest;
    if young.count >= young.threshold && young.threshold != 0 && state.enabled != 0 {
        return false;
    }
    young.count += 1;
    true
}

/// Counts an object that is gone, as `PyObject_GC_Del` does.
#[inline(always)]
pub unsafe fn gc_count_gone() {
    let count = &mut collector().youngest.count;
    if *count > 0 {
        *count -= 1;
    }
}

/// `_PyObject_GC_TRACK`. The object's head is zero.
#[inline(always)]
pub unsafe fn gc_track(op: *mut PyObject) {
    let (head, list) = (gc_head(op), &raw mut collector().youngest.head);
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
    if !(*head).next.is_null() {
        let (next, prev) = ((*head).next, (*head).prev & !FLAGS);
        (*core::ptr::with_exposed_provenance_mut::<GcHead>(prev)).next = next;
        (*next).prev = (*next).prev & FLAGS | prev;
    }
    (*head).next = core::ptr::null_mut();
    (*head).prev = 0;
}

const _: () = assert!(core::mem::offset_of!(CollectorState, generation0) == 96);
