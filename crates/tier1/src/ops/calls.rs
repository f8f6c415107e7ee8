//! Calls, and those of Python functions above all.
//!
//! Before a call the stack holds the callable, `self` or null, and the arguments. A Python function gets a frame pushed on
//! the data stack and runs in this same activation; everything else is called. What has its own ways to be called without a frame, C
//! functions and built-in types, is in `c_calls.rs`; keywords, and arguments in a tuple and a dict, are in `argument_calls.rs`.
//!
//! Inline cache of CALL (three words): 1: the function's version, or the class's and its `__init__`'s, or a consumer's number; 2: a
//! pointer; 3: for classes, an instruction of ours, [`INIT_RETURN`], to which `__init__` returns; for the end of a `with` statement,
//! [`EXIT_RETURN`], to which `__exit__` returns.

use crate::adapt;
use crate::code::CodeState;
use crate::consumers::consumer;
use crate::context::Known;
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::handler;
use crate::shims;
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Length of CALL with its caches.
pub(super) const CALL_LENGTH: usize = 4;

/// The operands of a CALL.
#[derive(Clone, Copy)]
pub(super) struct Operands {
    pub callable: *mut PyObject,
    /// First argument, `self` included if there is one.
    pub args: *mut *mut PyObject,
    /// Arguments, `self` included.
    pub count: usize,
}

impl State {
    #[inline(always)]
    pub(super) unsafe fn call_operands(self) -> Operands {
        let n = self.oparg();
        let has_self = !self.peek(n + 1).is_null();
        Operands {
            callable: self.peek(n + 2),
            args: self.sp.sub(n + usize::from(has_self)),
            count: n + usize::from(has_self),
        }
    }

    /// After a C function was called: drops the operands, pushes the result, serves events.
    #[inline(always)]
    pub(super) unsafe fn finish_call(mut self, operands: Operands, result: *mut PyObject) -> Ret {
        for i in 0..operands.count {
            decref(*operands.args.add(i));
        }
        decref(operands.callable);
        self.sp = self.sp.sub(self.oparg() + 2);
        if result.is_null() {
            return self.error();
        }
        self.push(result);
        self.next_periodic(CALL_LENGTH)
    }
}

/// Whether a function is called the way functions are, so that pushing a frame is the same as calling it.
#[inline(always)]
pub(crate) unsafe fn is_plain_function(s: State, callable: *mut PyObject) -> bool {
    is_plain(callable, s.known())
}

/// [`is_plain_function`] without registers.
#[inline(always)]
pub(crate) unsafe fn is_plain(callable: *mut PyObject, known: &Known) -> bool {
    ty(callable) == &raw mut PyFunction_Type
        && (*callable.cast::<PyFunctionObject>()).vectorcall.map_or(ptr::null(), |f| f as *const _)
            == known.function_vectorcall
}

/// `f_locals` of a new frame for a function: its globals, if its code is not optimized (class bodies, `exec`).
#[inline(always)]
pub(crate) unsafe fn frame_locals_for(func: *mut PyFunctionObject) -> *mut PyObject {
    if (*(*func).func_code.cast::<PyCodeObject>()).co_flags & CO_OPTIMIZED != 0 {
        ptr::null_mut()
    } else {
        newref((*func).func_globals)
    }
}

/// `_PyObject_VectorcallTstate`.
#[inline(always)]
unsafe fn vectorcall(callable: *mut PyObject, args: *mut *mut PyObject, count: usize) -> *mut PyObject {
    ffi::PyObject_Vectorcall(callable, args, count | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, ptr::null_mut())
}

