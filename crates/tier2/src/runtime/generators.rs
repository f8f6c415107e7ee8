//! Generators and coroutines: objects whose frames lie in them.

use super::dying::{Death, drop_quiet};
use super::{Obj, made};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_tier1::generators::free_finished;
use hotspur_tier1::table::op;

unsafe fn frame(generator: Obj) -> *mut InterpreterFrame {
    generator_frame(generator.as_ptr().cast())
}

/// A slot of its frame.
pub(super) unsafe fn slot(generator: Obj, index: usize) -> *mut *mut PyObject {
    frame_locals(frame(generator)).add(index)
}

pub(crate) unsafe fn is_suspended_at(generator: Obj, code: *mut PyCodeObject, pc: u32) -> bool {
    let at = code_units(code).add(pc as usize);
    (*generator.as_ptr().cast::<PyGenObject>()).gi_frame_state < FRAME_EXECUTING && (*frame(generator)).instr_ptr == at
}

pub(crate) unsafe fn suspend(generator: Obj, code: *mut PyCodeObject, pc: u32, stack: usize, delegates: bool) {
    let frame = frame(generator);
    (*frame).instr_ptr = code_units(code).add(pc as usize);
    (*frame).stacktop = (*code).co_nlocalsplus + stack as i32;
    let state = if delegates { FRAME_SUSPENDED_YIELD_FROM } else { FRAME_SUSPENDED };
    (*generator.as_ptr().cast::<PyGenObject>()).gi_frame_state = state;
}

/// Clears the frame of a generator that has returned, whose stack is empty and which is not linked any more, if no code runs in that, as far
/// as that is easy to tell. False, and nothing is done, if not.
pub(crate) unsafe fn finish_quietly(generator: *mut PyGenObject) -> bool {
    let frame = generator_frame(generator);
    let locals = (*frame_code(frame)).co_nlocalsplus as usize;
    let function = (*frame).f_funcobj;
    let is_bare = (*frame).f_locals.is_null() && (*generator).gi_exc_state.exc_value.is_null();
    // Nothing else dies with the frame, so its function is the last reference that is looked at.
    let is_quiet = is_bare
        && Death::is_quiet(|death| {
            drops_slots(frame, locals, death, Death::DEPTH) && death.drops_last(function, Death::DEPTH)
        });
    if !is_quiet {
        return false;
    }
    clear_quietly(generator, locals);
    (*generator).gi_exc_state.previous_item = core::ptr::null_mut();
    (*frame).previous = core::ptr::null_mut();
    true
}

/// Clears the frame of a generator, which has so many slots, where it is known that no code runs in that.
unsafe fn clear_quietly(generator: *mut PyGenObject, count: usize) {
    let frame = generator_frame(generator);
    (*generator).gi_frame_state = FRAME_CLEARED;
    (*frame).stacktop = 0;
    for i in 0..count {
        drop_quiet(*frame_locals(frame).add(i));
    }
    drop_quiet((*frame).f_funcobj);
}

/// Frees a generator that dies quietly, also one that has not come to its end.
pub(super) unsafe fn free_quiet(object: *mut PyObject) {
    let generator = object.cast::<PyGenObject>();
    if (*generator).gi_frame_state < FRAME_EXECUTING {
        clear_quietly(generator, (*generator_frame(generator)).stacktop as usize);
    }
    if !free_finished(object) {
        dealloc(object);
    }
}

/// The same for a frame with so many slots, among other things that die.
unsafe fn clears_quietly(frame: *mut InterpreterFrame, count: usize, death: &mut Death, depth: u32) -> bool {
    drops_slots(frame, count, death, depth) && death.drops((*frame).f_funcobj, depth)
}

unsafe fn drops_slots(frame: *mut InterpreterFrame, count: usize, death: &mut Death, depth: u32) -> bool {
    let slots = core::slice::from_raw_parts(frame_locals(frame), count);
    (*frame).frame_obj.is_null() && slots.iter().all(|&object| death.drops(object, depth))
}

/// Whether no code runs when the generator or coroutine, whose count has become zero, is freed, as far as that is easy to tell.
pub(super) unsafe fn dies_quietly(generator: *mut PyGenObject, death: &mut Death, depth: u32) -> bool {
    let frame = generator_frame(generator);
    let is_bare = (*generator).gi_weakreflist.is_null()
        && (*generator).gi_origin_or_finalizer.is_null()
        && refcnt(frame_code(frame).cast()) > 1;
    if !is_bare || (*generator).gi_frame_state >= FRAME_COMPLETED {
        return is_bare;
    }
    // It is closed: without its noticing, if it waits outside of all that handles exceptions.
    is_type(generator.cast(), &raw mut PyGen_Type)
        && (*frame).f_locals.is_null()
        && (*generator).gi_exc_state.exc_value.is_null()
        && ((*generator).gi_frame_state == FRAME_CREATED || is_unprotected((*frame).instr_ptr))
        && clears_quietly(frame, (*frame).stacktop as usize, death, depth)
}

/// Whether a generator that waits here is in no `try` or `with` statement. (Nor does it wait for another one.)
unsafe fn is_unprotected(at: *mut CodeUnit) -> bool {
    const AFTER_YIELD: u16 = 1;
    const LOCATION: u16 = 3;
    const OUTERMOST: u16 = 4;
    let (opcode, oparg) = (*at & 0xff, *at >> 8);
    opcode == op::RESUME && oparg & LOCATION == AFTER_YIELD && oparg & OUTERMOST != 0
}

/// Clears the frame of a generator that runs and has returned: as CPython does it, its stack being empty and its frame not
/// linked any more.
pub(crate) unsafe fn finish_generator(ts: *mut ThreadState, generator: *mut PyGenObject) {
    let frame = generator_frame(generator);
    (*frame).stacktop = (*frame_code(frame)).co_nlocalsplus;
    // What is undone first.
    (*generator).gi_exc_state.previous_item = (*ts).exc_info;
    (*ts).exc_info = &raw mut (*generator).gi_exc_state;
    _PyEval_FrameClearAndPop(ts, frame);
}

/// A generator or coroutine of the function, whose reference passes to it, that begins at `pc`. Its locals are yet to be written.
pub(crate) unsafe fn new_generator(function: *mut PyObject, code: *mut PyCodeObject, pc: u32) -> Obj {
    let function = function.cast::<PyFunctionObject>();
    let object = made(hotspur_tier1::generators::new_generator(function));
    let generator = object.as_ptr().cast::<PyGenObject>();
    let frame = generator_frame(generator);
    (*frame).f_executable = newref(code.cast());
    (*frame).previous = core::ptr::null_mut();
    (*frame).f_funcobj = function.cast();
    (*frame).f_globals = (*function).func_globals;
    (*frame).f_builtins = (*function).func_builtins;
    (*frame).f_locals = core::ptr::null_mut();
    (*frame).frame_obj = core::ptr::null_mut();
    (*frame).instr_ptr = code_units(code).add(pc as usize);
    (*frame).stacktop = (*code).co_nlocalsplus;
    (*frame).return_offset = 0;
    (*frame).owner = FRAME_OWNED_BY_GENERATOR;
    (*generator).gi_frame_state = FRAME_CREATED;
    object
}
