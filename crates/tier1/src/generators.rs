//! Generator objects, and the memory of dead ones.
//!
//! Generators are made for one loop each and die at its end. CPython's way to make one leads through the allocator, and its way to free one through
//! a finalizer, for which the collector is told twice. So one that has come to its end is freed here, and its memory is kept in lists, by how many
//! slots its frame has. The collector sees no difference: it is told of each birth and death, and when it is time for it to run, it is CPython
//! that makes the generator. Whoever watches allocations sees all of them.

use crate::boxes::FreeList;
use core::cell::UnsafeCell;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// There is a list for each number of slots below this.
const LISTS: usize = 32;

struct Lists(UnsafeCell<[FreeList; LISTS]>);
// SAFETY: only touched with the GIL of the main interpreter held.
unsafe impl Sync for Lists {}
static DEAD: Lists = Lists(UnsafeCell::new([FreeList::EMPTY; LISTS]));

/// The list of generators of a code object, if there is one. Coroutines and asynchronous generators are not kept.
#[inline(always)]
unsafe fn list_for(code: *mut PyCodeObject) -> Option<&'static mut FreeList> {
    const KINDS: i32 = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR;
    if (*code).co_flags & KINDS != CO_GENERATOR || allocations_are_watched() {
        return None;
    }
    (*DEAD.0.get()).get_mut(((*code).co_nlocalsplus + (*code).co_stacksize) as usize)
}

/// A new generator or coroutine of a function, as `_Py_MakeCoro` makes it: its frame is yet to be filled in. Null with an exception if there is no memory.
pub unsafe fn new_generator(function: *mut PyFunctionObject) -> *mut PyObject {
    let list = list_for((*function).func_code.cast());
    let Some(list) = list.filter(|list| !list.is_empty() && gc_count_new()) else {
        return _Py_MakeCoro(function);
    };
    let op = list.take(&raw mut PyGen_Type);
    let generator = op.cast::<PyGenObject>();
    (*generator).gi_weakreflist = ptr::null_mut();
    (*generator).gi_name = newref((*function).func_name);
    (*generator).gi_qualname = newref((*function).func_qualname);
    (*generator).gi_exc_state.exc_value = ptr::null_mut();
    (*generator).gi_exc_state.previous_item = ptr::null_mut();
    (*generator).gi_origin_or_finalizer = ptr::null_mut();
    (*generator).gi_frame_state = FRAME_CLEARED;
    gc_track(op);
    op
}

/// Frees a generator or coroutine whose count has become zero, if it has come to its end and nobody waits for its death. As CPython does it,
/// which calls a finalizer first that does nothing by then.
pub unsafe fn free_finished(object: *mut PyObject) -> bool {
    let is_generator = is_type(object, &raw mut PyGen_Type);
    if !is_generator && !is_type(object, &raw mut PyCoro_Type) {
        return false;
    }
    let generator = object.cast::<PyGenObject>();
    let code = frame_code(generator_frame(generator));
    let is_bare = (*generator).gi_frame_state == FRAME_CLEARED
        && (*generator).gi_weakreflist.is_null()
        // Only coroutines have it.
        && (is_generator || (*generator).gi_origin_or_finalizer.is_null())
        && [(*generator).gi_name, (*generator).gi_qualname]
            .into_iter()
            .all(|s| is_type(s, &raw mut ffi::PyUnicode_Type))
        && !code.is_null()
        && refcnt(code.cast()) > 1;
    if !is_bare {
        return false;
    }
    decref((*generator).gi_name);
    decref((*generator).gi_qualname);
    if list_for(code).is_some_and(|list| list.put(object)) {
        gc_forget(object);
        gc_count_gone();
    } else {
        // It leaves the collector's list as well.
        ffi::PyObject_GC_Del(object.cast());
    }
    decref(code.cast());
    true
}
