//! Calls.
//!
//! Before a call the stack holds the callable, `self` or null, and the arguments. A Python function gets a frame pushed on
//! the data stack and runs in this same activation; everything else is called.
//!
//! Inline cache of CALL (three words): 1: the function's version, or the class's and its `__init__`'s, or a consumer's number; 2: a
//! pointer; 3: for classes, an instruction of ours, [`INIT_RETURN`], to which `__init__` returns.

use crate::adapt;
use crate::code::CodeState;
use crate::consumers::consumer;
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::handler;
use crate::shims;
use core::ffi::c_int;
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

/// Length of CALL with its caches.
const CALL_LENGTH: usize = 4;

/// The operands of a CALL.
#[derive(Clone, Copy)]
struct Operands {
    callable: *mut PyObject,
    /// First argument, `self` included if there is one.
    args: *mut *mut PyObject,
    /// Arguments, `self` included.
    count: usize,
}

impl State {
    #[inline(always)]
    unsafe fn call_operands(self) -> Operands {
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
    unsafe fn finish_call(mut self, operands: Operands, result: *mut PyObject) -> Ret {
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
    ty(callable) == &raw mut PyFunction_Type
        && (*callable.cast::<PyFunctionObject>()).vectorcall.map_or(ptr::null(), |f| f as *const _)
            == s.known().function_vectorcall
}

/// `f_locals` of a new frame for a function: its globals, if its code is not optimized (class bodies, `exec`).
#[inline(always)]
unsafe fn frame_locals_for(func: *mut PyFunctionObject) -> *mut PyObject {
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

    CALL_TYPE_1(s) {
        let arg = s.peek(1);
        let callable = s.peek(3);
        if !s.peek(2).is_null() || callable != (&raw mut ffi::PyType_Type).cast() {
            return s.tail(CALL);
        }
        let t = ty(arg).cast::<PyObject>();
        s.shrink(2);
        s.put(1, newref(t));
        // `type` itself is a static type: its reference needs no counting.
        s.decref_then_next(arg, CALL_LENGTH)
    }

    CALL_STR_1(s) {
        let arg = s.peek(1);
        if !s.peek(2).is_null() || s.peek(3) != (&raw mut ffi::PyUnicode_Type).cast() {
            return s.tail(CALL);
        }
        s.save_ip();
        let result = ffi::PyObject_Str(arg);
        s.finish_conversion(arg, result)
    }

    CALL_TUPLE_1(s) {
        let arg = s.peek(1);
        if !s.peek(2).is_null() || s.peek(3) != (&raw mut ffi::PyTuple_Type).cast() {
            return s.tail(CALL);
        }
        s.save_ip();
        let result = ffi::PySequence_Tuple(arg);
        s.finish_conversion(arg, result)
    }

    /// A function or type of [`crate::consumers`] whose argument is a generator.
    CALL_CONSUMER(s) {
        match consumer(s) {
            Some(consumer) => s.enter_consumer(consumer),
            None => s.tail(CALL),
        }
    }

    CALL_BUILTIN_CLASS(s) {
        let operands = s.call_operands();
        if ffi::PyType_Check(operands.callable) == 0 {
            return s.tail(CALL);
        }
        let Some(call) = (*operands.callable.cast::<PyTypeObject>()).tp_vectorcall else {
            return s.tail(CALL);
        };
        s.save_ip();
        let result = call(operands.callable, operands.args, operands.count, ptr::null_mut());
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_O(s) {
        let operands = s.call_operands();
        if operands.count != 1 || !is_builtin(operands.callable, ffi::METH_O) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        (*ts).c_recursion_remaining -= 1;
        let result = ((*(*function).m_ml).ml_meth.PyCFunction)((*function).m_self, *operands.args);
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_FAST(s) {
        let operands = s.call_operands();
        if !is_builtin(operands.callable, ffi::METH_FASTCALL) {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        let call: FastCFunction = core::mem::transmute((*(*function).m_ml).ml_meth.PyCFunction);
        let result = call((*function).m_self, operands.args, operands.count as isize);
        s.finish_call(operands, result)
    }

    CALL_BUILTIN_FAST_WITH_KEYWORDS(s) {
        let operands = s.call_operands();
        if !is_builtin(operands.callable, ffi::METH_FASTCALL | ffi::METH_KEYWORDS) {
            return s.tail(CALL);
        }
        s.save_ip();
        let function = operands.callable.cast::<PyCFunctionObject>();
        let call: FastKwCFunction = core::mem::transmute((*(*function).m_ml).ml_meth.PyCFunction);
        let result = call((*function).m_self, operands.args, operands.count as isize, ptr::null_mut());
        s.finish_call(operands, result)
    }

    CALL_LEN(s) {
        let operands = s.call_operands();
        if operands.count != 1 || operands.callable != s.known().len {
            return s.tail(CALL);
        }
        let arg = *operands.args;
        let t = ty(arg);
        if t == &raw mut ffi::PyList_Type || t == &raw mut ffi::PyTuple_Type {
            let len = size(arg);
            if len <= 256 && refcnt(arg) != 1 && refcnt(operands.callable) != 1 {
                decref_no_dealloc(arg);
                decref_no_dealloc(operands.callable);
                s.shrink(s.oparg() + 2);
                s.push(s.known().small_ints.offset(len + 5).cast());
                return s.next(CALL_LENGTH);
            }
        }
        s.tail(call_len_slow)
    }

    call_len_slow(s) {
        s.save_ip();
        let operands = s.call_operands();
        let len = ffi::PyObject_Size(*operands.args);
        if len < 0 {
            return s.error();
        }
        let result = ffi::PyLong_FromSsize_t(len);
        if result.is_null() {
            return s.error();
        }
        s.finish_call_without_events(operands, result)
    }

    CALL_ISINSTANCE(s) {
        let operands = s.call_operands();
        if operands.count != 2 || operands.callable != s.known().isinstance {
            return s.tail(CALL);
        }
        s.save_ip();
        let is = ffi::PyObject_IsInstance(*operands.args, *operands.args.add(1));
        if is < 0 {
            return s.error();
        }
        let result = if is != 0 { s.known().true_ } else { s.known().false_ };
        s.finish_call_without_events(operands, result)
    }

    /// `list.append(x)` as a statement: the POP_TOP behind it is done, too.
    CALL_LIST_APPEND(s) {
        let list = s.peek(2).cast::<PyListObject>();
        let callable = s.peek(3);
        if callable != s.known().list_append || list.is_null() || ffi::PyList_Check(list.cast()) == 0 {
            return s.tail(CALL);
        }
        let len = size(list.cast());
        if (*list).allocated > len && refcnt(list.cast()) != 1 {
            *(*list).ob_item.offset(len) = s.peek(1);
            (*list).ob_base.ob_size = len + 1;
            decref_no_dealloc(list.cast());
            decref_no_dealloc(callable);
            s.shrink(3);
            return s.next(CALL_LENGTH + 1);
        }
        s.tail(call_list_append_slow)
    }

    call_list_append_slow(s) {
        s.save_ip();
        let list = s.peek(2).cast::<PyListObject>();
        let callable = s.peek(3);
        let item = s.pop();
        if _PyList_AppendTakeRefListResize(list, item) < 0 {
            return s.error();
        }
        s.shrink(2);
        decref(list.cast());
        decref(callable);
        s.next_escaped(CALL_LENGTH + 1)
    }

    CALL_METHOD_DESCRIPTOR_O(s) {
        let operands = s.call_operands();
        if operands.count != 2 || !is_method_descriptor(operands, ffi::METH_O) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        (*ts).c_recursion_remaining -= 1;
        let result = (method_pointer(operands).PyCFunction)(*operands.args, *operands.args.add(1));
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_NOARGS(s) {
        let operands = s.call_operands();
        if operands.count != 1 || !is_method_descriptor(operands, ffi::METH_NOARGS) {
            return s.tail(CALL);
        }
        let ts = s.tstate();
        if (*ts).c_recursion_remaining <= 0 {
            return s.tail(CALL);
        }
        s.save_ip();
        (*ts).c_recursion_remaining -= 1;
        let result = (method_pointer(operands).PyCFunction)(*operands.args, ptr::null_mut());
        (*ts).c_recursion_remaining += 1;
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_FAST(s) {
        let operands = s.call_operands();
        if operands.count == 0 || !is_method_descriptor(operands, ffi::METH_FASTCALL) {
            return s.tail(CALL);
        }
        s.save_ip();
        let call: FastCFunction = core::mem::transmute(method_pointer(operands).PyCFunction);
        let result = call(*operands.args, operands.args.add(1), operands.count as isize - 1);
        s.finish_call(operands, result)
    }

    CALL_METHOD_DESCRIPTOR_FAST_WITH_KEYWORDS(s) {
        let operands = s.call_operands();
        if operands.count == 0 || !is_method_descriptor(operands, ffi::METH_FASTCALL | ffi::METH_KEYWORDS) {
            return s.tail(CALL);
        }
        s.save_ip();
        let call: FastKwCFunction = core::mem::transmute(method_pointer(operands).PyCFunction);
        let result = call(*operands.args, operands.args.add(1), operands.count as isize - 1, ptr::null_mut());
        s.finish_call(operands, result)
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

    CALL_KW(s) {
        s.save_ip();
        let kwnames = s.pop();
        let n = s.oparg();
        if s.peek(n + 1).is_null() && ty(s.peek(n + 2)) == &raw mut PyMethod_Type {
            expand_method(s, n);
        }
        let operands = s.call_operands();
        let positional = operands.count - size(kwnames) as usize;
        if is_plain_function(s, operands.callable) {
            let func = operands.callable.cast::<PyFunctionObject>();
            let frame = _PyEvalFramePushAndInit(
                s.tstate(), func, frame_locals_for(func), operands.args, positional, kwnames);
            s.shrink(n + 2);
            decref(kwnames);
            if frame.is_null() {
                return s.error();
            }
            return s.enter(frame, 1);
        }
        let result = ffi::PyObject_Vectorcall(
            operands.callable, operands.args, positional | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
        decref(kwnames);
        decref(operands.callable);
        for i in 0..operands.count {
            decref(*operands.args.add(i));
        }
        s.shrink(n + 2);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_periodic(1)
    }

    CALL_FUNCTION_EX(s) {
        s.save_ip();
        let has_kwargs = s.oparg() & 1;
        let args_at = 1 + has_kwargs;
        let func = s.peek(args_at + 2);
        let args = s.peek(args_at);
        if ty(args) != &raw mut ffi::PyTuple_Type {
            if (*ty(args)).tp_iter.is_none() && ffi::PySequence_Check(args) == 0 {
                not_iterable(func, args);
                return s.error();
            }
            let tuple = ffi::PySequence_Tuple(args);
            if tuple.is_null() {
                return s.error();
            }
            s.put(args_at, tuple);
            decref(args);
        }
        let args = s.peek(args_at);
        let kwargs = if has_kwargs != 0 { s.peek(1) } else { ptr::null_mut() };
        if is_plain_function(s, func) {
            let frame = push_with_dict(s.tstate(), func.cast(), args, kwargs);
            s.shrink(3 + has_kwargs);
            if frame.is_null() {
                return s.error();
            }
            return s.enter(frame, 1);
        }
        let result = ffi::PyObject_Call(func, args, kwargs);
        decref(func);
        decref(args);
        xdecref(kwargs);
        s.shrink(3 + has_kwargs);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_periodic(1)
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
        State { pc: (*cs).words, sp, frame, cx: self.cx, cs }.dispatch()
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

    /// Ends `str(x)` and `tuple(x)`: the types called are static, so only the argument is dropped.
    #[inline(always)]
    unsafe fn finish_conversion(mut self, arg: *mut PyObject, result: *mut PyObject) -> Ret {
        decref(arg);
        self.shrink(3);
        if result.is_null() {
            return self.error();
        }
        self.push(result);
        self.next_periodic(CALL_LENGTH)
    }

    /// [`State::finish_call`] for the calls that CPython does not follow by its periodic check.
    #[inline(always)]
    unsafe fn finish_call_without_events(mut self, operands: Operands, result: *mut PyObject) -> Ret {
        for i in 0..operands.count {
            decref(*operands.args.add(i));
        }
        decref(operands.callable);
        self.sp = self.sp.sub(self.oparg() + 2);
        self.push(result);
        self.next_escaped(CALL_LENGTH)
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
unsafe fn expand_method(s: State, n: usize) {
    let method = s.peek(n + 2).cast::<PyMethodObject>();
    s.put(n + 1, newref((*method).im_self));
    s.put(n + 2, newref((*method).im_func));
    decref(method.cast());
}

/// Whether `callable` is a built-in function with this calling convention.
#[inline(always)]
unsafe fn is_builtin(callable: *mut PyObject, flags: c_int) -> bool {
    ty(callable) == &raw mut ffi::PyCFunction_Type && (*(*callable.cast::<PyCFunctionObject>()).m_ml).ml_flags == flags
}

/// Whether the callable is a method of a built-in type with this calling convention, called on that very type.
#[inline(always)]
unsafe fn is_method_descriptor(operands: Operands, flags: c_int) -> bool {
    let method = operands.callable.cast::<PyMethodDescrObject>();
    ty(operands.callable) == &raw mut PyMethodDescr_Type
        && (*(*method).d_method).ml_flags == flags
        && ty(*operands.args) == (*method).d_type
}

#[inline(always)]
unsafe fn method_pointer(operands: Operands) -> ffi::PyMethodDefPointer {
    (*(*operands.callable.cast::<PyMethodDescrObject>()).d_method).ml_meth
}

#[cold]
#[inline(never)]
unsafe fn not_iterable(func: *mut PyObject, args: *mut PyObject) {
    ffi::PyErr_Clear();
    let name = _PyObject_FunctionStr(func);
    if !name.is_null() {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"%U argument after * must be an iterable, not %.200s".as_ptr(),
            name,
            (*ty(args)).tp_name,
        );
        decref(name);
    }
}

/// A new frame for `func` from a tuple and a dict (or null) of arguments. Takes all three references.
#[inline(never)]
unsafe fn push_with_dict(
    ts: *mut ThreadState,
    func: *mut PyFunctionObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut InterpreterFrame {
    let positional = size(args) as usize;
    let keywords = if kwargs.is_null() { 0 } else { ffi::PyDict_Size(kwargs) as usize };
    let mut values: Vec<*mut PyObject> = Vec::with_capacity(positional + keywords);
    for i in 0..positional {
        values.push(newref(tuple_item(args, i)));
    }
    let mut kwnames = ptr::null_mut();
    let mut failed = false;
    if keywords != 0 {
        kwnames = ffi::PyTuple_New(keywords as isize);
        failed = kwnames.is_null();
        let mut strings = true;
        let (mut position, mut key, mut value, mut i) = (0, ptr::null_mut(), ptr::null_mut(), 0);
        while !failed && ffi::PyDict_Next(kwargs, &raw mut position, &raw mut key, &raw mut value) != 0 {
            strings &= ffi::PyUnicode_Check(key) != 0;
            ffi::PyTuple_SET_ITEM(kwnames, i, newref(key));
            values.push(newref(value));
            i += 1;
        }
        if !failed && !strings {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"keywords must be strings".as_ptr());
            failed = true;
        }
    }
    let frame = if failed {
        values.iter().for_each(|&v| decref(v));
        decref(func.cast());
        ptr::null_mut()
    } else {
        _PyEvalFramePushAndInit(ts, func, frame_locals_for(func), values.as_ptr(), positional, kwnames)
    };
    xdecref(kwnames);
    decref(args);
    xdecref(kwargs);
    frame
}
