//! Raising and handling exceptions, `with`, intrinsics.

use crate::dispatch::State;
use crate::handler;
use crate::table::op;
use crate::unwind::{set_raised, unwind};
use crate::{frames, shims};
use core::ffi::CStr;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

unsafe fn is_exception_class(op: *mut PyObject) -> bool {
    ffi::PyExceptionClass_Check(op) != 0
}

unsafe fn is_exception(op: *mut PyObject) -> bool {
    ffi::PyExceptionInstance_Check(op) != 0
}

unsafe fn raise_type_error(text: &CStr) {
    ffi::PyErr_SetString(ffi::PyExc_TypeError, text.as_ptr());
}

/// Calls an exception class; null, with an exception set, if no exception comes out. What came out instead is the second
/// value, which lives on until the operands are dropped, as in CPython.
unsafe fn instantiate(class: *mut PyObject) -> (*mut PyObject, *mut PyObject) {
    let value = ffi::PyObject_CallNoArgs(class);
    if value.is_null() || is_exception(value) {
        return (value, ptr::null_mut());
    }
    ffi::PyErr_Format(
        ffi::PyExc_TypeError,
        c"calling %R should have returned an instance of BaseException, not %R".as_ptr(),
        class,
        ty(value),
    );
    (ptr::null_mut(), value)
}

/// The statement `raise` with nothing after it: makes the exception being handled the one being raised. False, with
/// another exception set, if there is none.
#[inline(never)]
unsafe fn raise_handled(ts: *mut ThreadState) -> bool {
    let none = ffi::Py_None();
    let mut item = (*ts).exc_info;
    while ((*item).exc_value.is_null() || (*item).exc_value == none) && !(*item).previous_item.is_null() {
        item = (*item).previous_item;
    }
    let exception = (*item).exc_value;
    if exception.is_null() || exception == none {
        ffi::PyErr_SetString(ffi::PyExc_RuntimeError, c"No active exception to reraise".as_ptr());
        return false;
    }
    set_raised(ts, newref(exception));
    true
}

/// `raise exception from cause`, or without `from` if `cause` is null. Takes the references; an exception is set after it.
#[inline(never)]
unsafe fn raise(exception: *mut PyObject, cause: *mut PyObject) {
    let class;
    let value;
    if is_exception_class(exception) {
        class = exception;
        let (instance, other) = instantiate(class);
        if instance.is_null() {
            xdecref(other);
            decref(class);
            xdecref(cause);
            return;
        }
        value = instance;
    } else if is_exception(exception) {
        value = exception;
        class = newref(ty(exception).cast());
    } else {
        decref(exception);
        raise_type_error(c"exceptions must derive from BaseException");
        xdecref(cause);
        return;
    }
    if cause.is_null() || set_cause(value, cause) {
        ffi::PyErr_SetObject(class, value);
        decref(value);
        decref(class);
    } else {
        decref(value);
        decref(class);
        decref(cause);
    }
}

/// Sets `__cause__` from what followed `from`, whose reference is taken if that works.
unsafe fn set_cause(value: *mut PyObject, cause: *mut PyObject) -> bool {
    let fixed;
    if is_exception_class(cause) {
        let (instance, other) = instantiate(cause);
        if instance.is_null() {
            xdecref(other);
            return false;
        }
        decref(cause);
        fixed = instance;
    } else if is_exception(cause) {
        fixed = cause;
    } else if cause == ffi::Py_None() {
        decref(cause);
        fixed = ptr::null_mut();
    } else {
        raise_type_error(c"exception causes must derive from BaseException");
        return false;
    }
    ffi::PyException_SetCause(value, fixed);
    true
}

/// Result of splitting an exception group; both null on an error.
#[inline(never)]
unsafe fn split_group(exception: *mut PyObject, class: *mut PyObject) -> (*mut PyObject, *mut PyObject) {
    let (mut matched, mut rest) = (ptr::null_mut(), ptr::null_mut());
    if _PyEval_ExceptionGroupMatch(exception, class, &mut matched, &mut rest) < 0 {
        return (ptr::null_mut(), ptr::null_mut());
    }
    (matched, rest)
}

