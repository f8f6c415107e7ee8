//! Generators and coroutines: objects whose frames lie in them.

use super::{Obj, made};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

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

/// Whether no code runs when the object is freed, and nothing that it refers to dies.
unsafe fn dies_alone(op: *mut PyObject) -> bool {
    let t = ty(op);
    let is_empty = (t == &raw mut PyListIter_Type || t == &raw mut PyTupleIter_Type)
        && (*op.cast::<ListIterObject>()).it_seq.is_null();
    let is_empty = is_empty || t == &raw mut ffi::PyCell_Type && (*op.cast::<PyCellObject>()).ob_ref.is_null();
    let is_plain = t != &raw mut ffi::PyTuple_Type
        && t != &raw mut ffi::PyList_Type
        && t != &raw mut PyMethod_Type
        && t != &raw mut PyListIter_Type
        && t != &raw mut PyTupleIter_Type
        && t != &raw mut ffi::PyCell_Type;
    is_empty || is_plain && super::dies_quietly(op, 0)
}

/// Whether no code runs when the frame of the generator, whose stack is empty, is cleared, as far as that is easy to tell.
pub(crate) unsafe fn finishes_quietly(generator: *mut PyGenObject) -> bool {
    let frame = generator_frame(generator);
    let locals = core::slice::from_raw_parts(frame_locals(frame), (*frame_code(frame)).co_nlocalsplus as usize);
    let stays = |&object: &*mut PyObject| {
        object.is_null()
            || is_immortal(object)
            || refcnt(object) as usize > locals.iter().filter(|&&other| other == object).count()
            || dies_alone(object)
    };
    (*frame).frame_obj.is_null() && locals.iter().all(stays) && function_stays(frame)
}

/// Whether nothing but the function itself dies when its frame, that of a generator, lets go of it.
unsafe fn function_stays(frame: *mut InterpreterFrame) -> bool {
    let function = (*frame).f_funcobj.cast::<PyFunctionObject>();
    if refcnt(function.cast()) > 1 {
        return true;
    }
    let closure = (*function).func_closure;
    // The frame has them as well.
    let is_shared = |i| refcnt(tuple_item(closure, i)) > 2;
    super::dying::is_bare(function)
        && (closure.is_null() || refcnt(closure) > 1 || (0..size(closure) as usize).all(is_shared))
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
    let object = made(_Py_MakeCoro(function));
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
