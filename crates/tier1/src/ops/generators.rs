//! Generators and coroutines: creating, sending, yielding.
//!
//! A generator's frame lies inside the generator object. Resuming it from SEND or FOR_ITER pushes it like a callee's;
//! it leaves by YIELD_VALUE (which lands behind the cache of the SEND or FOR_ITER: both have one) or by returning.
//!
//! Generators that wait for each other (`yield from`, `await`) form chains: what is sent to the first goes down to the last, and what that
//! yields goes up again. Each link of a chain executes the same three instructions on the way down, and one on the way up;
//! [`descend`] and [`ascend`] do that for all links at once.

use crate::adapt;
use crate::code::{self, CodeState};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::generators::new_generator;
use crate::handler;
use crate::table::op;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Where a yield goes on in the resumer: behind SEND or FOR_ITER and its one cache word.
const AFTER_YIELD: usize = 2;

handler! {
    RETURN_GENERATOR(s) {
        s.save_ip();
        let generator = new_generator((*s.frame).f_funcobj.cast()).cast::<PyGenObject>();
        if generator.is_null() {
            return s.error();
        }
        s.save_sp();
        let frame = s.frame;
        (*frame).instr_ptr = (*frame).instr_ptr.add(1);
        let inner = generator_frame(generator);
        copy_frame(frame, inner);
        (*generator).gi_frame_state = FRAME_CREATED;
        (*inner).owner = FRAME_OWNED_BY_GENERATOR;
        let ts = s.tstate();
        leave_recursive_py(ts);
        let previous = (*frame).previous;
        _PyThreadState_PopFrame(ts, frame);
        (*ts).current_frame = previous;
        frames::resume_with_value(s.cx, previous, generator.cast(), usize::from((*previous).return_offset))
    }

    YIELD_VALUE(s) {
        // The frame stops behind this instruction, where a RESUME stands.
        (*s.frame).instr_ptr = s.instr_ptr().add(1);
        let generator = frame_generator(s.frame);
        (*generator).gi_frame_state = FRAME_SUSPENDED + s.oparg() as FrameState;
        let value = s.pop();
        s.save_sp();
        let ts = s.tstate();
        (*ts).exc_info = (*generator).gi_exc_state.previous_item;
        (*generator).gi_exc_state.previous_item = ptr::null_mut();
        leave_recursive_py(ts);
        let previous = (*s.frame).previous;
        (*ts).current_frame = previous;
        (*s.frame).previous = ptr::null_mut();
        if (*previous).owner == FRAME_OWNED_BY_GENERATOR && !(*(*s.cx).thread).watched {
            return State { frame: previous, ..s }.tail_with(ascend, value.expose_provenance());
        }
        frames::resume_with_value(s.cx, previous, value, AFTER_YIELD)
    }

    /// The generator whose frame is the current one was entered, its registers are not taken up yet, and it waits for another one: goes down
    /// the chain.
    descend(s) {
        let ts = s.tstate();
        let mut frame = s.frame;
        let (mut code, mut cs) = (ptr::null_mut(), ptr::null_mut());
        // A link does little: what each of them would replace or move on is written once, behind the last one. That is what the thread's state
        // says, and the value that was sent, which is on top of the stack.
        let (mut exc_info, mut remaining) = ((*ts).exc_info, (*ts).py_recursion_remaining);
        let mut stacktop = (*frame).stacktop as isize;
        let value = *frame_locals(frame).offset(stacktop - 1);
        // The limit is checked where there is an end to the chain.
        while remaining > 1 {
            if frame_code(frame) != code {
                code = frame_code(frame);
                cs = code::known_state_of(code);
                if cs.is_null() || (*ts).eval_breaker != (*cs).version {
                    break;
                }
            }
            let resume = CodeState::word_at(cs, (*frame).instr_ptr);
            let is_plain = matches!((*resume).op, op::RESUME_IN_YIELD_FROM | op::RESUME_EXECUTOR)
                && (*resume).oparg & 3 >= 2
                && (*resume.add(1)).op == op::JUMP_BACKWARD_NO_INTERRUPT;
            if !is_plain {
                break;
            }
            let send = resume.add(2).sub((*resume.add(1)).oparg as usize);
            let receiver = *frame_locals(frame).offset(stacktop - 2);
            let target = AFTER_YIELD + (*send).oparg as usize;
            let resumes = matches!((*send).op, op::SEND | op::SEND_GEN)
                && target <= usize::from(u16::MAX)
                && is_suspended_generator(receiver);
            if !resumes {
                break;
            }
            (*frame).instr_ptr = (*frame).instr_ptr.offset(send.offset_from(resume));
            (*frame).stacktop = stacktop as i32 - 1;
            (*frame).return_offset = target as u16;
            let generator = receiver.cast();
            let inner = generator_frame(generator);
            exc_info = resumed(generator, exc_info);
            (*inner).previous = frame;
            remaining -= 1;
            frame = inner;
            stacktop = (*frame).stacktop as isize + 1;
        }
        *frame_locals(frame).offset(stacktop - 1) = value;
        (*frame).stacktop = stacktop as i32;
        ((*ts).exc_info, (*ts).py_recursion_remaining) = (exc_info, remaining);
        (*ts).current_frame = frame;
        State { frame, ..s }.start()
    }

    /// A generator has yielded the value to the frame, which is another generator's: goes up the chain.
    ascend(s, value: usize) {
        let ts = s.tstate();
        let mut frame = s.frame;
        let (mut code, mut cs) = (ptr::null_mut(), ptr::null_mut());
        let (mut exc_info, mut remaining) = ((*ts).exc_info, (*ts).py_recursion_remaining);
        while (*frame).owner == FRAME_OWNED_BY_GENERATOR {
            if frame_code(frame) != code {
                code = frame_code(frame);
                cs = code::existing_state_of(code);
            }
            let yields = CodeState::word_at(cs, (*frame).instr_ptr).add(AFTER_YIELD);
            if (*yields).op != op::YIELD_VALUE {
                ((*ts).exc_info, (*ts).py_recursion_remaining) = (exc_info, remaining);
                (*ts).current_frame = frame;
                return frames::go_on_with_value(s.cx, cs, frame, yields, ptr::with_exposed_provenance_mut(value));
            }
            (*frame).instr_ptr = (*frame).instr_ptr.add(AFTER_YIELD + 1);
            let generator = frame_generator(frame);
            (*generator).gi_frame_state = FRAME_SUSPENDED + (*yields).oparg as FrameState;
            exc_info = (*generator).gi_exc_state.previous_item;
            (*generator).gi_exc_state.previous_item = ptr::null_mut();
            // `leave_recursive_py`
            remaining += 1;
            let previous = (*frame).previous;
            (*frame).previous = ptr::null_mut();
            frame = previous;
        }
        ((*ts).exc_info, (*ts).py_recursion_remaining) = (exc_info, remaining);
        (*ts).current_frame = frame;
        frames::resume_with_value(s.cx, frame, ptr::with_exposed_provenance_mut(value), AFTER_YIELD)
    }

    SEND(s) {
        adapt!(s, specialize_send);
        let receiver = s.peek(2);
        if is_suspended_generator(receiver) {
            let value = s.pop();
            let target = 2 + s.oparg();
            return enter_generator(s, receiver.cast(), value, target);
        }
        s.save_ip();
        let value = s.peek(1);
        let result = match (*ty(receiver)).tp_iternext {
            Some(next) if value == s.known().none && ffi::PyIter_Check(receiver) != 0 => next(receiver),
            _ => call_send(receiver, s.known().name_send, value),
        };
        if result.is_null() {
            return s.tail(send_null);
        }
        s.put(1, result);
        decref(value);
        s.next_escaped(2)
    }

    /// What was sent to gave nothing: it returned, or it raised.
    send_null(s) {
        let returned = stop_iteration_value_raised();
        if returned.is_null() {
            return s.error();
        }
        let value = s.peek(1);
        s.put(1, returned);
        decref(value);
        let target = 2 + s.oparg();
        s.next_escaped(target)
    }

    SEND_GEN(s) {
        let receiver = s.peek(2);
        if !is_suspended_generator(receiver) {
            return s.tail(SEND);
        }
        let value = s.pop();
        let target = 2 + s.oparg();
        enter_generator(s, receiver.cast(), value, target)
    }
}