/// The entering and leaving methods of a context manager; both null on an error.
#[inline(never)]
unsafe fn context_methods(s: State, manager: *mut PyObject) -> (*mut PyObject, *mut PyObject) {
    let known = s.known();
    let (enter, exit, without_enter, without_exit) = if (*s.pc).op == op::BEFORE_ASYNC_WITH {
        (
            known.name_aenter,
            known.name_aexit,
            c"'%.200s' object does not support the asynchronous context manager protocol",
            c"'%.200s' object does not support the asynchronous context manager protocol (missed __aexit__ method)",
        )
    } else {
        (
            known.name_enter,
            known.name_exit,
            c"'%.200s' object does not support the context manager protocol",
            c"'%.200s' object does not support the context manager protocol (missed __exit__ method)",
        )
    };
    let missing = |format: &CStr| {
        if ffi::PyErr_Occurred().is_null() {
            ffi::PyErr_Format(ffi::PyExc_TypeError, format.as_ptr(), (*ty(manager)).tp_name);
        }
        (ptr::null_mut(), ptr::null_mut())
    };
    let enter = _PyObject_LookupSpecial(manager, enter);
    if enter.is_null() {
        return missing(without_enter);
    }
    let exit = _PyObject_LookupSpecial(manager, exit);
    if exit.is_null() {
        let none = missing(without_exit);
        decref(enter);
        return none;
    }
    (enter, exit)
}

/// Calls a method, whose reference it takes, without arguments; null on an error.
#[inline(never)]
unsafe fn call_and_drop(method: *mut PyObject) -> *mut PyObject {
    let result = ffi::PyObject_CallNoArgs(method);
    decref(method);
    result
}

/// Calls `__exit__` with an exception.
#[inline(never)]
unsafe fn call_exit(exit: *mut PyObject, exception: *mut PyObject) -> *mut PyObject {
    let mut traceback = ffi::PyException_GetTraceback(exception);
    if traceback.is_null() {
        traceback = ffi::Py_None();
    } else {
        // The exception holds it.
        decref(traceback);
    }
    let args = [ptr::null_mut(), ty(exception).cast::<PyObject>(), exception, traceback];
    ffi::PyObject_Vectorcall(exit, args.as_ptr().add(1), 3 | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, ptr::null_mut())
}