handler! {
    CALL(s) {
        adapt!(s, crate::specialize::call::call);
        s.tail(call_generic)
    }

    call_generic(s) {
        s.save_ip();
        let n = s.oparg();
        if s.peek(n + 1).is_null() && ty(s.peek(n + 2)) == &raw mut PyMethod_Type {
            expand_method(s, n);
        }
        let operands = s.call_operands();
        if is_plain_function(s, operands.callable) {
            return s.tail(call_python);
        }
        let function = shims::callable(s, s.oparg());
        if !function.is_null() {
            return s.tail_with(call_instance, function as usize);
        }
        let found = shims::called(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let result = vectorcall(operands.callable, operands.args, operands.count);
        s.finish_call(operands, result)
    }

    /// Calls a Python function with whatever arguments: the frame is made by CPython's own argument parsing.
    call_python(s) {
        s.save_ip();
        let operands = s.call_operands();
        let func = operands.callable.cast::<PyFunctionObject>();
        let frame = _PyEvalFramePushAndInit(
            s.tstate(), func, frame_locals_for(func), operands.args, operands.count, ptr::null_mut());
        // The function and the arguments were taken, whether it worked or not.
        s.shrink(s.oparg() + 2);
        if frame.is_null() {
            return s.error();
        }
        s.enter(frame, CALL_LENGTH)
    }

    CALL_PY_EXACT_ARGS(s) {
        let operands = s.call_operands();
        let func = operands.callable.cast::<PyFunctionObject>();
        if ty(operands.callable) != &raw mut PyFunction_Type || !s.function_is_cached(func, operands.count) {
            return s.tail(CALL);
        }
        s.push_python_call(operands)
    }

    CALL_BOUND_METHOD_EXACT_ARGS(s) {
        let n = s.oparg();
        let method = s.peek(n + 2);
        if !s.peek(n + 1).is_null() || ty(method) != &raw mut PyMethod_Type {
            return s.tail(CALL);
        }
        let func = (*method.cast::<PyMethodObject>()).im_func.cast::<PyFunctionObject>();
        if ty(func.cast()) != &raw mut PyFunction_Type
            || !s.function_is_cached(func, n + 1)
            // Their callbacks, should the method die now, could change the function.
            || !(*method.cast::<PyMethodObject>()).im_weakreflist.is_null()
        {
            return s.tail(CALL);
        }
        s.save_ip();
        expand_method(s, n);
        let operands = s.call_operands();
        s.push_python_call(operands)
    }

    CALL_PY_GENERAL(s) {
        let operands = s.call_operands();
        let func = operands.callable.cast::<PyFunctionObject>();
        if ty(operands.callable) != &raw mut PyFunction_Type || (*func).func_version != *s.cache(1) as u32 {
            return s.tail(CALL);
        }
        s.call_python_with_defaults(operands)
    }

    CALL_BOUND_METHOD_GENERAL(s) {
        let n = s.oparg();
        let method = s.peek(n + 2);
        if !s.peek(n + 1).is_null() || ty(method) != &raw mut PyMethod_Type {
            return s.tail(CALL);
        }
        let func = (*method.cast::<PyMethodObject>()).im_func.cast::<PyFunctionObject>();
        if ty(func.cast()) != &raw mut PyFunction_Type || (*func).func_version != *s.cache(1) as u32 {
            return s.tail(CALL);
        }
        s.save_ip();
        expand_method(s, n);
        let operands = s.call_operands();
        s.call_python_with_defaults(operands)
    }

    /// A bound method that is called with something in the place of the receiver, which then is its second argument: that is how a `with` statement
    /// calls `__exit__`. The method stays on the stack, and with it what it is bound to, until it has returned.
    CALL_EXIT(s) {
        let n = s.oparg();
        let method = s.peek(n + 2);
        if s.peek(n + 1).is_null() || ty(method) != &raw mut PyMethod_Type || !s.hook_is_ours() {
            return s.tail(CALL);
        }
        let func = (*method.cast::<PyMethodObject>()).im_func.cast::<PyFunctionObject>();
        if ty(func.cast()) != &raw mut PyFunction_Type || (*func).func_version != *s.cache(1) as u32 {
            return s.tail(CALL);
        }
        s.save_ip();
        let args = s.sp.sub(n + 2);
        *args = newref((*method.cast::<PyMethodObject>()).im_self);
        incref(func.cast());
        let frame =
            _PyEvalFramePushAndInit(s.tstate(), func, frame_locals_for(func), args, n + 2, ptr::null_mut());
        // The function and the arguments were taken, whether it worked or not.
        *args = method;
        s.shrink(n + 1);
        if frame.is_null() {
            return s.error();
        }
        s.enter(frame, 3)
    }

    /// What CALL_EXIT has called returned: its value is above the method.
    EXIT_RETURN(s) {
        let value = s.pop();
        let method = s.peek(1);
        s.put(1, value);
        // To whoever looks when the method dies, the call is being executed.
        s.pc = s.pc.sub(CALL_LENGTH - 1);
        s.save_ip();
        s.decref_then_next(method, CALL_LENGTH)
    }

    /// A function or type of [`crate::consumers`] whose argument is a generator.
    CALL_CONSUMER(s) {
        match consumer(s) {
            Some(consumer) => s.enter_consumer(consumer),
            None => s.tail(CALL),
        }
    }

    CALL_NON_PY_GENERAL(s) {
        let operands = s.call_operands();
        let t = ty(operands.callable);
        if t == &raw mut PyFunction_Type || t == &raw mut PyMethod_Type {
            return s.tail(CALL);
        }
        let function = shims::callable(s, s.oparg());
        if !function.is_null() {
            return s.tail_with(call_instance, function as usize);
        }
        s.save_ip();
        let result = vectorcall(operands.callable, operands.args, operands.count);
        s.finish_call(operands, result)
    }

    /// A built-in function that calls a method of its argument, which is one in Python.
    CALL_FOR_METHOD(s) {
        let found = shims::called(s);
        if found.is_none() {
            return s.tail(CALL);
        }
        s.save_ip();
        s.enter_found(found)
    }

    /// A class whose `__init__` has other parameters than CALL_ALLOC_AND_ENTER_INIT knows.
    CALL_INITIALIZER(s) {
        let init = shims::initialized::<false>(s);
        if init.is_null() {
            return s.tail(CALL);
        }
        s.save_ip();
        s.tail_with(shims::enter_initializer, init as usize)
    }

    /// An instance of a class with `__call__` in Python.
    call_instance(s, function: usize) {
        let n = s.oparg();
        s.put(n + 1, s.peek(n + 2));
        s.put(n + 2, newref(function as *mut PyObject));
        let operands = s.call_operands();
        s.call_python_with_defaults(operands)
    }

    /// Creates an instance of a Python class and enters its `__init__`; see `specialize/call.rs` for which classes.
    CALL_ALLOC_AND_ENTER_INIT(s) {
        let n = s.oparg();
        let class = s.peek(n + 2).cast::<PyTypeObject>();
        let versions = *s.cache(1);
        let init = *s.cache(2) as *mut PyFunctionObject;
        // The class is compared by its version alone: an object that is not a type has something else there, but must be
        // kept from being read beyond its end.
        if !s.peek(n + 1).is_null()
            || ffi::PyType_Check(class.cast()) == 0
            || (*class).tp_version_tag != versions as u32
            || !shims::is_called_as_type(class, s.known())
            || (*init).func_version != (versions >> 32) as u32
        {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        let code = (*init).func_code.cast::<PyCodeObject>();
        if !frames::has_stack_space(ts, (*code).co_framesize) || (*ts).py_recursion_remaining <= 1 {
            return s.tail(CALL);
        }
        s.save_ip();
        let object = ffi::PyType_GenericAlloc(class, 0);
        if object.is_null() {
            return s.error();
        }
        let args = s.sp.sub(n);
        incref(init.cast());
        let wanted = (*code).co_argcount as usize;
        let frame = frames::push_unchecked(ts, init, wanted);
        let locals = frame_locals(frame);
        *locals = newref(object);
        frames::move_words(locals.add(1), args, n);
        fill_in_defaults(init, locals, n + 1, wanted);
        // The object waits in the place of its class until `__init__` returns.
        s.shrink(n + 1);
        s.put(1, object);
        decref(class.cast());
        s.enter(frame, 3)
    }

    /// `__init__` returned: its value must be None; the object is below it.
    INIT_RETURN(s) {
        let value = s.peek(1);
        if value != s.known().none {
            return s.tail(init_returned_something);
        }
        s.shrink(1);
        s.next(1)
    }

    #[cold]
    init_returned_something(s) {
        let value = s.pop();
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"__init__() should return None, not '%.200s'".as_ptr(),
            (*ty(value)).tp_name,
        );
        decref(value);
        s.pc = s.pc.sub(CALL_LENGTH - 1);
        s.error()
    }
}

impl State {
    /// Whether a function is the one that a CALL was specialized for, with as many arguments; and has room.
    #[inline(always)]
    unsafe fn function_is_cached(self, func: *mut PyFunctionObject, count: usize) -> bool {
        let cached = *self.cache(1);
        let ts = self.tstate();
        u64::from((*func).func_version) | (count as u64) << 32 == cached
            && self.hook_is_ours()
            && frames::has_stack_space(ts, (*(*func).func_code.cast::<PyCodeObject>()).co_framesize)
            && (*ts).py_recursion_remaining > 1
    }

    /// Enters the cached function; its arguments are exactly its locals' first values.
    #[inline(always)]
    unsafe fn push_python_call(mut self, operands: Operands) -> Ret {
        let ts = self.tstate();
        let frame = frames::push_unchecked(ts, operands.callable.cast(), operands.count);
        let locals = frame_locals(frame);
        frames::move_words(locals, operands.args, operands.count);
        self.shrink(self.oparg() + 2);
        let cs = *self.cache(2) as *mut CodeState;
        self.save_ip();
        self.save_sp();
        (*self.frame).return_offset = CALL_LENGTH as u16;
        (*frame).previous = self.frame;
        (*ts).current_frame = frame;
        (*ts).py_recursion_remaining -= 1;
        (*frame).stacktop = -1;
        let sp = locals.offset((*(*cs).code).co_nlocalsplus as isize);
        State { pc: CodeState::words(cs), sp, frame, cx: self.cx, cs }.dispatch()
    }

    /// Enters a Python function of the cached version: positional arguments, and defaults for those that are missing.
    #[inline(always)]
    unsafe fn call_python_with_defaults(mut self, operands: Operands) -> Ret {
        let ts = self.tstate();
        let func = operands.callable.cast::<PyFunctionObject>();
        let code = (*func).func_code.cast::<PyCodeObject>();
        let wanted = (*code).co_argcount as usize;
        let defaults = (*func).func_defaults;
        let simple = (*code).co_flags & (CO_OPTIMIZED | CO_VARARGS | CO_VARKEYWORDS) == CO_OPTIMIZED
            && (*code).co_kwonlyargcount == 0
            && operands.count <= wanted
            && (operands.count == wanted
                || (!defaults.is_null() && wanted - operands.count <= size(defaults) as usize))
            && frames::has_stack_space(ts, (*code).co_framesize);
        if !simple {
            return self.tail(call_python);
        }
        let frame = frames::push_unchecked(ts, func, wanted);
        let locals = frame_locals(frame);
        frames::move_words(locals, operands.args, operands.count);
        fill_in_defaults(func, locals, operands.count, wanted);
        self.shrink(self.oparg() + 2);
        self.enter(frame, CALL_LENGTH)
    }
}

/// Gives the locals from `first` to `end`, arguments that are missing, the function's defaults. There are enough.
#[inline(always)]
unsafe fn fill_in_defaults(func: *mut PyFunctionObject, locals: *mut *mut PyObject, first: usize, end: usize) {
    let defaults = (*func).func_defaults;
    for i in first..end {
        let from_end = end - i;
        *locals.add(i) = newref(tuple_item(defaults, size(defaults) as usize - from_end));
    }
}

/// Puts a bound method's function and receiver in its place on the stack.
#[inline(always)]
pub(super) unsafe fn expand_method(s: State, n: usize) {
    let method = s.peek(n + 2).cast::<PyMethodObject>();
    s.put(n + 1, newref((*method).im_self));
    s.put(n + 2, newref((*method).im_func));
    decref(method.cast());
}