#[inline(always)]
unsafe fn is_suspended_generator(receiver: *mut PyObject) -> bool {
    let t = ty(receiver);
    (t == &raw mut PyGen_Type || t == &raw mut PyCoro_Type)
        && (*receiver.cast::<PyGenObject>()).gi_frame_state < FRAME_EXECUTING
}

/// Resumes a suspended generator with a value (whose reference it takes); when it returns, execution goes on `target` words
/// after the current instruction.
#[inline(always)]
pub(crate) unsafe fn enter_generator(
    s: State,
    generator: *mut PyGenObject,
    value: *mut PyObject,
    target: usize,
) -> Ret {
    let frame = generator_frame(generator);
    let waits = (*generator).gi_frame_state == FRAME_SUSPENDED_YIELD_FROM && !(*(*s.cx).thread).watched;
    let ts = s.tstate();
    *frame_locals(frame).offset((*frame).stacktop as isize) = value;
    (*frame).stacktop += 1;
    (*ts).exc_info = resumed(generator, (*ts).exc_info);
    if waits { s.enter_waiting(frame, target) } else { s.enter(frame, target) }
}

/// A generator runs from now on, in front of these exceptions being handled. Returns what is in front then.
#[inline(always)]
unsafe fn resumed(generator: *mut PyGenObject, exc_info: *mut ErrStackItem) -> *mut ErrStackItem {
    (*generator).gi_frame_state = FRAME_EXECUTING;
    (*generator).gi_exc_state.previous_item = exc_info;
    &raw mut (*generator).gi_exc_state
}

/// `_PyFrame_Copy`: moves a frame's contents into a generator's.
unsafe fn copy_frame(from: *mut InterpreterFrame, to: *mut InterpreterFrame) {
    let bytes =
        core::mem::offset_of!(InterpreterFrame, localsplus) + (*from).stacktop as usize * size_of::<*mut PyObject>();
    ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), bytes);
    // The frame that it had been called from is none of a generator's.
    (*to).previous = ptr::null_mut();
}

/// Out of line, because the arguments are passed in an array.
#[inline(never)]
unsafe fn call_send(receiver: *mut PyObject, send: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    ffi::PyObject_CallMethodOneArg(receiver, send, value)
}

/// The value of the StopIteration that is being raised, if any is (which is then no longer raised; no exception at all
/// counts as one with None); null if it is another exception.
#[inline(never)]
unsafe fn stop_iteration_value_raised() -> *mut PyObject {
    let mut returned = ptr::null_mut();
    if _PyGen_FetchStopIterationValue(&raw mut returned) < 0 { ptr::null_mut() } else { returned }
}

#[cold]
#[inline(never)]
unsafe fn specialize_send(s: State) {
    if is_suspended_generator(s.peek(2)) {
        s.specialize(op::SEND_GEN);
    } else {
        s.give_up();
    }
}