handler! {
    PUSH_EXC_INFO(s) {
        let info = (*s.tstate()).exc_info;
        let exception = s.peek(1);
        let previous = (*info).exc_value;
        s.put(1, if previous.is_null() { s.known().none } else { previous });
        (*info).exc_value = newref(exception);
        s.push(exception);
        s.next(1)
    }

    POP_EXCEPT(s) {
        let info = (*s.tstate()).exc_info;
        let previous = s.pop();
        let old = (*info).exc_value;
        (*info).exc_value = if previous == s.known().none { ptr::null_mut() } else { previous };
        if old.is_null() {
            return s.next(1);
        }
        s.decref_then_next(old, 1)
    }

    RERAISE(s) {
        s.save_ip();
        let n = s.oparg();
        if n != 0 {
            let lasti = s.peek(1 + n);
            if !has_feature(ty(lasti), ffi::Py_TPFLAGS_LONG_SUBCLASS) {
                ffi::PyErr_SetString(ffi::PyExc_SystemError, c"lasti is not an int".as_ptr());
                return s.error();
            }
            // Where the exception was raised first, for the line numbers of this frame.
            (*s.frame).instr_ptr = code_units((*s.cs).code).offset(ffi::PyLong_AsLong(lasti) as isize);
        }
        set_raised(s.tstate(), newref(s.peek(1)));
        s.tail_with(unwind, s.index() as usize)
    }

    RAISE_VARARGS(s) {
        s.save_ip();
        match s.oparg() {
            0 => {
                if raise_handled(s.tstate()) {
                    return s.tail_with(unwind, s.index() as usize);
                }
            }
            1 => {
                let exception = s.pop();
                raise(exception, ptr::null_mut());
            }
            2 => {
                let cause = s.pop();
                let exception = s.pop();
                raise(exception, cause);
            }
            _ => ffi::PyErr_SetString(ffi::PyExc_SystemError, c"bad RAISE_VARARGS oparg".as_ptr()),
        }
        s.error()
    }

    CHECK_EXC_MATCH(s) {
        let class = s.peek(1);
        if ty(s.peek(2)).cast::<PyObject>() != class {
            return s.tail(check_exc_match_slow);
        }
        // The exception holds its class.
        decref_no_dealloc(class);
        s.put(1, s.known().true_);
        s.next(1)
    }

    /// The class is not the very one of the exception.
    #[cold]
    check_exc_match_slow(s) {
        s.save_ip();
        let (exception, class) = (s.peek(2), s.peek(1));
        s.shrink(1);
        if _PyEval_CheckExceptTypeValid(s.tstate(), class) < 0 {
            decref(class);
            return s.error();
        }
        let matches = ffi::PyErr_GivenExceptionMatches(exception, class) != 0;
        decref(class);
        s.push(if matches { s.known().true_ } else { s.known().false_ });
        s.next_escaped(1)
    }

    CHECK_EG_MATCH(s) {
        s.save_ip();
        let (exception, class) = (s.peek(2), s.peek(1));
        s.shrink(2);
        let (mut matched, mut rest) = (ptr::null_mut(), ptr::null_mut());
        if _PyEval_CheckExceptStarTypeValid(s.tstate(), class) >= 0 {
            (matched, rest) = split_group(exception, class);
        }
        decref(exception);
        decref(class);
        if matched.is_null() {
            return s.error();
        }
        s.push(rest);
        s.push(matched);
        if matched != s.known().none {
            ffi::PyErr_SetHandledException(matched);
        }
        s.next_escaped(1)
    }

    END_ASYNC_FOR(s) {
        s.save_ip();
        let (awaitable, exception) = (s.peek(2), s.peek(1));
        if ffi::PyErr_GivenExceptionMatches(exception, ffi::PyExc_StopAsyncIteration) == 0 {
            set_raised(s.tstate(), newref(exception));
            return s.tail_with(unwind, s.index() as usize);
        }
        s.shrink(2);
        decref(awaitable);
        decref(exception);
        s.next_escaped(1)
    }

    CLEANUP_THROW(s) {
        s.save_ip();
        let (iter, sent, exception) = (s.peek(3), s.peek(2), s.peek(1));
        if ffi::PyErr_GivenExceptionMatches(exception, ffi::PyExc_StopIteration) == 0 {
            set_raised(s.tstate(), newref(exception));
            return s.tail_with(unwind, s.index() as usize);
        }
        let value = newref(stop_iteration_value(exception));
        s.shrink(3);
        decref(iter);
        decref(sent);
        decref(exception);
        s.push(s.known().none);
        s.push(value);
        s.next_escaped(1)
    }

    BEFORE_WITH(s) {
        s.save_ip();
        let [enter, exit] = shims::manager(s);
        if enter.is_null() {
            return s.tail(call_enter);
        }
        // It is entered as a frame, with the bound `__exit__` below its result.
        let manager = s.peek(1);
        let exit = PyMethod_New(exit.cast(), manager);
        if exit.is_null() {
            return s.error();
        }
        let frame = frames::push(s.tstate(), enter, 1);
        if frame.is_null() {
            decref(exit);
            return s.error();
        }
        incref(enter.cast());
        frame_locals(frame).write_volatile(manager);
        s.put(1, exit);
        s.enter(frame, 1)
    }

    BEFORE_ASYNC_WITH(s) {
        s.tail(BEFORE_WITH)
    }

    /// Calls the entering method, which is no function in Python that can be entered.
    call_enter(s) {
        let (enter, exit) = context_methods(s, s.peek(1));
        if enter.is_null() {
            return s.error();
        }
        let manager = s.pop();
        decref(manager);
        s.push(exit);
        let result = call_and_drop(enter);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(1)
    }

    WITH_EXCEPT_START(s) {
        s.save_ip();
        let result = call_exit(s.peek(4), s.peek(1));
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(1)
    }

    CALL_INTRINSIC_1(s) {
        s.save_ip();
        let value = s.pop();
        let function = (*(&raw const _PyIntrinsics_UnaryFunctions).cast::<IntrinsicFunc1Info>().add(s.oparg())).func;
        let result = function(s.tstate(), value);
        decref(value);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(1)
    }

    CALL_INTRINSIC_2(s) {
        s.save_ip();
        let (first, second) = (s.peek(2), s.peek(1));
        let function = (*(&raw const _PyIntrinsics_BinaryFunctions).cast::<IntrinsicFunc2Info>().add(s.oparg())).func;
        let result = function(s.tstate(), first, second);
        s.shrink(2);
        decref(first);
        decref(second);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(1)
    }
}
