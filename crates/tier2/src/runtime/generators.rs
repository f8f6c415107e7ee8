//! Generators and coroutines: objects whose frames lie in them.

use super::{Obj, made};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
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

/// What is in the slots of a frame that is to be cleared, and dies with it.
struct Slots<'a>(&'a [*mut PyObject]);

impl Slots<'_> {
    /// Whether no code runs when the slots are cleared, as far as that is easy to tell.
    unsafe fn die_quietly(&self) -> bool {
        let item_stays = |item: *mut PyObject| self.stays(item) || is_leaf(item);
        self.0.iter().all(|&object| item_stays(object) || held(object).is_some_and(item_stays))
    }

    /// Whether somebody else has the object, if it is one.
    unsafe fn stays(&self, object: *mut PyObject) -> bool {
        object.is_null() || {
            let count = refcnt(object) as usize;
            // Each slot has one itself, and at most one by what it holds.
            is_immortal(object) || count > 2 * self.0.len() || count > 1 && count > self.references(object)
        }
    }

    /// How many references the slots have to an object, themselves and by what they hold.
    unsafe fn references(&self, object: *mut PyObject) -> usize {
        let mut count = 0;
        for (i, &slot) in self.0.iter().enumerate() {
            let is_first = !self.0[..i].contains(&slot);
            count += usize::from(slot == object) + usize::from(is_first && held(slot) == Some(object));
        }
        count
    }

    /// Whether nothing but the function itself dies when its frame lets go of it, besides clearing the slots.
    unsafe fn spare(&self, function: *mut PyFunctionObject) -> bool {
        if refcnt(function.cast()) > 1 {
            return true;
        }
        let closure = (*function).func_closure;
        let is_shared = |i| {
            let cell = tuple_item(closure, i);
            refcnt(cell) as usize > self.references(cell) + 1
        };
        super::dying::is_bare(function)
            && (closure.is_null() || refcnt(closure) > 1 || (0..size(closure) as usize).all(is_shared))
    }
}

/// Whether the object refers to nothing, and no code runs when it is freed.
unsafe fn is_leaf(op: *mut PyObject) -> bool {
    super::dying::is_leaf(ty(op))
}

/// What an iterator or a cell holds; null if it is empty. None: it is something else.
unsafe fn held(op: *mut PyObject) -> Option<*mut PyObject> {
    if op.is_null() {
        return None;
    }
    let t = ty(op);
    if t == &raw mut PyListIter_Type || t == &raw mut PyTupleIter_Type {
        return Some((*op.cast::<ListIterObject>()).it_seq.cast());
    }
    (t == &raw mut ffi::PyCell_Type).then(|| (*op.cast::<PyCellObject>()).ob_ref)
}

/// Whether no code runs when the frame of the generator, whose stack is empty, is cleared, as far as that is easy to tell.
pub(crate) unsafe fn finishes_quietly(generator: *mut PyGenObject) -> bool {
    let frame = generator_frame(generator);
    let locals = (*frame_code(frame)).co_nlocalsplus as usize;
    clears_quietly(frame, locals)
}

unsafe fn clears_quietly(frame: *mut InterpreterFrame, count: usize) -> bool {
    let slots = Slots(core::slice::from_raw_parts(frame_locals(frame), count));
    (*frame).frame_obj.is_null() && slots.die_quietly() && slots.spare((*frame).f_funcobj.cast())
}

/// Whether no code runs when the generator or coroutine, whose count has become zero, is freed, as far as that is easy to tell.
pub(super) unsafe fn dies_quietly(generator: *mut PyGenObject) -> bool {
    let frame = generator_frame(generator);
    let is_bare = (*generator).gi_weakreflist.is_null()
        && (*generator).gi_origin_or_finalizer.is_null()
        && refcnt(frame_code(frame).cast()) > 1;
    if !is_bare || (*generator).gi_frame_state >= FRAME_COMPLETED {
        return is_bare;
    }
    // It is closed: without its noticing, if it waits outside of all that handles exceptions.
    is_type(generator.cast(), &raw mut PyGen_Type)
        && (*generator).gi_exc_state.exc_value.is_null()
        && ((*generator).gi_frame_state == FRAME_CREATED || is_unprotected((*frame).instr_ptr))
        && clears_quietly(frame, (*frame).stacktop as usize)
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
